"""A screen on top of another one, which gives one answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, TypeVar

from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Static

from auxtui.fitting import is_tiny, too_small

R = TypeVar("R")


class ModalOnce(ModalScreen[R]):
    """Closes once: over a slow line keys arrive together, and the second one finds it closing."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "cancel", show=False)]
    """Leaves the dialog as escape does; below it, it leaves the console."""
    _has_answered = False

    def dismiss(self, result: R | None = None) -> AwaitComplete:
        """Closes it with a result; what comes after the first answer is none."""
        if self._has_answered:
            return AwaitComplete()
        self._has_answered = True
        return super().dismiss(result)


class WholeScreen(ModalOnce[R]):
    """One that fills the terminal; in a tiny one it says so instead of showing what nobody can read."""

    DEFAULT_CSS = """
    WholeScreen #too-small { display: none; height: 1fr; padding: 1 2; }
    WholeScreen.-tiny > * { display: none !important; }
    WholeScreen.-tiny > #too-small { display: block !important; }
    """

    def compose_too_small(self) -> Iterator[Widget]:
        """What is shown in a tiny terminal."""
        yield Static("", id="too-small", markup=False)

    def on_resize(self) -> None:
        """Shows what there is room for."""
        width, height = self.size
        if not width:  # not laid out yet: the keys typed by now are for what will be shown
            return
        self.set_class(is_tiny(width, height), "-tiny")
        for line in self.query("#too-small").results(Static):
            line.update(too_small(width, height, instead="Make it larger; esc leaves this."))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing is done in what is not seen, but leaving it."""
        return action == "cancel" or not self.has_class("-tiny")
