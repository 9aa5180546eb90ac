"""A few labelled facts above a list, or a page of them: wrapped below themselves, never markup."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.segment import Segment
from textual.geometry import Size
from textual.strip import Strip

from auxtui.fitting import fit, fold
from auxtui.inert import safe
from auxtui.present import Cell, Fact, Tone
from auxtui.widgets.toned import Toned

LABEL_SHARE = 3  # labels take at most a third of the width


class Facts(Toned):
    """Labelled facts; a label is written once, its text wraps beside it."""

    DEFAULT_CSS = "Facts { height: auto; background: $background; color: $foreground; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._facts: tuple[Fact, ...] = ()
        self._lines: list[tuple[str, str, Tone]] = []
        self._lines_for = -1

    @property
    def text(self) -> str:
        """What is shown, without tones."""
        return "\n".join(f"{label} {cell.text}".strip() for label, cell in self._facts)

    def show(self, facts: Sequence[Fact]) -> None:
        """Shows these facts; redraws only when they differ, lays out only when lines do."""
        chosen = tuple((safe(label), Cell(safe(c.text), c.tone)) for label, c in facts)
        if chosen == self._facts:
            return
        before = len(self._lines)
        self._facts, self._lines_for = chosen, -1
        same_height = len(self._folded(self.size.width)) == before
        self.refresh(layout=not same_height)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Lines at a width."""
        return len(self._folded(width))

    def render_line(self, y: int) -> Strip:
        """Draws one line."""
        width = self.size.width
        lines = self._folded(width)
        if y >= len(lines):
            return Strip.blank(width, self.plain)
        label, text, tone = lines[y]
        cells = [Segment(f" {label}", self.tone(Tone.MUTED)), Segment(text, self.tone(tone))]
        used = sum(cell_len(segment.text) for segment in cells)
        cells.append(Segment(" " * max(0, width - used), self.plain))
        return Strip(cells).crop(0, width)

    def _folded(self, width: int) -> list[tuple[str, str, Tone]]:
        if width == self._lines_for:
            return self._lines
        longest = max((cell_len(label) for label, _ in self._facts), default=0)
        label_width = min(longest + 2, max(4, width // LABEL_SHARE)) if longest else 0
        lines: list[tuple[str, str, Tone]] = []
        for label, cell in self._facts:
            beside = bool(label) and bool(label_width)
            indent = label_width if beside else 0
            shown_label = fit(f"{label}  ", indent, ellipsis=self.ellipsis) if beside else ""
            for text in fold(cell.text, max(8, width - indent - 2)):
                lines.append((shown_label, text, cell.tone))
                shown_label = " " * indent
        self._lines, self._lines_for = lines, width
        return lines
