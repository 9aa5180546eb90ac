"""Schedules and operation windows: when operations start, and when they must not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.widget import Widget

from auxtui import columns as col
from auxtui import tree
from auxtui.actions import Target
from auxtui.contents import contents_of, find
from auxtui.frame import moment_of
from auxtui.initiation import next_run_facts
from auxtui.present import Cell, Tone
from auxtui.rule_rows import window_facts
from auxtui.screens.base import ConsoleScreen
from auxtui.targets import node_target
from auxtui.widgets.facts import Facts
from auxtui.widgets.line_table import LineTable
from engine.catalog.rule_values import ScheduleValue, WindowValue


class SchedulesScreen(ConsoleScreen):
    """Two lists, one above the other, and what the cursor is on in words."""

    ABILITIES: ClassVar[frozenset[str]] = frozenset({"menu"})
    ABOUT = (
        "Above: the schedules, when each runs next, and whether its run is overdue. Below: the"
        " operation windows and whether they are in force. The lines at the bottom tell the next five"
        " runs, or what the window means. Tab goes to the other list, enter shows one in detail."
    )
    DEFAULT_CSS = """
    SchedulesScreen #schedules { height: 2fr; }
    SchedulesScreen #windows { height: 1fr; }
    SchedulesScreen #facts { height: 7; border-top: hkey $panel; }
    """

    def compose_body(self) -> ComposeResult:
        glyphs = self.look.glyphs
        yield LineTable(col.SCHEDULES, glyphs=glyphs, id="schedules")
        yield LineTable(col.WINDOWS, glyphs=glyphs, id="windows")
        yield Facts(id="facts")

    def first_focus(self) -> Widget | None:
        return self.query_one("#schedules")

    def crumbs(self) -> Sequence[str]:
        return ("Schedules and operation windows",)

    def targets(self) -> tuple[Target, ...]:
        table = self.focused
        key = table.cursor_key if isinstance(table, LineTable) else None
        return node_target(self.console.state.estate, key)

    def pulse_changed(self) -> None:
        estate = self.console.state.estate
        if estate is None:
            return
        moment = moment_of(self.console.state)
        for name, key in (("schedules", tree.SCHEDULES), ("windows", tree.WINDOWS)):
            contents = contents_of(key, estate, self.look, moment)
            table = self.query_one(f"#{name}", LineTable)
            table.empty = contents.empty
            table.show_rows(contents.rows)
        self._tell()

    @on(LineTable.Highlighted)
    def _cursor_moved(self) -> None:
        self._tell()
        self.refresh_frame()

    def on_descendant_focus(self) -> None:
        super().on_descendant_focus()
        self._tell()

    def _tell(self) -> None:
        """Says in words what the cursor is on."""
        estate, table = self.console.state.estate, self.focused
        key = table.cursor_key if isinstance(table, LineTable) else None
        thing = find(estate, key) if estate is not None and isinstance(key, tuple) else None
        facts = [("", Cell("nothing is selected", Tone.MUTED))]
        if isinstance(thing, ScheduleValue):
            facts = next_run_facts(thing, self.look)
            if not thing.enabled:
                facts.append(("Disabled", Cell("it does not run by itself", Tone.WARN)))
        elif isinstance(thing, WindowValue):
            facts = window_facts(thing, self.console.state.gates, self.look)
        self.query_one("#facts", Facts).show(facts)
