"""A table that draws lines, not cells: only what changed is sent, and rows may come in pages.

One widget for every list. Rows are `present.Row`; a `RowSource` may hold 100,000 keys of which
only those on the screen are read. The cursor follows its key, not its position.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import ClassVar, Protocol

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from auxtui.changes import changed_cells, is_right, places_of
from auxtui.columns import Column, Place, lay_out
from auxtui.fitting import fit as fit
from auxtui.glyphs import UNICODE, Glyphs
from auxtui.present import Cell, Row, Tone
from auxtui.widgets.toned import Toned

READING = "reading the catalog"


class RowSource(Protocol):
    """Rows of a table: all there, or read when they are looked at."""

    def __len__(self) -> int: ...

    def key_at(self, index: int) -> Hashable:
        """Key of a row; always known."""
        ...

    def row_at(self, index: int) -> Row | None:
        """The row; None while it has not been read."""
        ...

    def index_of(self, key: Hashable) -> int | None:
        """Where a key is; None when it is gone."""
        ...


class FixedRows:
    """Rows that are all there."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.rows = tuple(rows)
        self._places = {row.key: place for place, row in enumerate(self.rows)}

    def __len__(self) -> int:
        return len(self.rows)

    def key_at(self, index: int) -> Hashable:
        return self.rows[index].key

    def row_at(self, index: int) -> Row | None:
        return self.rows[index]

    def index_of(self, key: Hashable) -> int | None:
        return self._places.get(key)


class LineTable(Toned, ScrollView, can_focus=True):
    """The table."""

    DEFAULT_CSS = """
    LineTable {
        background: $background; color: $foreground; height: 1fr;
        scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", system=True, priority=True),
        Binding("down,j", "move(1)", "Down", system=True, priority=True),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", system=True, priority=True),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", system=True, priority=True),
        Binding("home,g", "edge(0)", "First", system=True, priority=True),
        Binding("end,G", "edge(1)", "Last", system=True, priority=True),
        Binding("enter", "choose", "Open", system=True, priority=True),
    ]

    class Highlighted(Message):
        """The cursor is on another row."""

        def __init__(self, table: LineTable, key: Hashable | None) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> LineTable:
            """The table, for selectors."""
            return self.table

    class Chosen(Highlighted):
        """Enter, or a click on the row of the cursor."""

    class Wanted(Message):
        """Rows that have not been read came into view."""

        def __init__(self, table: LineTable, first: int, end: int) -> None:
            super().__init__()
            self.table = table
            self.first = first
            self.end = end

        @property
        def control(self) -> LineTable:
            """The table, for selectors."""
            return self.table

    def __init__(
        self,
        columns: Sequence[Column] = (),
        *,
        empty: str = "",
        header: bool = True,
        glyphs: Glyphs = UNICODE,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """Args:
        columns: what each cell of a row means.
        empty: said when it is known that there are no rows.
        header: show the titles.
        glyphs: for the ellipsis and the mark.
        """
        super().__init__(id=id, classes=classes)
        self._columns = tuple(columns)
        self._header = header
        self._glyphs = glyphs
        self.empty = empty
        self._waiting = READING
        self.is_known = False
        """Its rows have come, be they none."""
        self.source: RowSource = FixedRows()
        self.cursor = 0
        self.marked: set[Hashable] = set()
        self._layout_for: tuple[int, list[Place]] = (-1, [])
        self._wanted: tuple[int, int] | None = None

    @property
    def line_width(self) -> int:
        """Cells of a line, without the scroll bar."""
        return self.scrollable_content_region.width

    @property
    def top_lines(self) -> int:
        """Lines that the header takes."""
        return 1 if self._header and self._columns else 0

    @property
    def cursor_key(self) -> Hashable | None:
        """Key of the row under the cursor."""
        return self.source.key_at(self.cursor) if 0 <= self.cursor < len(self.source) else None

    @property
    def cursor_row(self) -> Row | None:
        """The row under the cursor, if it has been read."""
        return self.source.row_at(self.cursor) if 0 <= self.cursor < len(self.source) else None

    def show_rows(self, rows: Iterable[Row]) -> None:
        """Shows these rows; repaints only those that differ when their order has not changed."""
        old, new = self.source, FixedRows(rows)
        if isinstance(old, FixedRows) and [r.key for r in old.rows] == [r.key for r in new.rows]:
            self.source = new
            if not self.is_known:
                self.is_known = True
                self.refresh()
            for place, (before, after) in enumerate(zip(old.rows, new.rows, strict=True)):
                if before != after:
                    self._refresh_changes(place, before, after)
            return
        self.show_source(new)

    def show_source(self, source: RowSource) -> None:
        """Shows other rows; the cursor stays on its key, or where it was."""
        key = self.cursor_key
        self.source = source
        self.is_known = True
        self._wanted = None
        place = source.index_of(key) if key is not None else None
        last = max(0, len(source) - 1)
        moved = place is None
        self.cursor = min(self.cursor, last) if place is None else place
        if self.marked:
            self.marked &= {source.key_at(index) for index in range(len(source))}
        self.virtual_size = Size(0, len(source) + self.top_lines)
        self._show_cursor()
        self.refresh()
        if moved:
            self.post_message(self.Highlighted(self, self.cursor_key))

    def set_columns(self, columns: Sequence[Column], *, empty: str = "") -> None:
        """Shows other columns, without rows."""
        self._columns = tuple(columns)
        self.empty = empty
        self._layout_for = (-1, [])
        self.cursor = 0
        self.scroll_to(y=0, animate=False)
        self.marked = set()
        self.show_source(FixedRows())
        self.is_known = False

    def say_waiting(self, text: str) -> None:
        """Says something else while it is not known what the rows are."""
        if text != self._waiting:
            self._waiting = text
            if not self.is_known:
                self.refresh()

    def say_empty(self, text: str) -> None:
        """Says something else when there are no rows."""
        if text != self.empty:
            self.empty = text
            self.refresh()

    def rows_arrived(self) -> None:
        """Draws rows that were read meanwhile."""
        self._wanted = None
        self.refresh()

    def move_to(self, key: Hashable) -> bool:
        """Puts the cursor on a key; False when it is not there."""
        place = self.source.index_of(key)
        if place is None:
            return False
        self._go(place)
        return True

    def toggle_mark(self) -> None:
        """Marks or unmarks the row of the cursor and goes on to the next."""
        key = self.cursor_key
        if key is None:
            return
        self.marked ^= {key}
        self._refresh_row(self.cursor)
        self._go(self.cursor + 1)

    def mark_all(self) -> None:
        """Marks every row, or none when every one is marked."""
        keys = {self.source.key_at(index) for index in range(len(self.source))}
        self.marked = set() if self.marked == keys else keys
        self.refresh()

    def clear_marks(self) -> None:
        """Unmarks all."""
        self.marked = set()
        self.refresh()

    def action_move(self, step: int) -> None:
        """Moves the cursor by rows."""
        self._go(self.cursor + step)

    def action_page(self, step: int) -> None:
        """Moves the cursor by pages."""
        self._go(self.cursor + step * max(1, self.size.height - self.top_lines - 1))

    def action_edge(self, end: int) -> None:
        """Moves the cursor to the first or the last row."""
        self._go(len(self.source) - 1 if end else 0)

    def action_choose(self) -> None:
        """Opens the row of the cursor."""
        if self.cursor_key is not None:
            self.post_message(self.Chosen(self, self.cursor_key))

    def on_click(self, event: events.Click) -> None:
        """Puts the cursor on the clicked row; a click on the row of the cursor opens it."""
        place = event.y + self.scroll_offset.y - self.top_lines
        if event.y < self.top_lines or not 0 <= place < len(self.source):
            return
        if place == self.cursor and event.button == 1:
            self.action_choose()
        else:
            self._go(place)

    def on_focus(self) -> None:
        """Draws the cursor of the focused table."""
        self._refresh_row(self.cursor)

    def on_blur(self) -> None:
        """Draws the cursor of a table without focus."""
        self._refresh_row(self.cursor)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Keeps the header in place."""
        super().watch_scroll_y(old_value, new_value)
        if self.top_lines:
            self.refresh(Region(0, 0, self.line_width, 1))

    def render_line(self, y: int) -> Strip:
        """Draws one line."""
        width = self.line_width
        if y < self.top_lines:
            return self._header_line(width)
        place = y + self.scroll_offset.y - self.top_lines
        if not len(self.source) and y == self.top_lines:
            said = self.empty if self.is_known else self._waiting
            text = fit(f" {said}", width, ellipsis=self._glyphs.ellipsis)
            return Strip([Segment(text, self.tone(Tone.MUTED))], width)
        if not 0 <= place < len(self.source):
            return Strip.blank(width, self.plain)
        return self._row_line(place, width)

    def _header_line(self, width: int) -> Strip:
        style = self.part("header", "tone-head", "panel", "bold")
        sign = self._glyphs.ellipsis
        titles = "".join(
            fit(self._columns[index].title, cells, right=self._columns[index].right, ellipsis=sign)
            + " " * gap
            for index, cells, gap in self._laid()
        )
        return Strip([Segment(fit(f" {titles}", width), style)], width)

    def _row_line(self, number: int, width: int) -> Strip:
        row = self.source.row_at(number)
        key = self.source.key_at(number)
        over = self._cursor_style() if number == self.cursor else None
        mark = self._glyphs.mark if key in self.marked else " "
        segments = [Segment(mark, over or self.tone(Tone.WARN))]
        base = over or self.plain
        if row is None:
            self._want(number)
            segments.append(Segment(fit(f"{key} {self._glyphs.ellipsis}", width - 1), base))
            return Strip(segments, width)
        used = 1
        for place in places_of(row, self._laid()):
            index, cells, gap = place
            cell = row.cells[index] if index < len(row.cells) else Cell("")
            right = is_right(place, self._columns)
            text = fit(cell.text, cells, right=right, ellipsis=self._glyphs.ellipsis)
            segments.append(Segment(text + " " * gap, self._cell_style(cell.tone, over)))
            used += cells + gap
        if used < width:
            segments.append(Segment(" " * (width - used), base))
        return Strip(segments, max(used, width)).crop(0, width).simplify()

    def _laid(self) -> list[Place]:
        width = self.line_width - 1
        if self._layout_for[0] != width:
            self._layout_for = (width, lay_out(self._columns, width))
        return self._layout_for[1]

    def _cursor_style(self) -> Style:
        if not self.has_focus:
            return self.part("cursor-blurred", "", "panel")
        attributes = self.app.theme_variables["cursor-style"]
        return self.part("cursor", "cursor-text", "cursor-back", attributes)

    def _cell_style(self, tone: Tone, over: Style | None) -> Style:
        if over is None:
            return self.tone(tone)
        return over if self.has_focus else self.tone(tone) + Style(bgcolor=over.bgcolor)

    def _want(self, place: int) -> None:
        if self._wanted and self._wanted[0] <= place < self._wanted[1]:
            return
        height = max(1, self.size.height)
        start = max(0, place - height)
        self._wanted = (start, min(len(self.source), place + 2 * height))
        self.post_message(self.Wanted(self, *self._wanted))

    def _go(self, place: int) -> None:
        place = max(0, min(place, len(self.source) - 1))
        if place == self.cursor or not len(self.source):
            return
        before, self.cursor = self.cursor, place
        self._refresh_row(before)
        self._refresh_row(place)
        self._show_cursor()
        self.post_message(self.Highlighted(self, self.cursor_key))

    def _show_cursor(self) -> None:
        top, height = self.scroll_offset.y, self.size.height - self.top_lines
        if height <= 0:
            return
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, force=True)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, force=True)

    def _refresh_changes(self, place: int, before: Row, after: Row) -> None:
        """Sends only the part of a row that differs: a busy list is sent every second."""
        first, end = changed_cells(before, after, self._columns, self._laid())
        y = place - self.scroll_offset.y + self.top_lines
        if first < end and self.top_lines <= y < self.size.height:
            self.refresh(Region(first + 1, y, end - first, 1))

    def _refresh_row(self, place: int) -> None:
        y = place - self.scroll_offset.y + self.top_lines
        if self.top_lines <= y < self.size.height:
            self.refresh(Region(0, y, self.line_width, 1))
