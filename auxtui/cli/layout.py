"""How a table fits a terminal: which columns stay, how wide they are, where long texts go. Pure.

Ids, states and sizes are never cut or wrapped. Names are shortened in the middle. Columns of little
weight are left out, and it is said which. Long texts (reason, next step, when) take the room that is left,
or stand on lines of their own below the row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells, set_cell_size

GAP = "  "
TEXTS = ("reason", "next step", "forecast", "when", "do not run")
TEXT_LEAST = 24
NAME_LEAST = 8
NAME_MOST = 24
INDENT = "    "
MIDDLE = "..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A table in lines, ready for a terminal."""

    headings: tuple[str, ...]
    rows: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class _Column:
    heading: str
    lines: list[str]
    """Of the heading: the second one names what the cells are in, such as a time zone."""
    cells: list[str]
    is_number: bool
    may_go: int
    """Place in the order of leaving out; -1: stays."""
    is_name: bool
    width: int = 0

    @property
    def heading_width(self) -> int:
        return max(cell_len(line) for line in self.lines)


def word_of(heading: str) -> str:
    """A heading without what its cells are in."""
    return heading.partition("\n")[0]


def lay_out(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int,
    numbers: Iterable[str] = (),
    names: Iterable[str] = (),
    least: Sequence[str] = (),
) -> Layout:
    """Fits a table to a width.

    Args:
        headings: a second line in one names what its cells are in.
        rows: inert cells.
        width: columns of the terminal.
        numbers: columns set to the right.
        names: columns whose cells may be shortened in the middle.
        least: columns that may be left out, the first one first.
    """
    whole = [
        _Column(
            heading=word_of(heading),
            lines=heading.split("\n"),
            cells=[row[at] for row in rows],
            is_number=word_of(heading) in numbers,
            may_go=least.index(word_of(heading)) if word_of(heading) in least else -1,
            is_name=word_of(heading) in names,
        )
        for at, heading in enumerate(headings)
    ]
    # A person gains nothing from empty columns, and the others need their room.
    kept = [column for column in whole if any(cell not in ("", "-") for cell in column.cells)]
    fixed = [column for column in kept if column.heading not in TEXTS]
    texts = [column for column in kept if column.heading in TEXTS]
    left_out = _fit(fixed, width)
    beside = _place_texts(fixed, texts, width)
    if len(beside) == len(texts):
        _widen(fixed, width - _total([*fixed, *beside]))
    shown = [column for column in kept if column in fixed or column in beside]
    below = [column for column in texts if column not in beside]
    return Layout(
        headings=tuple(_headings(shown)),
        rows=tuple(line for at in range(len(rows)) for line in _row(shown, below, at, width)),
        left_out=tuple(column.heading for column in whole if column.heading in left_out),
    )


def shortened(text: str, width: int) -> str:
    """A text of at most `width` columns: what is too long loses its middle."""
    if cell_len(text) <= width:
        return text
    tail = (width - len(MIDDLE)) // 2
    head = width - len(MIDDLE) - tail
    end = text[len(text) - tail :] if tail else ""
    while cell_len(end) > tail:
        end = end[1:]
    return f"{set_cell_size(text, head)}{MIDDLE}{end}"


def _fit(fixed: list[_Column], width: int) -> set[str]:
    """Sets widths; takes out of `fixed` what has no room, and says what."""
    for column in fixed:
        natural = max(column.heading_width, *(cell_len(cell) for cell in column.cells))
        most = max(NAME_MOST, column.heading_width)
        column.width = min(natural, most) if column.is_name else natural
    gone: set[str] = set()
    while _total(fixed) > width:
        can_go = [column for column in fixed if column.may_go >= 0]
        if not can_go:
            break
        first = min(can_go, key=lambda column: column.may_go)
        fixed.remove(first)
        gone.add(first.heading)
    named = [column for column in fixed if column.is_name]
    while _total(fixed) > width:
        wide = [each for each in named if each.width > max(NAME_LEAST, each.heading_width)]
        if not wide:
            break  # the terminal wraps what cannot be made narrower: no id is ever cut
        # The first column says what the row is: it gives way last.
        max(wide, key=lambda each: (each is not fixed[0], each.width)).width -= 1
    return gone


def _widen(columns: Sequence[_Column], spare: int) -> None:
    """Gives names the room that nothing else needs."""
    for column in columns:
        if not column.is_name:
            continue
        natural = max(cell_len(cell) for cell in column.cells)
        more = min(max(0, natural - column.width), max(0, spare))
        column.width += more
        spare -= more


def _place_texts(fixed: Sequence[_Column], texts: Sequence[_Column], width: int) -> list[_Column]:
    """The texts that stand beside the others, with their widths; the rest goes below the row."""
    if not texts:
        return []
    room = width - _total(fixed) - len(GAP) * (len(texts) if fixed else len(texts) - 1)
    naturals = [max(column.heading_width, *map(cell_len, column.cells)) for column in texts]
    if sum(naturals) <= room:
        for column, natural in zip(texts, naturals, strict=True):
            column.width = natural
        return list(texts)
    share = room // len(texts)
    if share < TEXT_LEAST:
        return []
    for column in texts:
        column.width = share
    return list(texts)


def _total(columns: Sequence[_Column]) -> int:
    return sum(column.width for column in columns) + len(GAP) * max(0, len(columns) - 1)


def _headings(shown: Sequence[_Column]) -> list[str]:
    deep = max((len(column.lines) for column in shown), default=0)
    found = []
    for at in range(deep):
        parts = [
            _set(column.lines[at] if at < len(column.lines) else "", column) for column in shown
        ]
        found.append(GAP.join(parts).rstrip())
    return found


def _row(shown: Sequence[_Column], below: Sequence[_Column], at: int, width: int) -> list[str]:
    cells = []
    for column in shown:
        text = column.cells[at]
        if column.heading in TEXTS:
            cells.append(_wrapped(text, column.width))
        else:
            cells.append([shortened(text, column.width) if column.is_name else text])
    deep = max((len(lines) for lines in cells), default=0)
    found = [
        GAP.join(
            _set(lines[n] if n < len(lines) else "", column)
            for lines, column in zip(cells, shown, strict=True)
        ).rstrip()
        for n in range(deep)
    ]
    for column in below:
        text = column.cells[at]
        if text in ("", "-"):
            continue
        inside = f" ({column.lines[1]})" if len(column.lines) > 1 else ""
        label = "" if column.heading == "reason" else f"{column.heading}{inside}: "
        lines = _wrapped(f"{label}{text}", max(TEXT_LEAST, width - len(INDENT)))
        found.extend(f"{INDENT}{line}" for line in lines)
    return found


def _set(text: str, column: _Column) -> str:
    room = " " * max(0, column.width - cell_len(text))
    return room + text if column.is_number else text + room


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns, broken between words where that is possible."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if cell_len(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        pieces = chop_cells(word, width)
        lines.extend(pieces[:-1])
        line = pieces[-1] if pieces else ""
    return [*lines, line]
