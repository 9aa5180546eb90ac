"""One line of the frame: title, status, key hints. Drawn only when its text changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from auxtui.inert import safe
from auxtui.present import Cell, Tone
from auxtui.widgets.line_table import fit


class OneLine(Widget):
    """Cells from the left and cells from the right; the left ones are cut when there is no room."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"tone--{tone}" for tone in Tone}
    DEFAULT_CSS = """
    OneLine {
        height: 1; background: $panel; color: $foreground;
        & > .tone--muted { color: $tone-muted; }
        & > .tone--strong { text-style: bold; }
        & > .tone--ok { color: $tone-ok; }
        & > .tone--run { color: $tone-run; }
        & > .tone--warn { color: $tone-warn; text-style: bold; }
        & > .tone--bad { color: $tone-bad; text-style: bold; }
        & > .tone--key { color: $tone-key; text-style: bold; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._left: tuple[Cell, ...] = ()
        self._right: tuple[Cell, ...] = ()

    @property
    def text(self) -> str:
        """What the line says, without tones."""
        return "".join(cell.text for cell in (*self._left, *self._right))

    def say(self, left: Sequence[Cell], right: Sequence[Cell] = ()) -> None:
        """Shows other cells."""
        cells = (
            tuple(Cell(safe(c.text), c.tone) for c in left),
            tuple(Cell(safe(c.text), c.tone) for c in right),
        )
        if cells != (self._left, self._right):
            self._left, self._right = cells
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draws the line."""
        width = self.size.width
        right_width = sum(cell_len(cell.text) for cell in self._right)
        right = self._right if right_width + 8 <= width else ()
        room = max(0, width - (right_width + 1 if right else 0))
        segments: list[Segment] = []
        for cell in self._left:
            wide = min(room, cell_len(cell.text))
            if wide:
                segments.append(Segment(fit(cell.text, wide), self._tone(cell.tone)))
            room -= wide
        segments.append(Segment(" " * (room + (1 if right else 0)), self.rich_style))
        segments += [Segment(cell.text, self._tone(cell.tone)) for cell in right]
        return Strip(segments, width).crop(0, width)

    def _tone(self, tone: Tone) -> Style:
        return (
            self.rich_style
            if tone is Tone.PLAIN
            else self.get_component_rich_style(f"tone--{tone}")
        )
