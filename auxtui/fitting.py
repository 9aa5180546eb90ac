"""Text in exactly so many cells of a terminal; pure."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size


def fit(text: str, width: int, *, right: bool = False, ellipsis: str = "…") -> str:
    """Text in exactly `width` cells; what is cut ends with a sign."""
    length = cell_len(text)
    if length > width:
        return set_cell_size(set_cell_size(text, max(0, width - 1)) + ellipsis, width)
    space = " " * (width - length)
    return space + text if right else text + space
