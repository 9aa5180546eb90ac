"""Text in exactly so many cells of a terminal; pure."""

from __future__ import annotations

from rich.cells import cell_len, chop_cells, set_cell_size

LEAST_WIDTH, LEAST_HEIGHT = 60, 16


def is_tiny(width: int, height: int) -> bool:
    """True for a terminal in which nothing can be shown that is of use."""
    return width < LEAST_WIDTH or height < LEAST_HEIGHT


def too_small(width: int, height: int, *, instead: str) -> str:
    """What is said in such a terminal; `instead` is what else can be done."""
    return (
        f"This terminal is {width} x {height}.\nauxtui needs {LEAST_WIDTH} x"
        f" {LEAST_HEIGHT}.\n\n{instead}"
    )


def fit(text: str, width: int, *, right: bool = False, ellipsis: str = "…") -> str:
    """Text in exactly `width` cells; what is cut ends with a sign."""
    length = cell_len(text)
    if length > width:
        return set_cell_size(set_cell_size(text, max(0, width - 1)) + ellipsis, width)
    space = " " * (width - length)
    return space + text if right else text + space


def fold(text: str, width: int) -> list[str]:
    """Text in lines of at most `width` cells, broken at spaces where there are any."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if cell_len(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        pieces = chop_cells(word, max(1, width)) or [""]
        lines += pieces[:-1]
        line = pieces[-1]
    return [*lines, line]
