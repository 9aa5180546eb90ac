"""The one way to stop work in threads: a token that is asked once per piece and wakes every wait."""

from __future__ import annotations

import threading
from collections.abc import Callable

from engine.model.errors import Cancelled


class CancelToken:
    """Thread-safe; once cancelled it stays cancelled, and the first reason stays.

    Args:
        parent: cancels this token too, with its own reason.
    """

    def __init__(self, parent: CancelToken | None = None) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self._reason = ""
        self._leave = parent.on_cancel(lambda: self.cancel(parent.reason)) if parent else None

    @property
    def is_cancelled(self) -> bool:
        """True from the first `cancel` on."""
        return self._event.is_set()

    @property
    def reason(self) -> str:
        """Why, in words for a person; empty while not cancelled."""
        return self._reason

    def cancel(self, reason: str) -> None:
        """Cancels, wakes every waiting thread and runs the callbacks, in this thread."""
        with self._lock:
            if self._event.is_set():
                return
            self._reason = reason
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Runs `callback` at the cancel, or now when that has been; returns what takes it back."""
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return lambda: self._forget(callback)
        callback()
        return lambda: None

    def detach(self) -> None:
        """Leaves the parent, which outlives many children."""
        if self._leave is not None:
            self._leave()

    def raise_if_cancelled(self) -> None:
        """Raises:
        Cancelled: with the reason.
        """
        if self._event.is_set():
            raise Cancelled(self._reason)

    def wait(self, seconds: float) -> bool:
        """Sleeps up to `seconds`; True as soon as it is cancelled."""
        return self._event.wait(seconds)

    def _forget(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)
