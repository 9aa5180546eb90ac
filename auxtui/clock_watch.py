"""What the clock of this host does: whether it was set, and how long the service is really silent. Pure.

Two clocks are compared: the wall clock, which somebody may set and which goes on while a host sleeps,
and a steady one, which only counts.
"""

from __future__ import annotations

from datetime import datetime, timedelta

STEP = timedelta(seconds=60)  # less is a clock that is put right, and changes nothing that is shown
SAID_S = 600.0  # so long it is told that the clock was set


class ClockWatch:
    """Sees that the wall clock was set between two looks."""

    def __init__(self) -> None:
        self._last: tuple[datetime, float] | None = None
        self._set: tuple[timedelta, float] | None = None

    def look(self, now: datetime, steady_s: float) -> timedelta:
        """How far the clock was set within the last ten minutes; nothing when it was not.

        Args:
            now: aware.
            steady_s: seconds of a clock that nobody sets.
        """
        if self._last is not None:
            before, before_s = self._last
            by = now - before - timedelta(seconds=steady_s - before_s)
            if abs(by) >= STEP:
                self._set = (by, steady_s)
        self._last = (now, steady_s)
        if self._set is None or steady_s - self._set[1] > SAID_S:
            return timedelta(0)
        return self._set[0]


class Silence:
    """How long the service has not reported, whatever was done to the clock meanwhile."""

    def __init__(self) -> None:
        self._heard: tuple[datetime, float] | None = None
        """The last heartbeat, and on the steady clock when it was."""

    def look(self, heartbeat_at: datetime, now: datetime, steady_s: float) -> float:
        """Seconds since the last heartbeat, 0 or more.

        Args:
            heartbeat_at: when the service reported last, by the wall clock.
            now: aware.
            steady_s: seconds of a clock that nobody sets.
        """
        if self._heard is None:  # all that is known of the time before is what the wall clock says
            silent_s = max(0.0, (now - heartbeat_at).total_seconds())
            self._heard = (heartbeat_at, steady_s - silent_s)
        elif self._heard[0] != heartbeat_at:
            self._heard = (heartbeat_at, steady_s)
        return steady_s - self._heard[1]
