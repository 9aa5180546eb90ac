"""Values of the rules by which something starts, must not run, or is told; part of `values`.

The console needs these for its first screen, and little else of the configuration: a module of their
own keeps the start short.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.model.states import Operation

SYSTEM_SCHEDULE = "system"
"""Covers every active secondary copy by itself; made with the service's first start."""
SYSTEM_SCHEDULES: dict[str, tuple[Operation, str]] = {
    SYSTEM_SCHEDULE: (Operation.AUXCOPY, "automatic"),
    "system-aging": (Operation.AGING, "daily at 12:00"),
    "system-verification": (Operation.VERIFICATION, "daily at 22:00"),
}
"""The service's own: name, operation and when. Disabled ones stay so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowValue:
    """When operations must not run, and on which nodes."""

    id: int
    name: str
    on_nodes: tuple[str, ...]
    operations: tuple[str, ...]
    do_not_run: tuple[dict[str, Any], ...]
    time_zone: str
    let_running_jobs_finish: bool
    do_not_submit: bool
    """Scheduled runs are skipped while it is in force; others are queued."""
    ignore_higher_levels: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleValue:
    """When an operation starts by itself."""

    id: int
    name: str
    operation: Operation
    policy_id: int | None
    spec: str
    time_zone: str
    enabled: bool
    start_missed: bool
    options: dict[str, Any]
    next_run_at: datetime | None
    last_run_at: datetime | None
    """When it last started a job; None: never."""
    seen_at: datetime | None = None
    """When the newest backup job came that an after-backup schedule has acted on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityValue:
    """A node on which operations are switched off."""

    node: str
    off_until: datetime | None
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertValue:
    """What is told to whom."""

    id: int
    name: str
    on_events: tuple[str, ...]
    to: str
    options: dict[str, Any]
