"""By the real clock no system schedule runs beside a test: they are due at every half hour, whoever tests what."""

from __future__ import annotations

from datetime import datetime

import pytest

from engine.catalog.schedules import SYSTEM_SCHEDULES
from engine.catalog.values import ScheduleValue
from engine.control.scheduler import Scheduler
from engine.model.clock import Clock, system_clock
from tests.clock import SettableClock

_due = Scheduler._due


def keep_quiet(patch: pytest.MonkeyPatch) -> None:
    """System schedules of services in this process are only started by a clock that a test has set."""
    patch.setattr(Scheduler, "_due", _due_by_a_set_clock)


async def _due_by_a_set_clock(self: Scheduler, value: ScheduleValue, now: datetime) -> None:
    is_due = value.next_run_at is not None and value.name in SYSTEM_SCHEDULES
    if not (is_due and _is_real(self.clock)):
        await _due(self, value, now)


def _is_real(clock: Clock) -> bool:
    return clock is system_clock or (isinstance(clock, SettableClock) and not clock.is_set)
