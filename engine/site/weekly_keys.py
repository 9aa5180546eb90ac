"""Rows of a weekly timetable in the site file: days, from, to, and the dates that they are for."""

from __future__ import annotations

from functools import partial
from typing import Any

from engine.model.errors import UsageError
from engine.policy.timetable import PERIOD_KEYS, parse_periods
from engine.site.section import Section

__all__ = ["PERIOD_KEYS", "read_periods"]


def read_periods(
    section: Section, key: str, more: tuple[str, ...] = ()
) -> tuple[dict[str, Any], ...]:
    """The rows of a key, each checked on its own line.

    Args:
        section: the table.
        key: where the rows stand.
        more: further keys that each row must have.

    Raises:
        SiteError: a day, time or date that does not exist, or a period of no length.
    """
    keys = (*PERIOD_KEYS, *more)
    rows = section.tables(key, keys)
    for number, values in enumerate(rows):
        row = section.row(key, number, values, keys)
        for name in ("from", "to", *more):
            row.required(name)
        period = {name: value for name, value in values.items() if name in PERIOD_KEYS}
        row.understood(None, partial(_parse_one, period))
    return rows


def _parse_one(row: dict[str, Any]) -> None:
    try:
        parse_periods([row])
    except UsageError as err:
        raise UsageError(err.message.removeprefix("period 1: "), hint=err.hint) from err
