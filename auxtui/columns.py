"""The columns of every table, and which of them fit a width; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

GAP = 1  # cells between columns
WIDE_GAP = 2  # after a number and before a text: `1  copy` is not read as one


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table."""

    title: str
    width: int
    """Cells; for a flexible column the least that is of use."""
    wish: int = 0
    """Cells that it should have before columns of a higher rank get any; 0: its width."""
    rank: int = 0
    """0 always stays; the highest goes first when there is no room."""
    right: bool = False
    flex: int = 0
    """Share of the room that is left; 0: fixed."""


class Place(NamedTuple):
    """A column that is shown: which one, its cells, and the empty ones after it."""

    column: int
    cells: int
    gap: int


def lay_out(columns: Sequence[Column], width: int) -> list[Place]:
    """Which columns are shown, and how wide.

    Args:
        columns: all of them.
        width: cells of the table.

    Returns:
        Each column that fits, in order.
    """
    chosen = list(range(len(columns)))
    cells = [max(column.width, column.wish) for column in columns]

    def needed() -> int:
        return sum(cells[i] for i in chosen) + sum(_gaps(columns, chosen))

    left_out: list[int] = []
    while needed() > width and any(columns[i].rank for i in chosen):
        left_out.append(max(chosen, key=lambda i: (columns[i].rank, i)))
        chosen.remove(left_out[-1])
    if left_out:  # the next one may fit with the least that it needs; one more would come and go
        index, before = left_out[-1], chosen
        cells[index], chosen = columns[index].width, sorted([*chosen, index])
        if needed() > width:
            chosen = before
    if needed() > width:
        cells = [column.width for column in columns]
    flexible = [i for i in chosen if columns[i].flex]
    shares = sum(columns[i].flex for i in flexible)
    spare = max(0, width - needed())
    for index in flexible:
        part = spare * columns[index].flex // shares
        cells[index] += part
        spare -= part
        shares -= columns[index].flex
    gaps = _gaps(columns, chosen)
    return [Place(index, cells[index], gap) for index, gap in zip(chosen, gaps, strict=True)]


def _gaps(columns: Sequence[Column], chosen: Sequence[int]) -> list[int]:
    """Cells after each of the chosen columns; none after the last."""
    between = [
        WIDE_GAP if columns[one].right and not columns[following].right else GAP
        for one, following in pairwise(chosen)
    ]
    return [*between, *[0] * bool(chosen)]


_STATE = Column(title="State", width=13)
_JOB = Column(title="Job", width=6, right=True)
_TARGET = Column(title="Policy and copies", width=15, wish=20, flex=2)

JOBS = (
    _STATE,
    _JOB,
    Column(title="Operation", width=14, rank=7),
    _TARGET,
    Column(title="Progress", width=13),
    Column(title="Err", width=3, right=True, rank=3),
    Column(title="Rate", width=10, right=True, rank=1),
    Column(title="Left", width=7, right=True, rank=2),
    Column(title="Phase or reason", width=16, wish=26, flex=3, rank=4),
    Column(title="Bytes", width=20, right=True, rank=5),
    Column(title="Pri", width=3, right=True, rank=8),
    Column(title="By", width=14, rank=9),
)
HISTORY = (
    _STATE,
    _JOB,
    Column(title="Operation", width=14, rank=6),
    _TARGET,
    Column(title="Ended", width=16),
    Column(title="Took", width=8, right=True, rank=3),
    Column(title="Bytes", width=8, right=True, rank=2),
    Column(title="Jobs", width=9, right=True, rank=4),
    Column(title="Err", width=4, right=True, rank=1),
    Column(title="Reason", width=20, wish=26, flex=3, rank=5),
    Column(title="By", width=14, rank=7),
)
LEDGER = (
    Column(title="State", width=18),
    Column(title="Job", width=7, right=True),
    Column(title="Subclient", width=10, wish=16, flex=1),
    Column(title="Level", width=11, rank=3),
    Column(title="Size", width=8, right=True, rank=1),
    Column(title="Started", width=16, rank=2),
    Column(title="Reason and next step", width=20, wish=44, flex=3),
    Column(title="Name", width=18, rank=4, flex=1),
    Column(title="Chunks", width=9, right=True, rank=6),
    Column(title="Copied", width=16, rank=5),
    Column(title="Verified", width=8, rank=7),
)
COPIES = (
    Column(title="Copy", width=12, wish=20, flex=2),
    Column(title="State", width=16),
    Column(title="To copy", width=8, right=True, rank=4),
    Column(title="Bytes owed", width=10, right=True),
    Column(title="Oldest", width=7, right=True, rank=1),
    Column(title="Available", width=9, right=True, rank=3),
    Column(title="Library", width=14, rank=2, flex=1),
    Column(title="Kind", width=12, rank=5),
    Column(title="Source", width=12, rank=6),
)
POLICIES = (
    Column(title="Policy", width=14, flex=2),
    Column(title="State", width=18),
    Column(title="Copies", width=6, right=True),
    Column(title="Bytes owed", width=10, right=True),
    Column(title="Last run", width=22, rank=1),
    Column(title="Subclients", width=10, right=True, rank=2),
    Column(title="Description", width=16, flex=2, rank=3),
)
CLIENTS = (
    Column(title="Client", width=16, flex=1),
    Column(title="State", width=18),
    Column(title="Subclients", width=20, flex=3),
)
SUBCLIENTS = (
    Column(title="Subclient", width=12, flex=1),
    Column(title="State", width=18),
    Column(title="Policy", width=12, flex=1, rank=1),
    Column(title="Landing directory", width=16, flex=2, rank=2),
    Column(title="Pattern", width=10, rank=4),
    Column(title="Last scan", width=16, rank=3),
    Column(title="Reason", width=16, flex=3, rank=5),
)
LIBRARIES = (
    Column(title="Library", width=12, flex=1),
    Column(title="State", width=18),
    Column(title="Space used", width=15),
    Column(title="Free", width=8, right=True),
    Column(title="Reason", width=16, flex=3, rank=1),
    Column(title="Place", width=16, flex=1, rank=2),
    Column(title="MediaAgents", width=16, rank=3),
)
AGENTS = (
    Column(title="MediaAgent", width=10, flex=1),
    Column(title="Streams", width=7, right=True),
    Column(title="State", width=9),
    Column(title="Auxiliary copy", width=29, flex=1),
    Column(title="Its time zone", width=18, rank=1),
    Column(title="Libraries", width=16, flex=2, rank=2),
)
SCHEDULES = (
    Column(title="Schedule", width=12, flex=1),
    Column(title="State", width=10),
    Column(title="Next run", width=16),
    Column(title="When", width=16, wish=26, flex=2),
    Column(title="Policy", width=12, wish=16, flex=1, rank=1),
    Column(title="Operation", width=14, rank=3),
    Column(title="Last run", width=16, rank=2),
    Column(title="Zone", width=14, rank=5),
    Column(title="Missed", width=11, rank=4),
)
WINDOWS = (
    Column(title="Window", width=9, wish=12, flex=1),
    Column(title="State", width=10),
    Column(title="Do not run", width=18, wish=20, flex=2),
    Column(title="On", width=18, flex=2),
    Column(title="Zone", width=16, rank=1),
    Column(title="Operations", width=10, rank=2, flex=1),
    Column(title="Running jobs", width=12, rank=3),
)
NODES = (
    Column(title="Node", width=18, flex=1),
    Column(title="Auxiliary copy", width=29, flex=1),
    Column(title="Next change", width=16, rank=1),
    Column(title="Why", width=20, flex=3, rank=2),
)
TREND = (
    Column(title="Copy", width=12, wish=22, flex=2),
    Column(title="State", width=15),
    Column(title="To copy", width=8, right=True),
    Column(title="Rate", width=10, right=True, rank=1),
    Column(title="Forecast", width=20, wish=44, flex=1),
    Column(title="New data", width=12, right=True, rank=2),
)
TROUBLES = (
    Column(title="", width=2),
    Column(title="What is wrong", width=30, wish=42, flex=2),
    Column(title="What to do", width=20, wish=28, flex=1, rank=1),
)
ALARMS = (
    Column(title="Alarm", width=20),
    Column(title="Since", width=16),
    Column(title="What", width=20, wish=30, flex=2),
    Column(title="What to do", width=16, wish=24, flex=1, rank=1),
    Column(title="Times", width=5, right=True, rank=2),
)
ALERTS = (
    Column(title="Alert", width=12, flex=1),
    Column(title="Tells of", width=14, wish=24, flex=2),
    Column(title="To", width=16, wish=28, flex=2),
    Column(title="Waiting", width=7, right=True),
    Column(title="Last delivered", width=16, rank=1),
    Column(title="What hinders it", width=15, wish=20, flex=1, rank=2),
)
REPORTS = (Column(title="Report", width=24, flex=1),)
MEDIA = (
    Column(title="Copy", width=12, flex=1),
    Column(title="Library", width=12, flex=1),
    Column(title="State", width=18),
    Column(title="Free", width=8, right=True),
    Column(title="Writers", width=7, right=True, rank=1),
    Column(title="MediaAgents", width=14, flex=1, rank=2),
    Column(title="Place", width=16, flex=2, rank=3),
)
AGING = (
    Column(title="", width=7),
    Column(title="Job", width=7, right=True),
    Column(title="Copy", width=11, wish=20, flex=1),
    Column(title="Subclient", width=12, wish=16, flex=1, rank=1),
    Column(title="Size", width=8, right=True),
    Column(title="Why, or what holds it", width=20, wish=36, flex=3),
    Column(title="Until", width=16, rank=2),
    Column(title="Level", width=11, rank=3),
)
PATHS = (
    Column(title="Name", width=24, flex=4),
    Column(title="Size", width=8, right=True),
    Column(title="Modified", width=16, rank=1),
    Column(title="", width=26, flex=1, rank=2),
)
BACKUP_JOBS = (
    Column(title="Job", width=7, right=True),
    Column(title="Level", width=11, rank=2),
    Column(title="Size", width=8, right=True),
    Column(title="Completed", width=16),
    Column(title="Files", width=8, right=True, rank=1),
    Column(title="Name", width=16, flex=1),
)
STREAMS = (
    Column(title="#", width=2, right=True),
    Column(title="State", width=11),
    Column(title="This file", width=15),
    Column(title="Rate", width=10, right=True),
    Column(title="Job", width=7, right=True, rank=1),
    Column(title="File", width=12, flex=1),
    Column(title="To", width=14, rank=2),
    Column(title="Done", width=8, right=True, rank=3),
    Column(title="MediaAgent", width=12, rank=4),
)
EVENTS = (
    Column(title="Time", width=16),
    Column(title="Severity", width=9),
    Column(title="Job", width=6, right=True, rank=1),
    Column(title="What happened", width=20, wish=44, flex=1),
    Column(title="Code", width=18, rank=2),
)
ERRORS = (
    Column(title="Time", width=16, rank=2),
    Column(title="Job", width=7, right=True),
    Column(title="Copy", width=12, rank=3),
    Column(title="What failed, why", width=20, wish=44, flex=3),
    Column(title="What to do", width=20, wish=36, flex=2, rank=1),
)
ATTEMPTS = (
    Column(title="#", width=2, right=True),
    Column(title="Outcome", width=16),
    Column(title="Started", width=19),
    Column(title="Ended", width=19, rank=2),
    Column(title="Bytes", width=8, right=True, rank=1),
    Column(title="Reason", width=16, flex=1),
)
ITEMS = (
    Column(title="Job", width=7, right=True),
    Column(title="Outcome", width=10),
    Column(title="Copy", width=12, rank=1),
    Column(title="Client/subclient", width=14, flex=1),
    Column(title="Size", width=8, right=True),
    Column(title="Took", width=8, right=True, rank=2),
    Column(title="Ended", width=16, rank=3),
    Column(title="Reason", width=16, flex=2, rank=4),
)
PLAN = (
    Column(title="", width=2),
    Column(title="Job", width=7, right=True),
    Column(title="Copy", width=10, flex=1),
    Column(title="Client/subclient", width=12, flex=1, rank=1),
    Column(title="Level", width=11, rank=2),
    Column(title="Size", width=8, right=True),
    Column(title="Why, or why not", width=20, wish=36, flex=3),
)
