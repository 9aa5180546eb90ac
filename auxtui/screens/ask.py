"""Two small dialogs: are you sure, and give me a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar, Generic, TypeVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Label, Static

from auxtui.asking import error_text
from auxtui.screens.dialog import Dialog, TextDialog
from auxtui.widgets.text_field import TextField
from engine.model.errors import UsageError

T = TypeVar("T")


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


class TypeNameScreen(TextDialog[bool]):
    """For what cannot be taken back: the name of the thing must be typed."""

    KEYS = "type the name, then enter   esc Cancel"

    def __init__(self, title: str, text: str, name: str) -> None:
        """Args:
        title: of the dialog.
        text: what will happen.
        name: what must be typed.
        """
        super().__init__(title)
        self._text = text
        self._name_wanted = name

    def compose_box(self) -> Iterator[Widget]:
        yield Static(self._text, classes="said", markup=False)
        yield Label(f"Type {self._name_wanted} to go on", markup=False)
        yield TextField()
        yield Static("", classes="wrong", markup=False)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def entered(self, text: str) -> None:
        if text.strip() == self._name_wanted:
            self.dismiss(True)
        else:
            self.query_one(".wrong", Static).update(
                Content(f"that is not {self._name_wanted}: nothing was done")
            )


class PromptScreen(TextDialog[T], Generic[T]):
    """Asks for a value; what is not possible is said at the field."""

    KEYS = "enter OK   esc Cancel"

    def __init__(
        self, title: str, label: str, value: str, read: Callable[[str], T], *, said: str = ""
    ) -> None:
        """Args:
        title: of the dialog.
        label: of the field, with its unit.
        value: at the start.
        read: makes a value of the text, or raises `UsageError`.
        said: what it is for; empty: the label says it.
        """
        super().__init__(title)
        self._said = said
        self._label = label
        self._value = value
        self._read = read

    def compose_box(self) -> Iterator[Widget]:
        if self._said:
            yield Static(self._said, classes="said", markup=False)
        yield Label(self._label, markup=False)
        yield TextField(self._value)
        yield Static("", classes="wrong", markup=False)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def entered(self, text: str) -> None:
        try:
            value = self._read(text)
        except UsageError as err:
            self.query_one(".wrong", Static).update(Content(error_text(err)))
            return
        self.dismiss(value)
