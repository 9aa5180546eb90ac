"""The Run Auxiliary Copy form: its fields, their text, and from what was typed to options. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from auxtui import format as fmt
from auxtui.inert import safe
from auxtui.present import Cell, Fact, Look, Row, Tone
from engine.catalog.live_values import Estate, LiveCopy, LivePolicy
from engine.model.errors import UsageError
from engine.model.names import shown
from engine.model.states import CopyKind
from engine.policy.values import RunOptions

ALL_COPIES = ""
ANY_AGENT = ""
MOST_STREAMS = 1000  # no host moves more at once; the real limit is said by the plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of the form."""

    name: str
    label: str
    tab: str
    kind: str
    """choice, text or check."""
    help: str
    value: str | bool


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


def fields_of(policy: LivePolicy, options: Mapping[str, Any]) -> tuple[Field, ...]:
    """The fields with what stands in them at the start.

    Args:
        policy: what is run.
        options: of an earlier run, or only the copies; what is missing has its default.
    """
    start = {**_defaults(), **options}
    copies = [c for c in start["copies"] if any(c == one.name for one in secondary(policy))]
    throttle = start["throttle_bps"]
    total = start["total_time_s"]
    return (
        Field(
            name="copies",
            label="Copies",
            tab="General",
            kind="choice",
            help="All active secondary copies of the policy, or one of them.",
            value=copies[0] if len(copies) == 1 else ALL_COPIES,
        ),
        Field(
            name="source_media_agent",
            label="Source MediaAgent",
            tab="General",
            kind="choice",
            help="Which MediaAgent reads a shared source library; any: the least busy one.",
            value=str(start["source_media_agent"]),
        ),
        Field(
            name="streams",
            label="Streams",
            tab="General",
            kind="text",
            help="max: as many as every limit allows; or a number, 1 or more.",
            value="max" if start["streams"] is None else str(start["streams"]),
        ),
        Field(
            name="scalable",
            label="Scalable Resource Allocation",
            tab="General",
            kind="check",
            help="Streams pull chunks from one queue, load is spread, new backup jobs join the run.",
            value=bool(start["scalable"]),
        ),
        Field(
            name="jobs_to_process",
            label="Jobs to process",
            tab="General",
            kind="text",
            help="Scalable: so many backup jobs are queued at a time.",
            value=str(start["jobs_to_process"]),
        ),
        Field(
            name="throttle",
            label="Throttle, MiB/s",
            tab="General",
            kind="text",
            help="Limit for this run; empty: only what the copies say. It can be changed later (t).",
            value="" if not throttle else f"{throttle / fmt.MIB:g}",
        ),
        Field(
            name="priority",
            label="Priority",
            tab="Advanced",
            kind="text",
            help="0 is first, 9 is last.",
            value=str(start["priority"]),
        ),
        Field(
            name="start_suspended",
            label="Start suspended",
            tab="Advanced",
            kind="check",
            help="The job is made and waits until it is resumed (u).",
            value=bool(start["start_suspended"]),
        ),
        Field(
            name="description",
            label="Description",
            tab="Advanced",
            kind="text",
            help="Shown with the job, now and in the history.",
            value=str(start["description"]),
        ),
        Field(
            name="retries",
            label="Number of retries",
            tab="Advanced",
            kind="text",
            help="Attempts after the first one, for errors that may pass; 0: none.",
            value=str(start["retries"]),
        ),
        Field(
            name="total_time",
            label="Total running time, hours",
            tab="Advanced",
            kind="text",
            help="Not longer than this over all attempts; empty: no limit.",
            value="" if not total else f"{total / 3600:g}",
        ),
        Field(
            name="kill_after_total_time",
            label="Kill when it expires",
            tab="Advanced",
            kind="check",
            help="Ends a running job at that time; what is published stays.",
            value=bool(start["kill_after_total_time"]),
        ),
    )


def _defaults() -> dict[str, Any]:
    options = RunOptions()
    return {name: getattr(options, name) for name in RunOptions.__slots__}


def read_form(
    values: Mapping[str, str | bool], kept: Mapping[str, Any]
) -> tuple[RunOptions | None, dict[str, str]]:
    """What was typed, as options.

    Args:
        values: by the name of the field.
        kept: options of an earlier run that the form does not show.

    Returns:
        The options, or None and a message for each field that is wrong.
    """
    wrong: dict[str, str] = {}

    def number(name: str, what: str, least: int, most: int) -> int:
        try:
            return fmt.whole_number(str(values[name]), what, least=least, most=most)
        except UsageError as err:
            wrong[name] = f"{err.message}: {err.hint}"
            return least

    streams = str(values["streams"]).strip().lower()
    read = {
        "copies": (str(values["copies"]),) if values["copies"] else (),
        "source_media_agent": str(values["source_media_agent"]),
        "streams": None
        if streams in ("", "max")
        else number("streams", "Streams", 1, MOST_STREAMS),
        "scalable": bool(values["scalable"]),
        "jobs_to_process": number("jobs_to_process", "Jobs to process", 1, 1_000_000),
        "throttle_bps": _quantity(values, "throttle", "Throttle", fmt.MIB, wrong),
        "priority": number("priority", "Priority", 0, 9),
        "start_suspended": bool(values["start_suspended"]),
        "description": str(values["description"]).strip(),
        "retries": number("retries", "Retries", 0, 1000),
        "total_time_s": _quantity(values, "total_time", "Total running time", 3600, wrong),
        "kill_after_total_time": bool(values["kill_after_total_time"]),
    }
    if read["kill_after_total_time"] and not read["total_time_s"] and "total_time" not in wrong:
        wrong["total_time"] = "Total running time: needed to kill when it expires"
    if wrong:
        return None, wrong
    others = {name: value for name, value in kept.items() if name in RunOptions.__slots__}
    return RunOptions(**{**others, **read}), {}


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


def plan_sentence(plan: Mapping[str, Any]) -> Cell:
    """A plan in one line."""
    totals = plan.get("copy_totals", ())
    taken = sum(int(t["taken"]) for t in totals)
    skipped = sum(int(t["skipped"]) for t in totals)
    blocked = sum(int(t["blocked"]) for t in totals)
    if not taken and not blocked:
        return Cell(f"nothing to copy now; {fmt.count(skipped, 'backup job')} skipped", Tone.WARN)
    text = (
        f"copies {fmt.count(taken, 'backup job')}, {fmt.size(int(plan.get('bytes_total', 0)))};"
        f" {skipped} skipped"
    )
    if plan.get("streams"):
        text += f"; {fmt.count(int(plan['streams']), 'stream')}"
    if blocked:
        return Cell(f"{blocked} blocked; {text}", Tone.BAD)
    return Cell(text, Tone.OK)


def plan_facts(plan: Mapping[str, Any]) -> list[Fact]:
    """The totals of a plan, per copy."""
    facts: list[Fact] = []
    for total in plan.get("copy_totals", ()):
        blocked = int(total["blocked"])
        text = (
            f"{fmt.count(int(total['taken']), 'backup job')}, {fmt.size(int(total['bytes']))};"
            f" {total['skipped']} skipped" + (f", {blocked} blocked" if blocked else "")
        )
        facts.append((safe(str(total["copy"])), Cell(text, Tone.BAD if blocked else Tone.PLAIN)))
    if plan.get("streams"):
        by = safe(str(plan.get("streams_limited_by", "")))
        because = f", limited by: {by}" if by else ""
        facts.append(("Streams", Cell(fmt.count(int(plan["streams"]), "stream") + because)))
    facts += [("warning", Cell(safe(str(w)), Tone.WARN)) for w in plan.get("warnings", ())]
    return facts or [("Plan", Cell("there is nothing on the source yet", Tone.WARN))]


def plan_rows(plan: Mapping[str, Any], look: Look) -> list[Row]:
    """Each backup job of a plan, blocked ones first, then taken, then skipped ones."""
    signs: dict[str, Callable[[], Cell]] = {
        "taken": lambda: Cell(look.glyphs.done, Tone.OK),
        "blocked": lambda: Cell(look.glyphs.failed, Tone.BAD),
        "skipped": lambda: Cell(look.glyphs.waiting, Tone.MUTED),
    }
    order = {"blocked": 0, "taken": 1, "skipped": 2}
    lines = sorted(plan.get("backup_jobs", ()), key=lambda line: order[_verdict(line)])
    return [
        Row(
            (line["backup_job_id"], line["copy"]),
            (
                signs[_verdict(line)](),
                Cell(str(line["backup_job_id"])),
                Cell(safe(str(line["copy"]))),
                Cell(shown(f"{line['client']}/{line['subclient']}")),
                Cell(safe(str(line["level"])), Tone.MUTED),
                Cell(fmt.size(int(line["bytes"]))),
                Cell(safe(str(line["reason"]))),
            ),
        )
        for line in lines
    ]


def _verdict(line: Mapping[str, Any]) -> str:
    return str(line.get("verdict") or ("taken" if line.get("taken") else "skipped"))
