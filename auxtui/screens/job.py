"""One job in detail, live: general, progress, streams, attempts, events, errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.widget import Widget

from auxtui import columns as col
from auxtui.actions import Target
from auxtui.feed import Answer, Fresh, Watch
from auxtui.inert import safe
from auxtui.job_facts import (
    attempt_row,
    error_row,
    general_facts,
    item_row,
    media_rows,
    progress_facts,
    rate_chart,
    stream_row,
    streams_facts,
)
from auxtui.present import Cell, Tone, event_row
from auxtui.run_plan import plan_facts, plan_rows
from auxtui.screens.events import event_target
from auxtui.screens.tabbed import TabbedScreen
from auxtui.targets import job_target
from auxtui.widgets.chart_view import ChartView
from auxtui.widgets.facts import Facts
from auxtui.widgets.line_table import LineTable
from auxtui.widgets.tab_strip import TabStrip
from engine.catalog.live import LiveCatalog
from engine.catalog.live_values import LiveItem
from engine.catalog.running_values import EventValue, JobValue, StreamValue
from engine.catalog.values import AttemptValue, JobErrorValue, RateSampleValue

TABS = ("General", "Progress", "Streams", "Media", "Plan", "Attempts", "Events", "Errors")
PLAN_ASKED = "plan"
_COLUMNS = {
    "General": col.ITEMS,
    "Progress": col.ITEMS,
    "Streams": col.STREAMS,
    "Media": col.MEDIA,
    "Plan": col.PLAN,
    "Attempts": col.ATTEMPTS,
    "Events": col.EVENTS,
    "Errors": col.ERRORS,
}
_EMPTY = {
    "General": "no backup job has ended in this run yet",
    "Progress": "no backup job has ended in this run yet",
    "Streams": "no stream is at work: the job is not running",
    "Media": "the copies of this job are not there any more",
    "Plan": "no plan: an auxiliary copy has one from its first attempt on",
    "Attempts": "no attempt has started yet",
    "Events": "nothing has happened yet",
    "Errors": "no errors",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Details:
    """All that is shown of a job."""

    job: JobValue | None
    streams: tuple[StreamValue, ...]
    attempts: tuple[AttemptValue, ...]
    events: tuple[EventValue, ...]
    errors: tuple[JobErrorValue, ...]
    samples: tuple[RateSampleValue, ...]
    items: tuple[LiveItem, ...]


class JobScreen(TabbedScreen):
    """One job."""

    ABILITIES: ClassVar[frozenset[str]] = frozenset({"menu", "tabs"})
    ABOUT = (
        "One job, as it is now. Right and left, or F6, go along the tabs: Progress has the rate and when"
        " it will be done, Streams what each stream reads and what limits their number, Media where it writes,"
        " Plan what it was to take and what not, and why, Errors what failed and what to do about it."
        " Enter on an event or error shows the whole text."
    )
    DEFAULT_CSS = """
    JobScreen #facts { max-height: 80%; overflow-y: auto; }
    JobScreen #chart { height: 2fr; max-height: 16; display: none; }
    JobScreen.-plotted #chart { display: block; }
    JobScreen #list { height: 1fr; min-height: 3; }
    """

    def __init__(self, job_id: int) -> None:
        super().__init__()
        self._job_id = job_id
        self._details: _Details | None = None
        self._drawn_tab = ""
        self._plan: Mapping[str, Any] | None = None

    def compose_body(self) -> ComposeResult:
        yield TabStrip(TABS, id="tabs")
        yield Facts(id="facts")
        yield ChartView(glyphs=self.look.glyphs, zone=self.look.zone, empty="", id="chart")
        yield LineTable(col.ITEMS, glyphs=self.look.glyphs, empty="reading", id="list")

    def first_focus(self) -> Widget | None:
        return self.query_one("#list")

    def crumbs(self) -> Sequence[str]:
        return ("Jobs", f"job {self._job_id}")

    def watches(self) -> Iterable[Watch]:
        return (Watch(topic="job", query=self._read),)

    def targets(self) -> tuple[Target, ...]:
        job = self._details.job if self._details else None
        return (job_target(self._job_id, job),)

    def take(self, message: Fresh | Answer) -> None:
        if isinstance(message, Fresh) and message.topic == "job":
            self._details = message.value
            self._draw()
        elif isinstance(message, Answer) and message.token == PLAN_ASKED:
            self._plan = message.value
            self._draw()

    @on(TabStrip.Changed)
    def _tab_changed(self) -> None:
        if self._plan is None and self.query_one(TabStrip).current == "Plan":
            number = self._job_id
            self.console.feed.ask(self, PLAN_ASKED, lambda live: live.plan(number) or {})
        self._draw()

    def row_chosen(self, table: LineTable) -> None:
        key, details, tab = table.cursor_key, self._details, self.query_one(TabStrip).current
        if details is None:
            return
        if tab == "Events":
            for event in details.events:
                if event.id == key:
                    self.console.open_target(event_target(event, self.look))
        elif tab == "Errors":
            for error in details.errors:
                if error.id == key:
                    self.console.open_target(self._error_target(error))
        elif tab == "Streams":
            for stream in details.streams:
                if stream.number == key and stream.backup_job_id:
                    self.console.open_backup_job(stream.backup_job_id)
        elif tab == "Media" and isinstance(key, int):
            self.console.open_target(Target(kind="copy", id=key, name="copy"))
        elif tab in ("General", "Progress", "Plan") and isinstance(key, tuple):
            self.console.open_backup_job(key[0])

    def _read(self, live: LiveCatalog) -> _Details:
        number = self._job_id
        found = live.jobs_by_id((number,))
        return _Details(
            job=found.get(number),
            streams=live.streams(number),
            attempts=live.attempts(number),
            events=live.events(job_id=number),
            errors=live.errors(number),
            samples=live.rate_samples(number),
            items=live.items(number, limit=200),
        )

    def _draw(self) -> None:
        details = self._details
        strip, facts = self.query_one(TabStrip), self.query_one("#facts", Facts)
        table, tab = self.query_one("#list", LineTable), strip.current
        if details is None:
            return
        if tab != self._drawn_tab:
            self._drawn_tab = tab
            table.set_columns(_COLUMNS[tab], empty=_EMPTY[tab])
        if details.job is None:
            facts.show([("Job", Cell(f"there is no job {self._job_id}", Tone.BAD))])
            return
        strip.set_badges({"Errors": str(len(details.errors))} if details.errors else {})
        self._draw_facts(tab, details, facts)
        look = self.look
        if tab in ("General", "Progress"):
            table.show_rows(item_row(item, look) for item in details.items)
        elif tab == "Streams":
            table.show_rows(stream_row(stream, look) for stream in details.streams)
        elif tab == "Media":
            table.show_rows(media_rows(details.job, self.console.state.estate, look))
        elif tab == "Plan":
            table.show_rows(plan_rows(self._plan or {}, look))
        elif tab == "Attempts":
            table.show_rows(attempt_row(attempt, look) for attempt in details.attempts)
        elif tab == "Events":
            table.show_rows(event_row(event, look) for event in details.events)
        else:
            table.show_rows(error_row(error, look) for error in details.errors)

    def _draw_facts(self, tab: str, details: _Details, facts: Facts) -> None:
        job = details.job
        if job is None:
            return
        self.set_class(tab == "Progress" and len(details.samples) > 2, "-plotted")
        if tab == "General":
            facts.show(general_facts(job, self.look))
        elif tab == "Progress":
            width = max(10, self.size.width - 30)
            facts.show(progress_facts(job, details.samples, self.look, width=width))
            self.query_one("#chart", ChartView).show(rate_chart(details.samples))
        elif tab == "Plan":
            facts.show(plan_facts(self._plan) if self._plan else [])
        else:
            facts.show(streams_facts(job) if tab == "Streams" else [])

    def _error_target(self, error: JobErrorValue) -> Target:
        text = [
            ("When", Cell(self.look.time(error.at))),
            ("Backup job", Cell(str(error.backup_job_id or "-"))),
            ("Copy", Cell(safe(error.copy_name) or "-")),
            ("Path", Cell(safe(error.path) or "-")),
            ("Error", Cell(safe(error.error), Tone.BAD)),
            ("What to do", Cell(safe(error.hint) or "-")),
        ]
        return Target(kind="error", id=error.id, name=f"error {error.id}", value=text)
