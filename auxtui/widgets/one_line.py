"""One line of the frame: title, status, key hints. Drawn only when its text changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip

from auxtui.fitting import fit
from auxtui.inert import safe
from auxtui.present import Cell, Tone
from auxtui.widgets.toned import BOLD, Toned


class OneLine(Toned):
    """Cells from the left and cells from the right; the left ones are cut when there is no room."""

    BOLD_TONES: ClassVar[frozenset[Tone]] = BOLD | {Tone.WARN}
    DEFAULT_CSS = "OneLine { height: 1; background: $panel; color: $foreground; }"

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
        return self.drawn(self._left, self._right)

    def drawn(self, left: Sequence[Cell], right: Sequence[Cell]) -> Strip:
        """A line of cells from the left and cells from the right."""
        width = self.size.width
        right_width = sum(cell_len(cell.text) for cell in right)
        right = right if right_width + 8 <= width else ()
        room = max(0, width - (right_width + 1 if right else 0))
        segments: list[Segment] = []
        for cell in left:
            wide = min(room, cell_len(cell.text))
            if wide:
                segments.append(
                    Segment(fit(cell.text, wide, ellipsis=self.ellipsis), self.tone(cell.tone))
                )
            room -= wide
        segments.append(Segment(" " * (room + (1 if right else 0)), self.plain))
        segments += [Segment(cell.text, self.tone(cell.tone)) for cell in right]
        return Strip(segments, width).crop(0, width)
