"""Alarms and alerts: what is not as it should be, and who is told of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from auxtui import columns as col
from auxtui.action_values import Target
from auxtui.alerts import (
    Told,
    alarm_facts,
    alarm_row,
    alarm_target,
    alert_facts,
    alert_row,
    alert_target,
)
from auxtui.feed import Answer, Fresh, Watch
from auxtui.present import Fact
from auxtui.screens.two_lists import NOTHING, TwoListsScreen
from auxtui.widgets.line_table import LineTable
from engine.catalog.live import LiveCatalog

LAST = 500  # alarms, and messages, the newest


class AlertsScreen(TwoListsScreen):
    """Alarms above, alerts below."""

    ABILITIES: ClassVar[frozenset[str]] = frozenset({"menu", "state"})
    ABOUT = (
        "Above: the alarms that stand; f shows those that have cleared too. An alarm clears by itself"
        " when what it is about is well again, or by x when you have dealt with it. Below: the alerts,"
        " who tells whom of what, how many messages wait and what was delivered last; n makes a new"
        " one, e edits it, t sends a test. Tab goes to the other list."
    )

    NEW_FIRST = "new.alert"

    def __init__(self) -> None:
        super().__init__()
        self._told = Told()
        self._all = False

    def lists(self) -> tuple[LineTable, LineTable]:
        glyphs, nobody = self.look.glyphs, "nobody is told of anything: n makes an alert"
        return (
            LineTable(col.ALARMS, glyphs=glyphs, empty="no alarm stands", id="alarms"),
            LineTable(col.ALERTS, glyphs=glyphs, empty=nobody, id="alerts"),
        )

    def crumbs(self) -> Sequence[str]:
        return ("Alarms and alerts",)

    def abilities(self) -> frozenset[str]:
        on_alarms = self.focused is not None and self.focused.id == "alarms"
        return self.ABILITIES | {"mark"} if on_alarms else self.ABILITIES

    def watches(self) -> Iterable[Watch]:
        standing = not self._all

        def told(live: LiveCatalog) -> Told:
            return Told(
                alarms=live.alarms(standing=standing, limit=LAST),
                alerts=live.alerts(),
                messages=live.alert_messages(limit=LAST),
            )

        return (Watch(topic=f"told:{self._all}", query=told),)

    def targets(self) -> tuple[Target, ...]:
        table = self.focused_list
        if table is None:
            return ()
        keys = table.marked or {table.cursor_key}
        if table.id == "alarms":
            found = [alarm_target(a) for a in self._told.alarms if ("alarm", a.id) in keys]
            if found:
                return tuple(found)
        found = [alert_target(a) for a in self._told.alerts if ("alert", a.id) in keys]
        return tuple(found) or (Target(kind="alerts", id=0, name="alerts"),)

    def take(self, message: Fresh | Answer) -> None:
        if isinstance(message, Fresh) and message.topic == f"told:{self._all}":
            self._told = message.value
            look, told = self.look, self._told
            self.query_one("#alarms", LineTable).show_rows(alarm_row(a, look) for a in told.alarms)
            self.query_one("#alerts", LineTable).show_rows(
                alert_row(a, told, look) for a in told.alerts
            )
            self.tell()

    def mark(self) -> None:
        """Marks the alarm under the cursor."""
        self.query_one("#alarms", LineTable).toggle_mark()
        self.refresh_frame()

    def back(self) -> bool:
        table = self.query_one("#alarms", LineTable)
        if table.marked:
            table.clear_marks()
            return True
        return False

    def next_state(self) -> None:
        """Shows the alarms that have cleared too, or only those that stand."""
        self._all = not self._all
        self.query_one("#alarms", LineTable).empty = "no alarm" if self._all else "no alarm stands"
        self.rewatch()

    def row_chosen(self, table: LineTable) -> None:
        target = self.targets()[0]
        if target.kind == "alert":
            from auxtui.screens.help import TextScreen

            facts = alert_facts(target.value, self._told, self.look)
            self.app.push_screen(TextScreen(target.name, facts))
        else:
            super().row_chosen(table)

    def words(self) -> Sequence[Fact]:
        target = next(iter(self.targets()), None)
        if target is not None and target.kind == "alarm":
            return alarm_facts(target.value, self.look)
        if target is not None and target.kind == "alert":
            return alert_facts(target.value, self._told, self.look)
        return NOTHING
