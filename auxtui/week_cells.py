"""The week of an operation window as half hours, and back to the rows of the site file. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from auxtui.site_rows import Rows
from engine.model.errors import UsageError
from engine.policy.timetable import parse_periods
from engine.policy.weekly import MINUTES_IN_DAY, format_clock, format_days

CELL_MINUTES = 30
CELLS = MINUTES_IN_DAY // CELL_MINUTES
DAYS = 7
Spot = tuple[int, int]
"""Day of the week, 0 (Monday) to 6, and half hour of the day, 0 to 47."""
Closed = frozenset[Spot]


def closed_of(rows: Sequence[dict[str, Any]]) -> tuple[Closed, Rows]:
    """The half hours that rows close in every week, and the rows that hold for some dates only.

    Raises:
        UsageError: a row is no period, or does not begin and end on a half hour.
    """
    dated = [row for row in rows if row.get("first_day") or row.get("last_day")]
    closed: set[Spot] = set()
    for period in parse_periods([row for row in rows if row not in dated]):
        if period.start % CELL_MINUTES or period.end % CELL_MINUTES:
            raise UsageError(f"{period.text} is not on the half hour", hint="edit it in the field")
        for day in period.days:
            for minute in range(period.start, period.end, CELL_MINUTES):
                later, within = divmod(minute, MINUTES_IN_DAY)
                closed.add(((day + later) % DAYS, within // CELL_MINUTES))
    return frozenset(closed), dated


def rows_of(closed: Closed) -> Rows:
    """Half hours as rows of the site file: days with the same hours share a row."""
    days_by_run: dict[tuple[int, int], set[int]] = defaultdict(set)
    for day in range(DAYS):
        cells = sorted(cell for at, cell in closed if at == day)
        for _, run in groupby(enumerate(cells), key=lambda each: each[1] - each[0]):
            found = [cell for _, cell in run]
            days_by_run[found[0] * CELL_MINUTES, (found[-1] + 1) * CELL_MINUTES].add(day)
    return [
        {"days": format_days(frozenset(days)), "from": format_clock(start), "to": format_clock(end)}
        for (start, end), days in sorted(days_by_run.items())
    ]


def between(one: Spot, other: Spot) -> Closed:
    """The half hours of a rectangle with these corners."""
    days = range(min(one[0], other[0]), max(one[0], other[0]) + 1)
    cells = range(min(one[1], other[1]), max(one[1], other[1]) + 1)
    return frozenset((day, cell) for day in days for cell in cells)


def switched(closed: Closed, chosen: Iterable[Spot]) -> Closed:
    """The week with these half hours closed; opened, when all of them are closed already."""
    some = frozenset(chosen)
    return closed - some if some <= closed else closed | some


def clock_of(cell: int) -> str:
    """`08:00-08:30`."""
    return f"{format_clock(cell * CELL_MINUTES)}-{format_clock((cell + 1) * CELL_MINUTES)}"
