"""The line that says what came of a key: it grows when that is long, so that nothing of it is lost."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.geometry import Size
from textual.strip import Strip

from auxtui.fitting import fold
from auxtui.present import Cell
from auxtui.widgets.one_line import OneLine

MOST_LINES = 4  # of 16 in the least terminal: what is longer is cut at its end
LEAST_ROOM = 8  # cells: in fewer no word has room


class StatusLine(OneLine):
    """One line; as many as the text takes, up to four, where the whole of it is wanted."""

    DEFAULT_CSS = "StatusLine { height: auto; min-height: 1; max-height: 4; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._whole = False

    def say(self, left: Sequence[Cell], right: Sequence[Cell] = (), *, whole: bool = False) -> None:
        """Shows other cells.

        Args:
            left: the last of them is the text, which may take several lines.
            right: beside the first line.
            whole: as many lines as the text takes; else one.
        """
        before = len(self._lines(self.size.width))
        self._whole = whole
        super().say(left, right)
        if len(self._lines(self.size.width)) != before:
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Lines at a width."""
        return len(self._lines(width))

    def render_line(self, y: int) -> Strip:
        """Draws one line."""
        lines = self._lines(self.size.width)
        if len(lines) == 1:
            return super().render_line(y)
        if y >= len(lines):
            return Strip.blank(self.size.width, self.plain)
        before, text = self._parted()
        if y:
            before = (Cell(" " * _wide(before)),)
        return self.drawn((*before, Cell(lines[y], text.tone)), () if y else self._right)

    def _parted(self) -> tuple[tuple[Cell, ...], Cell]:
        """What stands before the text, and the text."""
        *before, text = self._left or (Cell(""),)
        if text.text.startswith(" ") and not before:
            return (Cell(" "),), Cell(text.text[1:], text.tone)
        return tuple(before), text

    def _lines(self, width: int) -> list[str]:
        before, text = self._parted()
        room = width - _wide(before) - (_wide(self._right) + 1 if self._right else 0)
        if not self._whole or room < LEAST_ROOM or cell_len(text.text) <= room:
            return [text.text]
        lines = fold(text.text, room)
        kept, rest = lines[: MOST_LINES - 1], lines[MOST_LINES - 1 :]
        return [*kept, " ".join(rest)] if rest else kept


def _wide(cells: Sequence[Cell]) -> int:
    return sum(cell_len(cell.text) for cell in cells)
