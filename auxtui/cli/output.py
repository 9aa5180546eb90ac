"""What commands print: answers on standard output, messages on standard error, every text inert."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import IO, Any

from auxtui.inert import safe

GAP = "  "
FOLDED = ("name", "reason", "next step")  # columns that go on in a second line


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


def write_text(text: str) -> None:
    """A text whose lines are its own, such as a site file."""
    sys.stdout.write(text)


def write_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, numbers: Sequence[str] = ()
) -> None:
    """A table: drawn by Rich on a terminal, else aligned text that is never cut.

    Args:
        columns: headings.
        rows: cells; None is shown as a dash.
        numbers: headings of columns that are set to the right.
    """
    cells = [["-" if cell is None else safe(str(cell)) for cell in row] for row in rows]
    if is_plain(sys.stdout):
        _write_plain(columns, cells, numbers)
    else:
        _write_drawn(columns, cells, numbers)


def _write_plain(columns: Sequence[str], cells: list[list[str]], numbers: Sequence[str]) -> None:
    widths = [
        max(len(heading), *(len(row[at]) for row in cells)) if cells else len(heading)
        for at, heading in enumerate(columns)
    ]
    for row in ([heading.upper() for heading in columns], *cells):
        parts = [
            cell.rjust(width) if heading in numbers else cell.ljust(width)
            for heading, cell, width in zip(columns, row, widths, strict=True)
        ]
        sys.stdout.write(GAP.join(parts).rstrip() + "\n")


def _write_drawn(columns: Sequence[str], cells: list[list[str]], numbers: Sequence[str]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # A person gains nothing from empty columns, and the others need their room.
    kept = [at for at in range(len(columns)) if any(row[at] not in ("", "-") for row in cells)]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for at in kept:
        heading = columns[at]
        table.add_column(
            Text(heading),
            justify="right" if heading in numbers else "left",
            overflow="fold",
            no_wrap=heading not in FOLDED,
        )
    for row in cells:
        table.add_row(*(Text(row[at]) for at in kept))
    console = Console(markup=False, highlight=False, emoji=False)
    console.print(table if kept else Text("nothing"))


def write_facts(facts: Iterable[tuple[str, Any]]) -> None:
    """Names and values, one a line; what is empty is left out."""
    kept = [(name, safe(str(value))) for name, value in facts if value not in (None, "", "-")]
    width = max((len(name) for name, _ in kept), default=0)
    for name, value in kept:
        sys.stdout.write(f"{name.ljust(width)}{GAP}{value}\n")
