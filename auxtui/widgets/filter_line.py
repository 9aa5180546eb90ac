"""The filter of a list: one line that opens below it, filters as one types, and closes on escape."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Label

from auxtui.widgets.text_field import TextField


class FilterLine(Horizontal):
    """Hidden until it is opened; stays while it has text."""

    DEFAULT_CSS = """
    FilterLine { height: 1; background: $panel; }
    FilterLine Label { color: $tone-key; text-style: bold; padding: 0 1; }
    FilterLine Input { width: 1fr; background: $panel; color: $foreground; }
    """

    class Changed(Message):
        """Another text is looked for; empty: none."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def on_mount(self) -> None:
        self.display = False

    def compose(self) -> ComposeResult:
        yield Label("Filter", markup=False)
        yield TextField(select=False)

    @property
    def is_open(self) -> bool:
        """True while it is shown."""
        return self.display

    @property
    def text(self) -> str:
        """What is looked for."""
        return self.query_one(Input).value if self.is_open else ""

    def open(self) -> None:
        """Shows it and takes the focus."""
        self.display = True
        # At once and not by `focus`, so that the text typed next is not taken for commands.
        self.screen.set_focus(self.query_one(Input))

    def close(self) -> None:
        """Hides it; nothing is looked for any more."""
        self.display = False
        self.query_one(Input).value = ""

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value.strip()))
