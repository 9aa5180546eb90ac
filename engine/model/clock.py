"""The wall clock as a parameter: schedules and displays read it, durations never do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the present as an aware UTC datetime."""


def system_clock() -> datetime:
    """The host's clock, in UTC."""
    return datetime.now(UTC)
