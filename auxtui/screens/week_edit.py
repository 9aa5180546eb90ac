"""The week of an operation window, edited as a grid of half hours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from auxtui.glyphs import Glyphs
from auxtui.present import Cell, Fact, Tone
from auxtui.screens.dialog import Dialog
from auxtui.site_rows import periods_from, periods_text
from auxtui.week_cells import CELLS, DAYS, clock_of, closed_of, rows_of, switched
from auxtui.widgets.facts import Facts
from auxtui.widgets.week_cells import DAY_NAMES, WeekCells


class WeekEditScreen(Dialog[str]):
    """Gives the periods as text; the text at the start, when nothing was changed."""

    KEYS = "space Close or open  v Mark a range  d Whole day  enter OK  esc Cancel"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(0,-1)", show=False, priority=True),
        Binding("right,l", "move(0,1)", show=False, priority=True),
        Binding("up,k", "move(-1,0)", show=False, priority=True),
        Binding("down,j", "move(1,0)", show=False, priority=True),
        Binding("home", "edge(0)", show=False, priority=True),
        Binding("end", "edge(1)", show=False, priority=True),
        Binding("space", "switch", show=False, priority=True),
        Binding("v", "mark", show=False, priority=True),
        Binding("d", "day", show=False, priority=True),
        Binding("enter", "done", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    WeekEditScreen WeekCells { margin: 1 0; }
    WeekEditScreen Facts { background: $surface; margin-bottom: 1; max-height: 6; }
    """

    def __init__(self, periods: str, *, glyphs: Glyphs) -> None:
        """Args:
        periods: as in the field.
        glyphs: for the cells.

        Raises:
            UsageError: the periods are wrong, or not on half hours.
        """
        super().__init__("The week: when operations must not run")
        self._before = periods
        self._glyphs = glyphs
        self._week_before, self._dated = closed_of(periods_from(periods))
        self._week = self._week_before

    def compose_box(self) -> Iterator[Widget]:
        yield WeekCells(self._week, glyphs=self._glyphs)
        yield Facts()

    def on_mount(self) -> None:
        self._draw()

    @property
    def _grid(self) -> WeekCells:
        return self.query_one(WeekCells)

    def action_move(self, days: int, cells: int) -> None:
        """Moves the cursor; the range follows it."""
        day, cell = self._grid.cursor
        place = (min(max(day + days, 0), DAYS - 1), min(max(cell + cells, 0), CELLS - 1))
        self._grid.show(self._week, place, self._grid.corner)
        self._draw()

    def action_edge(self, end: int) -> None:
        """Goes to the beginning or the end of the day."""
        self._grid.show(self._week, (self._grid.cursor[0], end * (CELLS - 1)), self._grid.corner)
        self._draw()

    def action_mark(self) -> None:
        """Begins a range here, or gives it up."""
        grid = self._grid
        grid.show(self._week, grid.cursor, grid.cursor if grid.corner is None else None)
        self._draw()

    def action_switch(self) -> None:
        """Closes the range or the half hour; opens it, when all of it is closed."""
        self._switch(self._grid.chosen)

    def action_day(self) -> None:
        """The same with the whole day, or the days of the range."""
        days = {day for day, _ in self._grid.chosen}
        self._switch([(day, cell) for day in days for cell in range(CELLS)])

    def action_done(self) -> None:
        """Takes the week as it is."""
        self.dismiss(self._text)

    def _switch(self, spots: Sequence[tuple[int, int]] | frozenset[tuple[int, int]]) -> None:
        self._week = switched(self._week, spots)
        self._grid.show(self._week, self._grid.cursor, None)
        self._draw()

    @property
    def _text(self) -> str:
        if self._week == self._week_before:
            return self._before
        rows: list[dict[str, Any]] = [*rows_of(self._week), *self._dated]
        return periods_text(rows)

    def _draw(self) -> None:
        day, cell = self._grid.cursor
        state = "closed" if (day, cell) in self._week else "open"
        number = len(self._grid.chosen)
        marked = f"; {number} half hours are marked" if self._grid.corner is not None else ""
        facts: list[Fact] = [
            ("Here", Cell(f"{DAY_NAMES[day]} {clock_of(cell)}: {state}{marked}", Tone.STRONG)),
            ("Do not run", Cell(self._text or "nothing is closed")),
        ]
        self.query_one(Facts).show(facts)
