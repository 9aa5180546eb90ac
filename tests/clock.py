"""A wall clock that tests set; it goes on by itself from there."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class SettableClock:
    """Gives a chosen time plus what has really passed since it was chosen."""

    def __init__(self, at: datetime | None = None) -> None:
        self.set(at or datetime.now(UTC))
        self.is_set = at is not None
        """False: it shows the real time."""

    def set(self, at: datetime) -> None:
        """Jumps to a time."""
        self._at, self._mono_s = at.astimezone(UTC), time.monotonic()
        self.is_set = True

    def __call__(self) -> datetime:
        return self._at + timedelta(seconds=time.monotonic() - self._mono_s)
