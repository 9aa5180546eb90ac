"""Schedules and operation windows: when operations start, and when they must not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from auxtui import columns as col
from auxtui import tree
from auxtui.actions import Target
from auxtui.contents import contents_of, find
from auxtui.frame import moment_of
from auxtui.initiation import next_run_facts
from auxtui.present import Cell, Fact, Tone
from auxtui.rule_rows import window_facts
from auxtui.screens.two_lists import NOTHING, TwoListsScreen
from auxtui.targets import node_target
from auxtui.widgets.line_table import LineTable
from engine.catalog.rule_values import ScheduleValue, WindowValue


class SchedulesScreen(TwoListsScreen):
    """Schedules above, windows below."""

    ABILITIES: ClassVar[frozenset[str]] = frozenset({"menu"})
    ABOUT = (
        "Above: the schedules, when each runs next, and whether its run is overdue. Below: the"
        " operation windows and whether they are in force. The lines at the bottom tell the next five"
        " runs, or what the window means. Tab goes to the other list, enter shows one in detail."
    )

    def lists(self) -> tuple[LineTable, LineTable]:
        glyphs = self.look.glyphs
        return (
            LineTable(col.SCHEDULES, glyphs=glyphs, id="schedules"),
            LineTable(col.WINDOWS, glyphs=glyphs, id="windows"),
        )

    def crumbs(self) -> Sequence[str]:
        return ("Schedules and operation windows",)

    def targets(self) -> tuple[Target, ...]:
        table = self.focused_list
        if table is None:
            return ()
        whole = tree.WINDOWS if table.id == "windows" else tree.SCHEDULES
        key = table.cursor_key
        return node_target(self.console.state.estate, whole if key is None else key)

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
        self.tell()

    def words(self) -> Sequence[Fact]:
        estate, table = self.console.state.estate, self.focused_list
        key = table.cursor_key if table else None
        thing = find(estate, key) if estate is not None and isinstance(key, tuple) else None
        if isinstance(thing, WindowValue):
            return window_facts(thing, self.look)
        if not isinstance(thing, ScheduleValue):
            return NOTHING
        facts = next_run_facts(thing, self.look)
        if not thing.enabled:
            facts.append(("Disabled", Cell("it does not run by itself", Tone.WARN)))
        return facts
