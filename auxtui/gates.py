"""What is closed now, and the week of a node: operation windows and activity control as the console sees them.

The rules come from `engine.policy`, which is imported when there is a rule, not for the first paint.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from engine.catalog.live import LiveCatalog
from engine.catalog.rule_values import ActivityValue, WindowValue
from engine.model.states import Operation

if TYPE_CHECKING:
    from engine.policy.clearance import Clearance
    from engine.policy.windows import Window

COMMCELL = "commcell"
SLOT_MINUTES = 15
SLOTS = 24 * 60 // SLOT_MINUTES
DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A node on which auxiliary copies do not run now, or will stop to run."""

    node: str
    """`commcell`, `media_agents.X`, `clients.X` or `clients.X.subclients.Y`."""
    reasons: tuple[str, ...]
    """Why not, a sentence each; empty: they may."""
    windows: tuple[str, ...]
    """Names of the windows in force."""
    until: datetime | None
    next_change: datetime | None
    """When it changes by itself; None: never."""
    is_off: bool
    """Switched off by somebody, which is easily forgotten; else a window."""
    is_off_here: bool
    """Switched off on this very node."""
    own: bool
    """A rule stands on this very node; else it holds by what is above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day of the week that is drawn."""

    day: date
    closed: tuple[bool, ...]
    """For each quarter of an hour whether any of it is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """Seven days of a node from today on, in a zone."""

    clearance: Clearance
    zone: str
    days: tuple[Day, ...]
    now: int
    """Place of the present quarter within the first day."""


def gates(live: LiveCatalog, now: datetime) -> tuple[Gate, ...]:
    """Every MediaAgent and every node with a rule of its own, as it stands."""
    windows, off = live.windows(), live.switched_off()
    if not windows and not off:
        return ()
    own = {node for window in windows for node in window.on_nodes} | {one.node for one in off}
    agents = {f"media_agents.{name}" for name in live.media_agent_names()}
    return tuple(_gate(node, windows, off, now, own) for node in sorted(own | agents))


def _gate(
    node: str,
    windows: Sequence[WindowValue],
    off: Sequence[ActivityValue],
    now: datetime,
    own: Iterable[str],
) -> Gate:
    from engine.policy.clearance import clearance

    found = clearance(rules_of(windows), off, node, Operation.AUXCOPY, now)
    return Gate(
        node=node,
        reasons=found.reasons,
        windows=found.in_force,
        until=found.until,
        next_change=found.next_change,
        is_off=bool(found.off),
        is_off_here=any(value.node == node for value in found.off),
        own=node in own,
    )


def rules_of(windows: Sequence[WindowValue]) -> list[Window]:
    """Windows of the catalog as the rules see them."""
    from engine.policy.windows import window_from

    return [
        window_from(
            name=value.name,
            on_nodes=value.on_nodes,
            operations=value.operations,
            do_not_run=value.do_not_run,
            time_zone=value.time_zone,
            let_running_jobs_finish=value.let_running_jobs_finish,
            do_not_submit=value.do_not_submit,
            ignore_higher_levels=value.ignore_higher_levels,
        )
        for value in windows
    ]


def week_of(live: LiveCatalog, node: str, operation: str, *, zone: str, now: datetime) -> Week:
    """The week of a node: all windows that concern it, drawn on one grid.

    Args:
        live: the catalog.
        node: as in the site file.
        operation: e.g. `auxcopy`.
        zone: IANA name of the zone in which days begin.
        now: aware.
    """
    from engine.policy.clearance import clearance
    from engine.policy.windows import blocked_spans
    from engine.policy.zones import instant_of, wall_of, zone_of

    rules, off = rules_of(live.windows()), live.switched_off()
    where = zone_of(zone)
    today = wall_of(now, where).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    edges = [
        instant_of(today + timedelta(minutes=SLOT_MINUTES * place), where)
        for place in range(DAYS * SLOTS + 1)
    ]
    spans = [
        (span.starts_at, span.ends_at)
        for span in blocked_spans(rules, [node], operation, start=edges[0], end=edges[-1])
    ]
    found = clearance(rules, off, node, operation, now)
    far = datetime.max.replace(tzinfo=UTC)
    spans += [(value.at, value.off_until or far) for value in found.off]
    slots = [
        any(begins < after and ends > before for begins, ends in spans)
        for before, after in pairwise(edges)
    ]
    local = wall_of(now, where)
    return Week(
        clearance=found,
        zone=zone,
        days=tuple(
            Day(
                day=(today + timedelta(days=place)).date(),
                closed=tuple(slots[place * SLOTS : (place + 1) * SLOTS]),
            )
            for place in range(DAYS)
        ),
        now=(local.hour * 60 + local.minute) // SLOT_MINUTES,
    )
