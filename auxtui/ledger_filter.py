"""The filter of the backup jobs on a copy as a form: every part of it, and what was typed wrong. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from auxtui.form import FormField, Values
from engine.catalog.live_values import LedgerFilter
from engine.model.errors import UsageError
from engine.policy.durations import format_size, parse_size

_ANY = ("any", "")
_LEVELS = (_ANY, ("full", "full"), ("incremental", "incremental"))
_VERIFIED = (_ANY, ("never", "never"), ("good", "good"), ("failed", "failed"))
_DECISIONS = (
    _ANY,
    ("picked", "picked"),
    ("do not copy", "do_not_copy"),
    ("copy anew", "recopy"),
    ("marked bad", "bad"),
)
_DATE = "A date like 2026-01-31, or one with a time; empty: any."


def fields_of(where: LedgerFilter, zone_text: Callable[[datetime], str]) -> tuple[FormField, ...]:
    """The fields with what stands in them.

    Args:
        where: the filter as it is.
        zone_text: a time as it is typed.
    """

    def moment(at: datetime | None) -> str:
        return "" if at is None else zone_text(at)

    def size(number: int | None) -> str:
        return "" if number is None else format_size(number, exact=True)

    def choice(
        name: str, label: str, choices: tuple[tuple[str, str], ...], value: str
    ) -> FormField:
        return FormField(name=name, label=label, kind="choice", choices=choices, value=value)

    def text(name: str, label: str, value: str, help_line: str) -> FormField:
        return FormField(name=name, label=label, value=value, help=help_line)

    return (
        text("since", "Backed up from", moment(where.since), _DATE),
        text("until", "Backed up before", moment(where.until), _DATE),
        choice("level", "Level", _LEVELS, where.level),
        text("client", "Client", where.client, "Its whole name; empty: any."),
        text("subclient", "Subclient", where.subclient, "Its whole name; empty: any."),
        text("least_bytes", "At least", size(where.least_bytes), "A size: 10MiB, 4GB; empty: any."),
        text("most_bytes", "At most", size(where.most_bytes), "A size: 10MiB, 4GB; empty: any."),
        choice("verification", "Verification", _VERIFIED, where.verification),
        choice("decision", "Decided", _DECISIONS, where.decision),
        text("retain_until", "May go before", moment(where.retain_until), _DATE),
        text(
            "retained_by",
            "Retained by",
            where.retained_by,
            "days, cycles, pin, monthly, copy X ...",
        ),
        text("reason", "Reason has", where.reason, "A part of the reason."),
    )


def read(
    values: Values,
    where: LedgerFilter,
    moment_of: Callable[[str], datetime],
    last_moment_of: Callable[[str], datetime],
) -> tuple[LedgerFilter, dict[str, str]]:
    """The filter that a form says, and what is wrong by field.

    Args:
        values: of the fields.
        where: the filter before: its states and text stay.
        moment_of: reads a time that may be to come, or raises `UsageError`.
        last_moment_of: the same of what has happened already.
    """
    parsers: dict[str, Callable[[str], Any]] = {
        "since": last_moment_of,
        "until": last_moment_of,
        "retain_until": moment_of,
        "least_bytes": parse_size,
        "most_bytes": parse_size,
    }
    parts: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name, value in values.items():
        typed = str(value).strip()
        if name not in parsers:
            parts[name] = typed
            continue
        try:
            parts[name] = parsers[name](typed) if typed else None
        except UsageError as err:
            wrong[name] = f"{err.message} ({err.hint})" if err.hint else err.message
    if wrong:
        return where, wrong
    found = replace(where, **parts)
    if found.since and found.until and found.since >= found.until:
        wrong["until"] = "it is before the beginning: nothing is between them"
    if (
        found.least_bytes is not None
        and found.most_bytes is not None
        and found.least_bytes > found.most_bytes
    ):
        wrong["most_bytes"] = "it is less than at least: nothing is between them"
    return found, wrong
