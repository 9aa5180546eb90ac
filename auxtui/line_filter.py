"""The net below `safe`: every line of the screen goes through it on its way to the terminal."""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from auxtui.glyphs import GlyphName


class Inert(LineFilter):
    """Last line filter: no control, bidirectional or surrogate character reaches the driver."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Replaces what is not printable by a visible sign."""
        if all(segment.text.isprintable() for segment in segments):
            return segments
        return [
            segment
            if segment.control or segment.text.isprintable()
            else Segment(
                "".join(char if char.isprintable() else "?" for char in segment.text), segment.style
            )
            for segment in segments
        ]


_HEIGHTS = dict.fromkeys("▁▂▃▅▆▇", " ")  # the ends of scroll bars
_TABLES: dict[GlyphName, dict[int, str]] = {
    "block": str.maketrans({**_HEIGHTS, "▔": "─", "▏": "│", "▕": "│"}),
    "ascii": str.maketrans(
        {**_HEIGHTS, "▄": " ", "▔": "-", "▏": "|", "▕": "|", "▼": "v", "▲": "^", "…": "~"}
    ),
}


class Signs(LineFilter):
    """What Textual's own widgets draw, in a smaller set of signs; names are left as they are."""

    def __init__(self, glyphs: GlyphName) -> None:
        """Args:
        glyphs: `block` or `ascii`; all that this console draws itself is of that set already.
        """
        super().__init__()
        self._table = _TABLES[glyphs]

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Replaces borders, arrows and ends of bars."""
        if all(segment.text.isascii() for segment in segments):
            return segments
        return [
            segment
            if segment.control or segment.text.isascii()
            else Segment(segment.text.translate(self._table), segment.style)
            for segment in segments
        ]
