"""A screen on top of another one, which gives one answer."""

from __future__ import annotations

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen

R = TypeVar("R")


class ModalOnce(ModalScreen[R]):
    """Closes once: over a slow line keys arrive together, and the second one finds it closing."""

    _has_answered = False

    def dismiss(self, result: R | None = None) -> AwaitComplete:
        """Closes it with a result; what comes after the first answer is none."""
        if self._has_answered:
            return AwaitComplete()
        self._has_answered = True
        return super().dismiss(result)
