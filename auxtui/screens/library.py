"""A library in detail: state, space over time, when it is full, who reaches it, and what lies on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.widget import Widget

from auxtui import columns as col
from auxtui import format as fmt
from auxtui import trend
from auxtui.actions import Target
from auxtui.contents_of_libraries import library_facts
from auxtui.feed import Answer, Fresh, Watch
from auxtui.inert import safe
from auxtui.plots import Chart
from auxtui.present import Cell, Row, Tone, copy_state
from auxtui.screens.base import ConsoleScreen
from auxtui.targets import node_target
from auxtui.widgets.chart_view import ChartView
from auxtui.widgets.facts import Facts
from auxtui.widgets.line_table import LineTable
from engine.catalog.live import LiveCatalog
from engine.catalog.live_values import LiveLibrary
from engine.catalog.watch_values import CopySample

LOOK_AGAIN_S = 30.0
COLUMNS = (
    col.Column(title="Policy / copy", width=20, flex=1),
    col.Column(title="Backup jobs", width=12, right=True),
    col.Column(title="Bytes", width=10, right=True),
    col.Column(title="State", width=16, flex=2, rank=1),
)


class LibraryScreen(ConsoleScreen):
    """One library."""

    ABILITIES: ClassVar[frozenset[str]] = frozenset({"menu", "period"})
    ABOUT = (
        "What is known of this library since its last probe, and what each copy has on it. A library"
        " without its marker is offline: an unmounted disk is never filled by mistake. The plot"
        " reckons its free space back from now by what its copies held; when it is full is said for"
        " the case that they grow on as they did in the period (f)."
    )
    DEFAULT_CSS = """
    LibraryScreen #list { height: 1fr; }
    LibraryScreen #chart { height: 1fr; }
    """

    def __init__(self, library_id: int) -> None:
        super().__init__()
        self._library_id = library_id
        self._period = 1
        self._trends: tuple[tuple[CopySample, ...], ...] = ()
        self._use: tuple[tuple[int, str, str, int, int], ...] = ()

    def compose_body(self) -> ComposeResult:
        look = self.look
        yield Facts(id="facts")
        yield LineTable(COLUMNS, glyphs=look.glyphs, empty="no copy uses this library", id="list")
        empty = "no history yet: the service keeps a point every five minutes while it runs"
        yield ChartView(glyphs=look.glyphs, zone=look.zone, empty=empty, id="chart")

    def first_focus(self) -> Widget | None:
        return self.query_one("#list")

    @property
    def library(self) -> LiveLibrary | None:
        """The library; None when it is gone."""
        estate = self.console.state.estate
        found = (one for one in estate.libraries if one.id == self._library_id) if estate else ()
        return next(iter(found), None)

    def crumbs(self) -> Sequence[str]:
        library = self.library
        return ("Libraries", safe(library.name) if library else "")

    def watches(self) -> Iterable[Watch]:
        library_id = self._library_id
        since = self.look.clock() - trend.PERIODS[self._period][1]

        def trends(live: LiveCatalog) -> tuple[tuple[CopySample, ...], ...]:
            copies = [use[0] for use in live.library_use(library_id)]
            return tuple(live.trend(copy_id, since) for copy_id in copies)

        return (
            Watch(topic="use", query=lambda live: live.library_use(library_id)),
            Watch(topic=f"trends:{self._period}", query=trends, least_s=LOOK_AGAIN_S),
        )

    def targets(self) -> tuple[Target, ...]:
        key = self.query_one("#list", LineTable).cursor_key
        return node_target(self.console.state.estate, key)

    def pulse_changed(self) -> None:
        self._draw()

    def take(self, message: Fresh | Answer) -> None:
        if not isinstance(message, Fresh):
            return
        if message.topic == "use":
            self._use = message.value
        elif message.topic == f"trends:{self._period}":
            self._trends = message.value
        self._draw()

    def next_period(self) -> None:
        """Goes round the periods."""
        self._period = (self._period + 1) % len(trend.PERIODS)
        self.rewatch()

    def _draw(self) -> None:
        library, look = self.library, self.look
        facts = self.query_one("#facts", Facts)
        if library is None:
            facts.show([("Library", Cell("it is not there any more", Tone.BAD))])
            return
        period = trend.PERIODS[self._period][0]
        growth = trend.growth_bps(self._trends)
        facts.show(
            [
                *library_facts(library, look),
                ("Full", trend.full_text(library.free_bytes, growth, look)),
            ]
        )
        estate = self.console.state.estate
        copies = {copy.id: copy for copy in estate.copies()} if estate else {}
        self.query_one("#list", LineTable).show_rows(
            Row(
                ("copy", copy_id),
                (
                    Cell(safe(f"{policy} / {copy}")),
                    Cell(f"{number:,}"),
                    Cell(fmt.size(size_bytes)),
                    copy_state(copies[copy_id], look) if copy_id in copies else Cell("-"),
                ),
            )
            for copy_id, policy, copy, number, size_bytes in self._use
        )
        if library.free_bytes is None:  # an object store, or nobody has looked yet
            series, what = trend.held_series(self._trends), "What copies hold there"
        else:
            series, what = trend.free_series(self._trends, library.free_bytes), "Free space"
        chart = Chart(title=f"{what} over {period} (f)", series=(series,))
        self.query_one("#chart", ChartView).show(chart)
