"""Bounds the bytes that are under way to one store, whoever sends them."""

from __future__ import annotations

import threading
from collections.abc import Callable

LOOK_S = 0.1  # who waits looks for a stop this often
UNDER_WAY_BYTES = 48 * 1024 * 1024


class Window:
    """A number of bytes that may be under way; one larger than all of it goes alone. Thread-safe.

    Args:
        limit_bytes: how many.
    """

    def __init__(self, limit_bytes: int = UNDER_WAY_BYTES) -> None:
        self._limit = limit_bytes
        self._used = 0
        self._changed = threading.Condition()

    def enter(self, count_bytes: int, checkpoint: Callable[[], None]) -> None:
        """Waits for room and takes it; what `checkpoint` raises meanwhile ends that."""
        with self._changed:
            while self._used and self._used + count_bytes > self._limit:
                if not self._changed.wait(LOOK_S):
                    checkpoint()
            self._used += count_bytes

    def leave(self, count_bytes: int) -> None:
        """Gives it back."""
        with self._changed:
            self._used -= count_bytes
            self._changed.notify_all()
