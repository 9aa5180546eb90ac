"""How many of its streams a run uses: found by measuring, one stream more or fewer at a time.

A run begins with all that it may have. Where fewer are as fast it lets one go, and another; where
fewer are slower it takes the last one back. From time to time it tries again, in the other
direction first, because devices, lines and files change.
"""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_S = 10.0  # what a rate is measured over
SETTLE_S = (
    2.0  # after a change, before that: what the streams were at still counts for the old number
)
HOLD_S = 120.0  # between two tries
AS_FAST = 0.95  # of the rate before: fewer streams are as good
FASTER = 1.05  # of the rate before: one more stream is worth it


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A run at one moment."""

    at_s: float
    """Monotonic."""
    bytes_done: int
    """Since it began."""
    busy: int
    """Streams that have work."""
    is_throttled: bool = False
    """A limit on the rate binds: then no number of streams can show in it."""


class StreamTuner:
    """Looks at a run about once a second and says how many streams it shall have."""

    def __init__(self) -> None:
        self.reason = ""
        """The limit that was found, for an administrator; empty while all streams are used."""
        self._limit = 0
        self._streams = 0
        self._step = 0
        """-1 or 1 while one fewer or one more is tried."""
        self._next_step = -1
        self._rate = 0.0
        """What the number before had, bytes per second."""
        self._begun: Measured | None = None
        self._changed_s = 0.0
        self._hold_until_s = 0.0

    def look(self, now: Measured, limit: int) -> int:
        """The number of streams to use from now on, 1 to `limit`.

        Args:
            now: the run.
            limit: most streams that it may have now, at least 1.
        """
        if limit != self._limit:
            self._limit = limit
            self._set(limit, step=0, now=now)
        elif now.busy < self._streams or now.is_throttled:
            self._begun = None  # the end of the work, or a limit: says nothing of streams
        elif self._begun is None:
            if now.at_s - self._changed_s >= SETTLE_S:
                self._begun = now
        elif now.at_s - self._begun.at_s >= WINDOW_S:
            moved = now.bytes_done - self._begun.bytes_done
            self._decide(moved / (now.at_s - self._begun.at_s), now)
        return self._streams

    def _decide(self, rate: float, now: Measured) -> None:
        if self._step == 0:
            self._rate = rate
            self._try(now)
        elif self._step < 0 and rate >= AS_FAST * self._rate:
            self._try(now, step=-1)  # still measured against the rate of all that were let go
        elif self._step > 0 and rate >= FASTER * self._rate:
            self._rate = rate
            self._try(now, step=1)
        else:
            self._next_step = -self._step
            self._hold_until_s = now.at_s + HOLD_S
            self._set(self._streams - self._step, step=0, now=now)

    def _try(self, now: Measured, step: int = 0) -> None:
        """Tries one more or one fewer, as far as there is one; else measures on."""
        if not step:
            step = self._next_step
            if not 1 <= self._streams + step <= self._limit:
                step = -step
            if now.at_s < self._hold_until_s:
                step = 0
        wanted = self._streams + step
        if step and 1 <= wanted <= self._limit:
            self._set(wanted, step=step, now=now)
        else:
            self._hold_until_s = max(self._hold_until_s, now.at_s + HOLD_S * bool(step))
            self._set(self._streams, step=0, now=now)

    def _set(self, streams: int, *, step: int, now: Measured) -> None:
        if streams != self._streams:
            self._changed_s = now.at_s
        self._streams, self._step, self._begun = streams, step, None
        found = streams + (step < 0)  # one fewer is only tried
        self.reason = (
            f"measured: more than {found} stream{'' if found == 1 else 's'} gave no more rate"
            if found < self._limit
            else ""
        )
