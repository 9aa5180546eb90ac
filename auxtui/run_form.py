"""The Run Auxiliary Copy form: its fields, their text, and from what was typed to options. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from auxtui import format as fmt
from auxtui.run_fields import AUTOMATIC, BELONGS_TO, FIELDS, NOW, Field
from engine.catalog.live_values import Estate, LiveCopy, LivePolicy
from engine.model.errors import UsageError
from engine.model.states import CopyKind
from engine.policy.values import RunOptions

ALL_COPIES = ""
ANY_AGENT = ""
MOST_STREAMS = 256  # as in a script; the real limit is said by the plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Initiation:
    """How the run shall begin."""

    kind: str
    name: str = ""
    when: str = ""
    time_zone: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form that is right in every field."""

    options: RunOptions
    initiation: Initiation


def secondary(policy: LivePolicy) -> tuple[LiveCopy, ...]:
    """The copies that a run may be for."""
    return tuple(c for c in policy.copies if c.kind != CopyKind.PRIMARY and c.active)


def shared_source_agents(policy: LivePolicy, estate: Estate, chosen: str) -> tuple[str, ...]:
    """MediaAgents among which a source can be read; empty when there is no choice.

    Args:
        policy: what is run.
        estate: with the libraries.
        chosen: the copy that is run; empty for all.
    """
    by_name = {copy.name: copy for copy in policy.copies}
    agents: dict[str, None] = {}
    for copy in secondary(policy):
        if chosen not in (ALL_COPIES, copy.name):
            continue
        source = by_name.get(copy.source)
        for library in estate.libraries:
            if source and library.id == source.library_id and len(library.media_agents) > 1:
                agents.update(dict.fromkeys(library.media_agents))
    return tuple(agents)


def fields_of(
    policy: LivePolicy, options: Mapping[str, Any], *, time_zone: str
) -> tuple[Field, ...]:
    """The fields with what stands in them at the start.

    Args:
        policy: what is run.
        options: of an earlier run, or only the copies; what is missing has its default.
        time_zone: of the CommCell.
    """
    start = {**_defaults(), **options}
    copies = [c for c in start["copies"] if any(c == one.name for one in secondary(policy))]
    copy = copies[0] if len(copies) == 1 else ALL_COPIES
    throttle, total = start["throttle_bps"], start["total_time_s"]
    plain = "-".join(part for part in (policy.name, copy) if part)
    stated: dict[str, str | bool] = {
        "copies": copy,
        "streams": "max" if start["streams"] is None else str(start["streams"]),
        "throttle": "" if not throttle else f"{throttle / fmt.MIB:g}",
        "total_time": "" if not total else f"{total / 3600:g}",
        "initiation": NOW,
        "schedule_name": plain,
        "schedule_when": "daily at 22:00",
        "schedule_zone": time_zone,
        "script_file": f"{plain}.toml".replace("/", "-"),
    }
    for field in FIELDS:
        if field.name not in stated:
            value = start[field.name]
            stated[field.name] = value if field.kind == "check" else str(value)
    return tuple(replace(field, value=stated[field.name]) for field in FIELDS)


def _defaults() -> dict[str, Any]:
    options = RunOptions()
    return {name: getattr(options, name) for name in RunOptions.__slots__}


def read_form(
    values: Mapping[str, str | bool], kept: Mapping[str, Any]
) -> tuple[Form | None, dict[str, str]]:
    """What was typed, as options and a way to begin.

    Args:
        values: by the name of the field.
        kept: options of an earlier run that the form does not show.

    Returns:
        The form, or None and a message for each field that is wrong, in the order of the tabs.
    """
    wrong: dict[str, str] = {}

    def number(name: str, what: str, least: int, most: int) -> int:
        try:
            return fmt.whole_number(str(values[name]), what, least=least, most=most)
        except UsageError as err:
            wrong[name] = f"{err.message}: {err.hint}"
            return least

    streams = str(values["streams"]).strip().lower()
    checks = {f.name: bool(values[f.name]) for f in FIELDS if f.kind == "check"}
    read = {
        **checks,
        "copies": (str(values["copies"]),) if values["copies"] else (),
        "source_media_agent": str(values["source_media_agent"]),
        "streams": None
        if streams in ("", "max")
        else number("streams", "Streams", 1, MOST_STREAMS),
        "jobs_to_process": number("jobs_to_process", "Jobs to process", 1, 1_000_000),
        "throttle_bps": _quantity(values, "throttle", "Throttle", fmt.MIB, wrong),
    }
    initiation = _initiation(values, wrong)
    read |= {
        "priority": number("priority", "Priority", 0, 9),
        "description": str(values["description"]).strip(),
        "retries": number("retries", "Retries", 0, 1000),
        "total_time_s": _quantity(values, "total_time", "Total running time", 3600, wrong),
    }
    if read["kill_after_total_time"] and not read["total_time_s"] and "total_time" not in wrong:
        wrong["total_time"] = "Total running time: needed to kill when it expires"
    read |= {"alert": str(values["alert"]), "alert_when": str(values["alert_when"])}
    if not read["alert"]:
        read["alert_when"] = RunOptions().alert_when
    if wrong:
        return None, wrong
    others = {name: value for name, value in kept.items() if name in RunOptions.__slots__}
    return Form(options=RunOptions(**{**others, **read}), initiation=initiation), {}


def _initiation(values: Mapping[str, str | bool], wrong: dict[str, str]) -> Initiation:
    """How to begin; only the fields that belong to the chosen way count."""
    kind = str(values["initiation"])
    said = {
        name: str(values[name]).strip() if kind in kinds else ""
        for name, kinds in BELONGS_TO.items()
    }
    for name, what in (
        ("schedule_name", "Name of the schedule"),
        ("schedule_when", "When"),
        ("script_file", "File of the script"),
    ):
        if kind in BELONGS_TO[name] and not said[name]:
            wrong[name] = f"{what}: needed"
    return Initiation(
        kind=kind,
        name=said["schedule_name"],
        when="automatic" if kind == AUTOMATIC else said["schedule_when"],
        time_zone=said["schedule_zone"],
        file=said["script_file"],
    )


def _quantity(
    values: Mapping[str, str | bool], name: str, what: str, unit: int, wrong: dict[str, str]
) -> int | None:
    """A positive number with decimals in a unit; None when nothing was typed."""
    text = str(values[name]).strip()
    if not text:
        return None
    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    if not 0 < amount <= 10_000_000:
        wrong[name] = f"{what}: {text!r} is not possible: a number above 0, or empty"
        return None
    return max(1, round(amount * unit))


def field_tabs(names: Iterable[str], fields: Iterable[Field]) -> dict[str, str]:
    """How many of these fields are on each tab, as badges."""
    wanted = set(names)
    counts: dict[str, int] = {}
    for field in fields:
        if field.name in wanted:
            counts[field.tab] = counts.get(field.tab, 0) + 1
    return {tab: f"{count}!" for tab, count in counts.items()}
