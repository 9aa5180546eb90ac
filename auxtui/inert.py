"""Nothing that came from a disk or a catalog is interpreted by the terminal.

`safe` makes text inert before it is measured and drawn; `Inert` is the net below it, through
which every line of the screen goes.
"""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from engine.model.names import shown


def safe(text: str) -> str:
    """Text as one inert line; backslashes stay, because names have been through `shown` already."""
    if text.isascii() and text.isprintable():
        return text
    return "\\".join(shown(part) for part in text.split("\\"))


class Inert(LineFilter):
    """Last line filter: no control, bidirectional or surrogate character reaches the driver."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Replaces what is not printable by a visible sign of the same width."""
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
