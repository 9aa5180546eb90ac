"""What every dialog on top of a screen has: a title, its content, and its own line of keys."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from auxtui.glyphs import ASCII, Glyphs
from auxtui.inert import safe
from auxtui.screens.closing import ModalOnce
from auxtui.typing_ahead import TypingAhead

R = TypeVar("R")


class Dialog(ModalOnce[R | None]):
    """A dialog; escape closes it and changes nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", show=False, priority=True)]
    KEYS: ClassVar[str] = "esc Cancel"
    DEFAULT_CSS = """
    Dialog { align: center middle; background: transparent; }
    Dialog > #box {
        width: 76; max-width: 96%; height: auto; max-height: 90%;
        background: $surface; border: solid $tone-key; padding: 0 1;
        border-title-color: $tone-key; border-title-style: bold;
    }
    Dialog.-ascii > #box { border: ascii $tone-key; }
    Dialog .keys { height: 1; color: $tone-muted; }
    Dialog .said { height: auto; padding: 1 0; }
    Dialog .wrong { height: auto; color: $tone-bad; text-style: bold; }
    """

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title_text = title

    @property
    def glyphs(self) -> Glyphs:
        """The signs of this console."""
        from auxtui.app import ConsoleApp

        assert isinstance(self.app, ConsoleApp)  # noqa: S101 - narrows a type
        return self.app.look.glyphs

    def compose(self) -> ComposeResult:
        self.set_class(self.glyphs is ASCII, "-ascii")
        with Vertical(id="box") as box:
            box.border_title = Content(safe(self._title_text))
            yield from self.compose_box()
            yield Static(self.KEYS, classes="keys", markup=False)

    @abstractmethod
    def compose_box(self) -> Iterator[Widget]:
        """The content."""

    def action_cancel(self) -> None:
        """Closes it without a result."""
        self.dismiss(None)


class TextDialog(Dialog[R]):
    """A dialog with one field; enter takes what was typed into it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "enter", show=False, priority=True)]

    @abstractmethod
    def entered(self, text: str) -> None:
        """Closes it with what the text means, or says what is wrong with it."""

    def action_enter(self) -> None:
        """Holds the keys behind enter until those before it have reached the field."""
        app, field = self.app, self.query_one(Input)
        assert isinstance(app, TypingAhead)  # noqa: S101 - narrows a type
        release = app.hold_keys()

        def now() -> None:
            try:
                if self.is_current:
                    self.entered(field.value)
            finally:
                release()

        field.call_later(now)
