"""A screen that is one list: a line about it, the table, a filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Input

from auxtui.columns import Column
from auxtui.feed import Answer, Fresh
from auxtui.paging import Pager
from auxtui.screens.base import ConsoleScreen
from auxtui.widgets.facts import Facts
from auxtui.widgets.filter_line import FilterLine
from auxtui.widgets.line_table import LineTable


class ListScreen(ConsoleScreen):
    """One list with a filter; a subclass says what is in it."""

    ABILITIES: ClassVar[frozenset[str]] = frozenset({"menu", "filter"})
    COLUMNS: ClassVar[Sequence[Column]] = ()
    EMPTY: ClassVar[str] = "nothing"

    def __init__(self) -> None:
        super().__init__()
        self.pager: Pager | None = None
        self.text = ""

    def compose_body(self) -> ComposeResult:
        yield Facts(id="facts")
        yield LineTable(self.COLUMNS, glyphs=self.look.glyphs, empty=self.EMPTY, id="list")
        yield FilterLine()

    def first_focus(self) -> Widget | None:
        return self.table

    @property
    def table(self) -> LineTable:
        """The list."""
        return self.query_one("#list", LineTable)

    @property
    def facts(self) -> Facts:
        """What stands above the list."""
        return self.query_one("#facts", Facts)

    def filter_changed(self) -> None:
        """Another text is looked for in `self.text`."""

    def take(self, message: Fresh | Answer) -> None:
        if self.pager is not None:
            self.pager.take(message, self.console.feed, self)

    def open_filter(self) -> None:
        """Opens the filter line."""
        self.query_one(FilterLine).open()

    def mark(self) -> None:
        """Marks the row under the cursor."""
        self.table.toggle_mark()
        self.refresh_frame()

    def back(self) -> bool:
        line = self.query_one(FilterLine)
        if line.is_open:
            line.close()
            self.table.focus()
            return True
        if self.table.marked:
            self.table.clear_marks()
            return True
        return False

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "enter" and isinstance(self.focused, Input):
            return True
        return super().check_action(action, parameters)

    def action_enter(self) -> None:
        """Enter in the filter goes back to the list, at once: the keys typed next are for it."""
        if isinstance(self.focused, Input):
            self.set_focus(self.table)
        else:
            super().action_enter()

    @on(FilterLine.Changed)
    def _text_changed(self, message: FilterLine.Changed) -> None:
        if message.text != self.text:
            self.text = message.text
            self.filter_changed()

    @on(LineTable.Highlighted)
    def _cursor_moved(self) -> None:
        self.refresh_frame()

    @on(LineTable.Wanted)
    def _rows_wanted(self, message: LineTable.Wanted) -> None:
        if self.pager is not None:
            self.pager.want(self.console.feed, self, message.first, message.end)
