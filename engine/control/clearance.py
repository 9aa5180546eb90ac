"""May an operation run on a node at a time? If not: why, and until when. The question a person asks.

A job asks the same of its own nodes in `admission`; here windows and activity control of a node
and of all levels above it are looked at together, also for a time that is to come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from engine.catalog import activity
from engine.catalog.values import ActivityValue
from engine.control.admission import check_node
from engine.operations.gates import load_windows
from engine.policy.windows import Window, blocked, next_change, node_path, windows_for


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
    off: tuple[ActivityValue, ...]
    """Activity that is switched off on the node or above it."""

    @property
    def may_run(self) -> bool:
        """Nothing forbids it."""
        return not self.reasons


def clearance_of(session: Session, node: str, operation: str, at: datetime) -> Clearance:
    """Looks at windows and activity control of a node.

    Args:
        session: reads the catalog.
        node: `commcell`, `media_agents.X`, `clients.X` or `clients.X.subclients.Y`.
        operation: e.g. `auxcopy`.
        at: aware.

    Raises:
        NotFoundError: there is no such node.
    """
    check_node(session, node)
    windows = load_windows(session)
    path = node_path(node)
    off = tuple(value for value in activity.switched_off(session, at) if value.node in path)
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
    off: Sequence[ActivityValue],
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
