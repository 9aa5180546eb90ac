"""Trend and forecast: every copy, what it still has to copy, when it is caught up, and its plots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.widget import Widget

from auxtui import columns as col
from auxtui import trend
from auxtui.actions import Target
from auxtui.feed import Answer, Fresh, Watch
from auxtui.present import Cell, Tone
from auxtui.screens.tabbed import TabbedScreen
from auxtui.targets import node_target
from auxtui.widgets.chart_view import ChartView
from auxtui.widgets.facts import Facts
from auxtui.widgets.line_table import LineTable
from auxtui.widgets.tab_strip import TabStrip
from engine.catalog.live_values import LiveCopy
from engine.catalog.watch_values import CopySample
from engine.model.states import CopyKind

LIST_LINES = 8  # more scroll, so that the plot has room
LOOK_AGAIN_S = 30.0  # samples come every five minutes


class TrendScreen(TabbedScreen):
    """The copies above, the plot of one below."""

    ABILITIES: ClassVar[frozenset[str]] = frozenset({"menu", "tabs", "period"})
    ABOUT = (
        "Every secondary copy: what it owes, how fast it was, and when it will be caught up at that"
        " rate, its operation windows left out. Below the plot of the copy under the cursor: right"
        " or F6 goes from copied and to copy to the rate and to the forecast, f goes round the periods. The"
        " service measures once a minute and keeps a point every five minutes, after a week one an"
        " hour, for 90 days."
    )
    DEFAULT_CSS = """
    TrendScreen #list { height: 4; }
    TrendScreen #chart { height: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._period = 1
        self._samples: tuple[CopySample, ...] = ()

    def compose_body(self) -> ComposeResult:
        glyphs, zone = self.look.glyphs, self.look.zone
        yield LineTable(
            col.TREND, glyphs=glyphs, empty="there is no active secondary copy", id="list"
        )
        yield TabStrip(trend.VIEWS, id="tabs")
        yield Facts(id="facts")
        empty = "no trend yet: the service keeps a point every five minutes while it runs"
        yield ChartView(glyphs=glyphs, zone=zone, empty=empty, id="chart")

    def first_focus(self) -> Widget | None:
        return self.query_one("#list")

    def crumbs(self) -> Sequence[str]:
        return ("Trend and forecast",)

    @property
    def copy(self) -> LiveCopy | None:
        """The copy under the cursor."""
        targets = self.targets()
        value = targets[0].value if targets else None
        return value if isinstance(value, LiveCopy) else None

    def watches(self) -> Iterable[Watch]:
        copy = self.copy
        if copy is None:
            return ()
        since = self.look.clock() - trend.PERIODS[self._period][1]
        return (
            Watch(
                topic=self._topic(copy),
                query=lambda live: live.trend(copy.id, since),
                least_s=LOOK_AGAIN_S,
            ),
        )

    def _topic(self, copy: LiveCopy) -> str:
        return f"trend:{copy.id}:{self._period}"

    def targets(self) -> tuple[Target, ...]:
        return node_target(self.console.state.estate, self.query_one("#list", LineTable).cursor_key)

    def take(self, message: Fresh | Answer) -> None:
        copy = self.copy
        if copy and isinstance(message, Fresh) and message.topic == self._topic(copy):
            self._samples = message.value
            self._draw()

    def pulse_changed(self) -> None:
        estate = self.console.state.estate
        if estate is None:
            return
        rows = [
            trend.trend_row(copy, self.look)
            for copy in estate.copies()
            if copy.kind != CopyKind.PRIMARY and copy.active
        ]
        table, lines = self.query_one("#list", LineTable), max(1, min(LIST_LINES, len(rows))) + 1
        if table.styles.height is None or table.styles.height.value != lines:
            table.styles.height = lines
        table.show_rows(rows)
        self._draw()

    def next_period(self) -> None:
        """Goes round the periods."""
        self._period = (self._period + 1) % len(trend.PERIODS)
        self.rewatch()
        self._draw()

    @on(TabStrip.Changed)
    def _tab_changed(self) -> None:
        self._draw()

    @on(LineTable.Highlighted)
    def _cursor_moved(self) -> None:
        self._samples = ()
        self.rewatch()
        self._draw()
        self.refresh_frame()

    def _draw(self) -> None:
        copy = self.copy
        if copy is None:
            return
        period = Cell(f"{trend.PERIODS[self._period][0]} (f)", Tone.MUTED)
        self.query_one("#facts", Facts).show(
            [("Period", period), *trend.standing_facts(copy, self.look)]
        )
        view = self.query_one(TabStrip).current
        self.query_one("#chart", ChartView).show(
            trend.copy_chart(copy, self._samples, view, self.look.clock())
        )
