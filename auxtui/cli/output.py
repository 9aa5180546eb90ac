"""What commands print: answers on standard output, messages on standard error, every text inert."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import IO, Any

from auxtui.inert import safe

GAP = "  "


def is_plain(stream: IO[str]) -> bool:
    """True where neither colour nor drawing is wanted: no terminal, or `NO_COLOR`."""
    return bool(os.environ.get("NO_COLOR")) or not stream.isatty()


def say(text: str) -> None:
    """A line of the answer."""
    print(safe(text))  # noqa: T201 - the command's answer


def tell(text: str) -> None:
    """A message beside the answer, on standard error."""
    print(safe(text), file=sys.stderr)  # noqa: T201 - messages go to standard error


def write_json(document: object) -> None:
    """The answer as one JSON document."""
    json.dump(document, sys.stdout, indent=2)
    sys.stdout.write("\n")


def write_json_list(head: Mapping[str, object], key: str, items: Iterable[object]) -> None:
    """One JSON document with a list that may be long: an item a line, none kept.

    Args:
        head: the other members, at least one; they come first.
        key: of the list.
        items: written as they come.
    """
    sys.stdout.write(f"{json.dumps(head)[:-1]}, {json.dumps(key)}: [")
    separator = "\n"
    for item in items:
        sys.stdout.write(separator + json.dumps(item))
        separator = ",\n"
    sys.stdout.write("\n]}\n")


def write_text(text: str) -> None:
    """A text whose lines are its own, such as a site file."""
    sys.stdout.write(text)


def write_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    numbers: Sequence[str] = (),
    names: Sequence[str] = (),
    least: Sequence[str] = (),
) -> None:
    """A table: fitted to a terminal (see `layout`), else aligned text that is never cut.

    Args:
        columns: headings; a second line in one names what its cells are in, such as a time zone.
        rows: cells; None is shown as a dash. What can be gone through again is not kept where
            there is no terminal: a list of a million rows takes two passes and no memory.
        numbers: headings of columns that are set to the right.
        names: headings of columns that a narrow terminal shortens in the middle.
        least: headings of columns that a narrow terminal leaves out, the first one first.
    """
    again = list(rows) if isinstance(rows, Iterator) else rows
    if is_plain(sys.stdout):
        _write_plain(columns, again, numbers)
    else:
        _write_fitted(columns, [_inert(row) for row in again], numbers, names, least)


def _inert(row: Sequence[Any]) -> list[str]:
    return ["-" if cell is None else safe(str(cell)) for cell in row]


def _write_plain(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], numbers: Sequence[str]
) -> None:
    headings = [_plain_heading(heading) for heading in columns]
    widths = [len(heading) for heading in headings]
    for row in rows:
        widths = list(map(max, widths, map(len, _inert(row))))
    to_the_right = [heading.partition("\n")[0] in numbers for heading in columns]
    for cells in chain([headings], map(_inert, rows)):
        parts = [
            cell.rjust(width) if is_right else cell.ljust(width)
            for is_right, cell, width in zip(to_the_right, cells, widths, strict=True)
        ]
        sys.stdout.write(GAP.join(parts).rstrip() + "\n")


def _plain_heading(heading: str) -> str:
    word, _, inside = heading.partition("\n")
    return f"{word.upper()} ({inside})" if inside else word.upper()


def _write_fitted(
    columns: Sequence[str],
    cells: list[list[str]],
    numbers: Sequence[str],
    names: Sequence[str],
    least: Sequence[str],
) -> None:
    from rich.console import Console
    from rich.text import Text

    from auxtui.cli.layout import lay_out

    console = Console(markup=False, highlight=False, emoji=False)
    if not cells:
        console.print("nothing")
        return
    table = lay_out(columns, cells, width=console.width, numbers=numbers, names=names, least=least)
    for line in table.headings:
        console.print(Text(line, "bold"), soft_wrap=True)
    for line in table.rows:
        console.print(Text(line), soft_wrap=True)
    if table.left_out:
        listed = ", ".join(table.left_out)
        tell(f"left out at this width: {listed}; --json or a wider terminal shows all")


def write_facts(facts: Iterable[tuple[str, Any]]) -> None:
    """Names and values, one a line; what is empty is left out."""
    kept = [(name, safe(str(value))) for name, value in facts if value not in (None, "", "-")]
    width = max((len(name) for name, _ in kept), default=0)
    for name, value in kept:
        sys.stdout.write(f"{name.ljust(width)}{GAP}{value}\n")
