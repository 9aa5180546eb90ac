"""One line of tabs: no animation, no underline to redraw, badges for what needs a look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget


class TabStrip(Widget):
    """The tabs of a screen; the screen's actions move it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"tab--current", "tab--badge"}
    DEFAULT_CSS = """
    TabStrip {
        height: 1; background: $background; color: $tone-muted;
        & > .tab--current { background: $cursor-back; color: $cursor-text; text-style: $cursor-style; }
        & > .tab--badge { color: $tone-bad; text-style: bold; }
    }
    """

    class Changed(Message):
        """Another tab is shown."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, names: Sequence[str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._names = tuple(names)
        self._badges: dict[str, str] = {}
        self.current = self._names[0]

    def show(self, name: str) -> None:
        """Shows a tab."""
        if name != self.current and name in self._names:
            self.current = name
            self.refresh()
            self.post_message(self.Changed(name))

    def step(self, by: int) -> None:
        """Shows the next or previous tab, around the end."""
        place = self._names.index(self.current)
        self.show(self._names[(place + by) % len(self._names)])

    def set_badges(self, badges: Mapping[str, str]) -> None:
        """Puts a short text behind some tabs."""
        if dict(badges) != self._badges:
            self._badges = dict(badges)
            self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Shows the tab that was clicked."""
        left = 0
        for name in self._names:
            left += cell_len(self._label(name)) + 1
            if event.x < left:
                self.show(name)
                return

    def render_line(self, y: int) -> Strip:
        """Draws the line."""
        segments: list[Segment] = []
        for name in self._names:
            style = self.rich_style
            if name == self.current:
                style = self.get_component_rich_style("tab--current")
            elif name in self._badges:
                style = self.get_component_rich_style("tab--badge")
            segments += [Segment(self._label(name), style), Segment(" ", self.rich_style)]
        used = sum(cell_len(segment.text) for segment in segments)
        if used < self.size.width:
            segments.append(Segment(" " * (self.size.width - used), self.rich_style))
        return Strip(segments).crop(0, self.size.width)

    def _label(self, name: str) -> str:
        badge = self._badges.get(name, "")
        return f" {name} {badge} " if badge else f" {name} "
