"""A screen of two lists, one above the other, and what the cursor is on in words."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence

from textual import on
from textual.app import ComposeResult
from textual.widget import Widget

from auxtui.present import Cell, Fact, Tone
from auxtui.screens.base import ConsoleScreen
from auxtui.widgets.facts import Facts
from auxtui.widgets.line_table import LineTable

NOTHING: Sequence[Fact] = (("", Cell("nothing is selected", Tone.MUTED)),)


class TwoListsScreen(ConsoleScreen):
    """Two lists; a subclass says what is in them, and what is to be said of a row."""

    DEFAULT_CSS = """
    TwoListsScreen .upper { height: 2fr; }
    TwoListsScreen .lower { height: 1fr; }
    TwoListsScreen #facts { height: 7; border-top: hkey $panel; }
    """

    @abstractmethod
    def lists(self) -> tuple[LineTable, LineTable]:
        """The upper and the lower list."""

    @abstractmethod
    def words(self) -> Sequence[Fact]:
        """What the cursor is on; `NOTHING` when it is on nothing."""

    def compose_body(self) -> ComposeResult:
        upper, lower = self.lists()
        yield upper.add_class("upper")
        yield lower.add_class("lower")
        yield Facts(id="facts")

    def first_focus(self) -> Widget | None:
        return self.query_one(".upper")

    @property
    def focused_list(self) -> LineTable | None:
        """The list that has the focus."""
        return self.focused if isinstance(self.focused, LineTable) else None

    def put_cursor(self, key: Hashable) -> None:
        """Puts the cursor on a row, in whichever list it is."""
        for table in self.query(LineTable):
            if table.move_to(key):
                table.focus()

    def tell(self) -> None:
        """Says in words what the cursor is on."""
        self.query_one("#facts", Facts).show(self.words())

    @on(LineTable.Highlighted)
    def _cursor_moved(self) -> None:
        self.tell()
        self.refresh_frame()

    def on_descendant_focus(self) -> None:
        super().on_descendant_focus()
        self.tell()
