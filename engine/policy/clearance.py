"""May an operation run on a node at a time? If not: why, and until when. The question a person asks.

Windows and activity control of a node and of all levels above it are looked at together, also for
a time that is to come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from engine.policy.windows import Window, blocked, next_change, node_path, windows_for


class SwitchedOff(Protocol):
    """A node on which operations are switched off."""

    @property
    def node(self) -> str: ...
    @property
    def off_until(self) -> datetime | None: ...
    @property
    def by(self) -> str: ...
    @property
    def at(self) -> datetime: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearance:
    """Whether an operation may run on a node at a time."""

    node: str
    operation: str
    at: datetime
    reasons: tuple[str, ...]
    """Why not, one sentence each; empty: it may."""
    until: datetime | None
    """When nothing forbids it any more; None: it may run, or nobody knows when."""
    next_change: datetime | None
    """When the answer changes; None: never by itself."""
    let_running_jobs_finish: bool
    """What runs already may end."""
    windows: tuple[Window, ...]
    """All that concern the node, those of higher levels included, in force now or not."""
    in_force: tuple[str, ...]
    """Names of those in force."""
    off: tuple[SwitchedOff, ...]
    """Activity that is switched off on the node or above it."""

    @property
    def may_run(self) -> bool:
        """Nothing forbids it."""
        return not self.reasons


def clearance(
    windows: Sequence[Window],
    switched_off: Sequence[SwitchedOff],
    node: str,
    operation: str,
    at: datetime,
) -> Clearance:
    """Looks at windows and activity control of a node.

    Args:
        windows: all windows.
        switched_off: every node on which activity is off at that time.
        node: `commcell`, `media_agents.X`, `clients.X` or `clients.X.subclients.Y`.
        operation: e.g. `auxcopy`.
        at: aware.
    """
    path = node_path(node)
    off = tuple(
        value
        for value in switched_off
        if value.node in path and (value.off_until is None or value.off_until > at)
    )
    found = blocked(windows, [node], operation, at)
    reasons = [f"activity is switched off on {value.node} by {value.by}" for value in off]
    if found is not None:
        reasons.append(found.reason)
    until = _free_at(windows, off, node, operation, at) if reasons else None
    return Clearance(
        node=node,
        operation=operation,
        at=at,
        reasons=tuple(reasons),
        until=until,
        next_change=until if reasons else next_change(windows, [node], operation, at),
        let_running_jobs_finish=not off and (found is None or found.let_running_jobs_finish),
        windows=tuple(windows_for(windows, [node], operation)),
        in_force=() if found is None else found.windows,
        off=off,
    )


def _free_at(
    windows: Sequence[Window],
    off: Sequence[SwitchedOff],
    node: str,
    operation: str,
    at: datetime,
) -> datetime | None:
    """When neither a window nor switched-off activity forbids it; None: nobody knows."""
    ends = [value.off_until for value in off]
    if None in ends:
        return None
    free_at = max([at, *(end for end in ends if end is not None)])
    found = blocked(windows, [node], operation, free_at)
    return free_at if found is None else found.until
