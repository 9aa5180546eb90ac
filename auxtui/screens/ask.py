"""Two small dialogs: are you sure, and give me a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Button, Input, Label, Static

from auxtui.screens.dialog import Dialog
from engine.model.errors import UsageError


class ConfirmScreen(Dialog[bool]):
    """Says what will happen, and asks; the safe answer has the focus."""

    KEYS = "y Yes   n or esc No"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", show=False, priority=True),
        Binding("n", "answer(False)", show=False, priority=True),
        Binding("left,right", "app.focus_next", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    ConfirmScreen Horizontal { height: 1; margin-bottom: 1; }
    ConfirmScreen Button { margin-right: 2; }
    """

    def __init__(self, title: str, text: str) -> None:
        super().__init__(title)
        self._text = text

    def compose_box(self) -> Iterator[Widget]:
        yield Static(self._text, classes="said", markup=False)
        with Horizontal():
            yield Button("No", id="no", compact=True)
            yield Button("Yes", id="yes", compact=True)

    def on_mount(self) -> None:
        self.query_one("#no").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        """Answers by key."""
        self.dismiss(yes)


class PromptScreen(Dialog[int]):
    """Asks for a number; what is not possible is said at the field."""

    KEYS = "enter OK   esc Cancel"

    def __init__(self, title: str, label: str, value: str, read: Callable[[str], int]) -> None:
        """Args:
        title: of the dialog.
        label: of the field, with its unit.
        value: at the start.
        read: makes a number of the text, or raises `UsageError`.
        """
        super().__init__(title)
        self._label = label
        self._value = value
        self._read = read

    def compose_box(self) -> Iterator[Widget]:
        yield Label(self._label, markup=False)
        field = Input(self._value, compact=True)
        field.cursor_blink = False
        yield field
        yield Static("", classes="wrong", markup=False)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        try:
            value = self._read(event.value)
        except UsageError as err:
            self.query_one(".wrong", Static).update(f"{err.message}: {err.hint}")
            return
        self.dismiss(value)
