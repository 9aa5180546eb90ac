"""A yes or no of a form, as text: `[x] yes`. Nothing about it depends on colour."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from auxtui.glyphs import Glyphs
from auxtui.widgets.line_table import fit


class Check(Widget, can_focus=True):
    """Space or enter changes it; so does a click."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,enter", "flip", show=False, priority=True)
    ]
    DEFAULT_CSS = """
    Check { width: 40; height: 1; background: $panel; color: $foreground; }
    Check:focus { background: $cursor-back; color: $cursor-text; text-style: $cursor-style; }
    """

    value = reactive(False)

    class Changed(Message):
        """It is another now."""

    def __init__(self, *, value: bool, glyphs: Glyphs, id: str) -> None:
        super().__init__(id=id)
        self.set_reactive(Check.value, value)
        self._glyphs = glyphs

    def action_flip(self) -> None:
        """Changes it."""
        self.value = not self.value
        self.post_message(self.Changed())

    def on_click(self) -> None:
        self.action_flip()

    def render_line(self, y: int) -> Strip:
        """Draws the line."""
        text = f"{self._glyphs.checked} yes" if self.value else f"{self._glyphs.unchecked} no"
        return Strip([Segment(fit(text, self.size.width), self.rich_style)], self.size.width)
