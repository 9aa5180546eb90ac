"""The net below `safe`: every line of the screen goes through it on its way to the terminal."""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter


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
