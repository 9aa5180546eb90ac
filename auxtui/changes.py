"""What of a row has changed on the screen, so that only that is sent; pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from auxtui.columns import Column, Place
from auxtui.fitting import fit
from auxtui.present import JOINED, Cell, Row


def places_of(row: Row, laid: Sequence[Place]) -> list[Place]:
    """Where the cells of a row are; one that is joined gives its room to the one before."""
    places: list[Place] = []
    for place in laid:
        if places and place.column < len(row.cells) and row.cells[place.column] is JOINED:
            first = places[-1]
            cells = first.cells + first.gap + place.cells
            places[-1] = Place(first.column, cells, place.gap)
        else:
            places.append(place)
    return places


def is_right(place: Place, columns: Sequence[Column]) -> bool:
    """A number stands right in its column; what has the room of several is a text."""
    column = columns[place.column]
    return column.right and place.cells <= max(column.width, column.wish)


def changed_cells(
    before: Row, after: Row, columns: Sequence[Column], laid: Sequence[Place]
) -> tuple[int, int]:
    """Where two states of a row differ as they are drawn: the first cell, and the one after the last.

    Args:
        before: as it is on the screen.
        after: as it shall be.
        columns: of the table.
        laid: the columns that are shown.
    """
    first, end, x = -1, 0, 0
    places = places_of(after, laid)
    if places != places_of(before, laid):
        return 0, sum(place.cells + place.gap for place in laid)
    for place in places:
        index, width, gap = place
        old = before.cells[index] if index < len(before.cells) else Cell("")
        new = after.cells[index] if index < len(after.cells) else Cell("")
        if old != new:
            start, stop = x, x + width
            if old.tone == new.tone:
                right = is_right(place, columns)
                left, length = _differing(
                    fit(old.text, width, right=right), fit(new.text, width, right=right)
                )
                start, stop = x + left, x + left + length
            if start < stop:
                first, end = (start if first < 0 else first), stop
        x += width + gap
    return max(first, 0), end


def _differing(old: str, new: str) -> tuple[int, int]:
    """Where two texts of the same width differ: the cells before, and how many."""
    start = _common(old, new)
    tail = _common(old[start:][::-1], new[start:][::-1])
    middle = new[start : len(new) - tail]
    return cell_len(new[:start]), max(cell_len(middle), cell_len(old[start : len(old) - tail]))


def _common(one: str, other: str) -> int:
    """Characters that two texts have in common at their beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
