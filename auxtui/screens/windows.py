"""The operation windows of a node: why it must not run now, until when, and the week as a grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.widget import Widget

from auxtui import columns as col
from auxtui.actions import Target
from auxtui.feed import Answer, Fresh, Watch
from auxtui.gates import Week, week_of
from auxtui.inert import safe
from auxtui.nodes import keys_by_node, node_words, zone_of_node
from auxtui.present import OPERATIONS, Cell, Fact, Look, Tone
from auxtui.rule_rows import window_row
from auxtui.screens.base import ConsoleScreen
from auxtui.targets import node_target
from auxtui.widgets.facts import Facts
from auxtui.widgets.line_table import LineTable
from auxtui.widgets.week_grid import WeekGrid
from engine.model.states import Operation

_OPERATIONS = (
    Operation.AUXCOPY,
    Operation.VERIFICATION,
    Operation.AGING,
    Operation.BACKUP,
    Operation.RESTORE,
)
LOOK_AGAIN_S = 10.0


def week_facts(week: Week, look: Look) -> list[Fact]:
    """Whether a node is open, why not, until when; the time there and here."""
    found = week.clearance
    what = OPERATIONS[Operation(found.operation)]
    if found.may_run:
        change = f" until {look.time(found.next_change)}" if found.next_change else ""
        facts: list[Fact] = [(what, Cell(f"{look.glyphs.done} may run{change}", Tone.OK))]
        if not found.windows:
            facts.append(("Windows", Cell("none concern it", Tone.MUTED)))
    else:
        until = (
            f"until {look.time(found.until)}" if found.until else "until somebody switches it on"
        )
        facts = [(what, Cell(f"{look.glyphs.suspended} must not run {until}", Tone.WARN))]
        for place, reason in enumerate(found.reasons):
            facts.append((" " if place else "Why", Cell(safe(reason))))
        if found.let_running_jobs_finish:
            facts.append(("Running jobs", Cell("may finish")))
    return [*facts, ("Time", Cell(_times(week, look)))]


def _times(week: Week, look: Look) -> str:
    from engine.policy.zones import wall_of, zone_of

    there = wall_of(week.clearance.at, zone_of(week.zone))
    here = week.clearance.at.astimezone(look.zone)
    text = f"{there:%a %H:%M} in {week.zone}, which the grid shows"
    return text if here.hour == there.hour else f"{text}; {here:%a %H:%M} here"


class WindowsScreen(ConsoleScreen):
    """What rules over a node in time."""

    ABILITIES: ClassVar[frozenset[str]] = frozenset({"menu", "operation"})
    ABOUT = (
        "When operations must not run on this node: the windows of the node and of every level above"
        " it count together, and activity that is switched off. The grid shows seven days from today"
        " in the zone of the node. f goes round the operations. Below: every window that concerns it; e edits one, f4 in its form as a grid; n makes another."
    )
    NEW_FIRST = "new.window"
    DEFAULT_CSS = """
    WindowsScreen #list { height: 1fr; }
    WindowsScreen #facts { max-height: 40%; }
    """

    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node
        self._operation = 0
        self._week: Week | None = None

    def compose_body(self) -> ComposeResult:
        glyphs = self.look.glyphs
        yield Facts(id="facts")
        yield WeekGrid(glyphs=glyphs, id="grid")
        yield LineTable(col.WINDOWS, glyphs=glyphs, empty="no window concerns it", id="list")

    def first_focus(self) -> Widget | None:
        return self.query_one("#list")

    def crumbs(self) -> Sequence[str]:
        return ("Windows", node_words(self._node))

    def watches(self) -> Iterable[Watch]:
        estate = self.console.state.estate
        zone = zone_of_node(self._node, estate) if estate else "UTC"
        node, operation, clock = self._node, _OPERATIONS[self._operation], self.look.clock
        return (
            Watch(
                topic=f"week:{operation}",
                query=lambda live: week_of(live, node, operation, zone=zone, now=clock()),
                every_turn=True,
                least_s=LOOK_AGAIN_S,
            ),
        )

    def targets(self) -> tuple[Target, ...]:
        estate = self.console.state.estate
        key = self.query_one("#list", LineTable).cursor_key
        return node_target(estate, key) or node_target(
            estate, keys_by_node(estate).get(self._node) if estate else None
        )

    def take(self, message: Fresh | Answer) -> None:
        if isinstance(message, Fresh) and message.topic.startswith("week:"):
            self._week = message.value
            self._draw()

    def pulse_changed(self) -> None:
        self._draw()

    def next_operation(self) -> None:
        """Goes round the operations."""
        self._operation = (self._operation + 1) % len(_OPERATIONS)
        self.rewatch()

    def _draw(self) -> None:
        week, state = self._week, self.console.state
        if week is None or state.estate is None:
            return
        self.query_one("#facts", Facts).show(week_facts(week, self.look))
        self.query_one("#grid", WeekGrid).show(week)
        concerned = {window.name for window in week.clearance.windows}
        self.query_one("#list", LineTable).show_rows(
            window_row(window, self.look)
            for window in state.estate.windows
            if window.name in concerned
        )
