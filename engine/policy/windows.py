"""Operation windows: when an operation must not run, why, and until when.

Windows stand on the CommCell, on MediaAgents, clients and subclients, each in its own zone. Levels
add up; a window that ignores higher levels puts those above its node out of force for that node.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import merge

from engine.model.errors import UsageError
from engine.policy.timetable import (
    Period,
    boundaries,
    covers_every_minute,
    parse_periods,
    period_at,
)
from engine.policy.zones import wall_of, zone_of

__all__ = [
    "COMMCELL",
    "Blocked",
    "Span",
    "Window",
    "blocked",
    "blocked_spans",
    "next_change",
    "node_path",
    "parse_periods",
    "window_from",
    "windows_for",
]

COMMCELL = "commcell"
_SUBCLIENTS = ".subclients."


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When some operations must not run on some nodes."""

    name: str
    on_nodes: frozenset[str]
    """`commcell`, `media_agents.X`, `clients.X`, `clients.X.subclients.Y`."""
    operations: frozenset[str]
    """Empty: all of them."""
    periods: tuple[Period, ...]
    zone_name: str
    let_running_jobs_finish: bool = False
    do_not_submit: bool = False
    ignore_higher_levels: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Why an operation must not run now."""

    reason: str
    """A sentence for an administrator, with the zone in which the window is written."""
    until: datetime | None
    """When no window is in force any more, UTC; None when that never comes."""
    windows: tuple[str, ...]
    """Names of the windows in force."""
    let_running_jobs_finish: bool
    """What runs already may end; False as soon as one window in force wants it stopped."""
    do_not_submit: bool = False
    """A scheduled run is skipped; True as soon as one window in force wants that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time in which an operation must not run."""

    starts_at: datetime
    ends_at: datetime
    """UTC; exclusive."""
    windows: tuple[str, ...]
    """Names of the windows in force at its start."""


def window_from(
    *,
    name: str,
    on_nodes: Collection[str],
    operations: Collection[str],
    do_not_run: Sequence[Mapping[str, object]],
    time_zone: str,
    let_running_jobs_finish: bool = False,
    do_not_submit: bool = False,
    ignore_higher_levels: bool = False,
) -> Window:
    """A window of the columns of the catalog, which are those of the site file.

    Raises:
        UsageError: wrong or overlapping periods, an unknown zone, no period or node at all, or a
            window that never lets anything run.
    """
    zone_of(time_zone)
    periods = parse_periods(do_not_run)
    if not periods:
        raise UsageError(f"window {name!r} has no period in which not to run")
    if not on_nodes:
        raise UsageError(f"window {name!r} is on no node", hint='e.g. on = ["commcell"]')
    if covers_every_minute(periods):
        raise UsageError(
            f"window {name!r} never opens: nothing could ever run",
            hint="leave some time free; to switch an operation off use activity control",
        )
    return Window(
        name=name,
        on_nodes=frozenset(on_nodes),
        operations=frozenset(operations),
        periods=periods,
        zone_name=time_zone,
        let_running_jobs_finish=let_running_jobs_finish,
        do_not_submit=do_not_submit,
        ignore_higher_levels=ignore_higher_levels,
    )


def node_path(node: str) -> tuple[str, ...]:
    """A node and those above it, the highest first: `commcell`, `clients.X`, `clients.X.subclients.Y`."""
    if node == COMMCELL:
        return (COMMCELL,)
    client, dot, _ = node.rpartition(_SUBCLIENTS)
    if dot and client.startswith("clients."):
        return COMMCELL, client, node
    return COMMCELL, node


def windows_for(windows: Sequence[Window], nodes: Collection[str], operation: str) -> list[Window]:
    """The windows that are in force for an operation on some nodes: the union of their levels.

    Args:
        windows: all windows.
        nodes: what the operation touches, e.g. a MediaAgent and a subclient; nodes above another
            of them count as part of its path only.
        operation: e.g. `auxcopy`.
    """
    paths = [node_path(node) for node in nodes]
    above = {node for path in paths for node in path[:-1]}
    in_force: dict[str, Window] = {}
    for path in paths:
        if path[-1] in above:
            continue
        mine: list[Window] = []
        for node in reversed(path):
            here = [w for w in windows if node in w.on_nodes and _covers(w, operation)]
            mine += here
            if any(window.ignore_higher_levels for window in here):
                break
        in_force.update((window.name, window) for window in mine)
    return [window for window in windows if window.name in in_force]


def _covers(window: Window, operation: str) -> bool:
    return not window.operations or operation in window.operations


def blocked(
    windows: Sequence[Window], nodes: Collection[str], operation: str, at: datetime
) -> Blocked | None:
    """Why an operation on some nodes must not run at an instant (aware); None when it may.

    Args:
        windows: all windows.
        nodes: what the operation touches; see `windows_for`.
        operation: e.g. `auxcopy`.
        at: aware.
    """
    concerned = windows_for(windows, nodes, operation)
    in_force = _in_force(concerned, at)
    if not in_force:
        return None
    return Blocked(
        reason="; ".join(_reason(window, at) for window in in_force),
        until=next((end for end in _changes(concerned, at) if not _in_force(concerned, end)), None),
        windows=tuple(window.name for window in in_force),
        let_running_jobs_finish=all(window.let_running_jobs_finish for window in in_force),
        do_not_submit=any(window.do_not_submit for window in in_force),
    )


def next_change(
    windows: Sequence[Window], nodes: Collection[str], operation: str, at: datetime
) -> datetime | None:
    """The first instant (UTC) after `at` at which blocked turns to free or free to blocked."""
    concerned = windows_for(windows, nodes, operation)
    now = bool(_in_force(concerned, at))
    changes = _changes(concerned, at)
    return next((change for change in changes if bool(_in_force(concerned, change)) != now), None)


def blocked_spans(
    windows: Sequence[Window],
    nodes: Collection[str],
    operation: str,
    *,
    start: datetime,
    end: datetime,
) -> list[Span]:
    """The stretches between two instants (aware) in which an operation must not run, in order."""
    spans: list[Span] = []
    at = start.astimezone(UTC)
    end = end.astimezone(UTC)
    while at < end:
        change = next_change(windows, nodes, operation, at) or end
        in_force = _in_force(windows_for(windows, nodes, operation), at)
        if in_force:
            names = tuple(window.name for window in in_force)
            spans.append(Span(starts_at=at, ends_at=min(change, end), windows=names))
        at = change
    return spans


def _in_force(windows: Sequence[Window], at: datetime) -> list[Window]:
    return [
        window
        for window in windows
        if period_at(window.periods, zone_of(window.zone_name), at) is not None
    ]


def _changes(windows: Sequence[Window], at: datetime) -> Iterator[datetime]:
    zones = [zone_of(window.zone_name) for window in windows]
    return merge(
        *(boundaries(window.periods, zone, at) for window, zone in zip(windows, zones, strict=True))
    )


def _reason(window: Window, at: datetime) -> str:
    """One window in words: its name, nodes, period, and the time there."""
    zone = zone_of(window.zone_name)
    index = period_at(window.periods, zone, at)
    period = "" if index is None else f" ({window.periods[index].text})"
    nodes = ", ".join(sorted(window.on_nodes))
    there = f"{wall_of(at, zone):%a %H:%M}"
    return (
        f"operation window {window.name!r} on {nodes}{period}: it is {there} in {window.zone_name}"
    )
