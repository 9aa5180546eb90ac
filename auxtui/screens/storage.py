"""Storage: the libraries and the MediaAgents that reach them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.widget import Widget

from auxtui import columns as col
from auxtui import tree
from auxtui.actions import Target
from auxtui.contents import contents_of
from auxtui.frame import moment_of
from auxtui.screens.base import ConsoleScreen
from auxtui.targets import node_target
from auxtui.widgets.line_table import LineTable


class StorageScreen(ConsoleScreen):
    """Two lists, one above the other."""

    ABILITIES: ClassVar[frozenset[str]] = frozenset({"menu"})
    ABOUT = (
        "Above: the libraries, whether they can be reached, and their free space as of the last"
        " look. Below: the MediaAgents and what each reaches. Enter shows one in detail; tab goes"
        " to the other list."
    )
    DEFAULT_CSS = """
    StorageScreen #libraries { height: 2fr; }
    StorageScreen #agents { height: 1fr; }
    """

    def compose_body(self) -> ComposeResult:
        glyphs = self.look.glyphs
        yield LineTable(col.LIBRARIES, glyphs=glyphs, id="libraries")
        yield LineTable(col.AGENTS, glyphs=glyphs, id="agents")

    def first_focus(self) -> Widget | None:
        return self.query_one("#libraries")

    def crumbs(self) -> Sequence[str]:
        return ("Storage resources",)

    def targets(self) -> tuple[Target, ...]:
        table = self.focused
        if not isinstance(table, LineTable):
            return ()
        whole = tree.AGENTS if table.id == "agents" else tree.LIBRARIES
        key = table.cursor_key
        return node_target(self.console.state.estate, whole if key is None else key)

    def pulse_changed(self) -> None:
        estate = self.console.state.estate
        if estate is None:
            return
        for name, key in (("libraries", tree.LIBRARIES), ("agents", tree.AGENTS)):
            contents = contents_of(key, estate, self.look, moment_of(self.console.state))
            table = self.query_one(f"#{name}", LineTable)
            table.empty = contents.empty
            table.show_rows(contents.rows)

    @on(LineTable.Highlighted)
    def _cursor_moved(self) -> None:
        self.refresh_frame()
