"""What shall go wrong at the n-th call of a kind: for the in-memory twin, in tests."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Faults:
    """What shall go wrong, by kind of call and its number.

    Kinds: `probe list open write sync record publish rename read`; `rename` is the last step of a
    publication, when its manifest is durable already.

    Args:
        sleep: waits for the latency of a kind, in seconds.
    """

    def __init__(self, sleep: Callable[[float], None] = lambda _: None) -> None:
        self.calls: dict[str, int] = {}
        self.latency_s: dict[str, float] = {}
        self._sleep = sleep
        self._plans: list[tuple[str, int, bool, Callable[[], None]]] = []
        self._lock = threading.Lock()

    def at(
        self, kind: str, number: int, act: Callable[[], None], *, for_ever: bool = False
    ) -> None:
        """Plans a fault.

        Args:
            number: of the call, from 1 on, counted from now.
            act: raises, or does something (`MemoryLibrary.cut_power`).
            for_ever: at every later call too.
        """
        with self._lock:
            self._plans.append((kind, self.calls.get(kind, 0) + number, for_ever, act))

    def passing(self, kind: str) -> None:
        """One call goes by: waits, counts, and lets happen what is planned."""
        if kind in self.latency_s:
            self._sleep(self.latency_s[kind])
        with self._lock:
            count = self.calls[kind] = self.calls.get(kind, 0) + 1
            due = [
                act
                for planned, number, for_ever, act in self._plans
                if planned == kind and (count == number or (for_ever and count > number))
            ]
        for act in due:
            act()


def raising(error: Exception) -> Callable[[], None]:
    """An act for `Faults.at`."""

    def act() -> None:
        raise error

    return act
