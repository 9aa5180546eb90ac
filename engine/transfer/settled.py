"""How far an order is committed on one destination, for the publication that follows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from engine.model.errors import Cancelled


class Settled:
    """Which files of an order are committed on one destination, from the first on. Thread-safe.

    One byte a file.
    """

    def __init__(self) -> None:
        self._files = bytearray()
        self._count = 0
        self._is_complete = False
        self._is_stopped = False
        self._changed = threading.Condition()

    def add(self, numbers: Iterable[int]) -> None:
        """Files, by their number in the order, are synced and journaled with all their chunks."""
        with self._changed:
            for number in numbers:
                if number >= len(self._files):
                    self._files.extend(bytes(number + 1 - len(self._files)))
                self._files[number] = 1
            first_open = self._files.find(0, self._count)
            self._count = len(self._files) if first_open < 0 else first_open
            self._changed.notify_all()

    def complete(self) -> None:
        """All files are, and the order may be published."""
        with self._changed:
            self._is_complete = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Nobody waits any longer."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def wait_for(self, number: int) -> int:
        """Waits for a file and all before it; returns how many files, from the first on, are there.

        After `complete` nothing is waited for: who asks looks at what is proven in any case.

        Raises:
            Cancelled: stopped.
        """
        self._wait(lambda: self._count > number or self._is_complete)
        return max(self._count, number + 1)

    def wait_for_all(self) -> None:
        """Waits for `complete`; raises as `wait_for`."""
        self._wait(lambda: self._is_complete)

    def _wait(self, is_there: Callable[[], bool]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: is_there() or self._is_stopped)
            if self._is_stopped:
                raise Cancelled("what is not published by now is not published")
