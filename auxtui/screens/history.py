"""The job history: what has ended, newest first, however many there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import ClassVar

from textual import on

from auxtui import columns as col
from auxtui import format as fmt
from auxtui.actions import Target
from auxtui.feed import Answer, Fresh, Watch
from auxtui.job_facts import line_facts
from auxtui.present import OPERATIONS, Cell, Tone, word
from auxtui.screens.list_screen import ListScreen
from auxtui.screens.lists import history_pager
from auxtui.targets import job_target
from auxtui.widgets.line_table import LineTable
from engine.catalog.live_values import HistoryFilter
from engine.model.states import JobState, Operation

_STATES: tuple[tuple[JobState, ...], ...] = (
    (),
    (JobState.FAILED, JobState.COMPLETED_WITH_ERRORS),
    (JobState.COMPLETED,),
    (JobState.KILLED,),
)
_SINCE: tuple[tuple[str, timedelta | None], ...] = (
    ("at any time", None),
    ("within a day", timedelta(days=1)),
    ("within a week", timedelta(days=7)),
    ("within 30 days", timedelta(days=30)),
)
_OPERATIONS: tuple[Operation | None, ...] = (None, *Operation)


class HistoryScreen(ListScreen):
    """The job history."""

    ABILITIES: ClassVar[frozenset[str]] = frozenset(
        {"menu", "filter", "state", "since", "operations"}
    )
    COLUMNS = col.HISTORY
    EMPTY = "no job has ended yet that matches"
    ABOUT = (
        "Every job that has ended, newest first. f goes round the outcomes, d round the times, v"
        " round the operations, / looks for a text: an id, a policy, a reason, a user, a schedule."
        " Enter shows what the job copied, its plan, attempts, events and errors; a opens the dialog"
        " with its options, A runs it again as it was."
    )

    def __init__(self) -> None:
        super().__init__()
        self._state = 0
        self._since = 0
        self._operation = 0

    def crumbs(self) -> Sequence[str]:
        return ("Job history",)

    def watches(self) -> Iterable[Watch]:
        if self.pager is None:
            span = _SINCE[self._since][1]
            where = HistoryFilter(
                active=False,
                states=_STATES[self._state],
                operation=_OPERATIONS[self._operation] or "",
                since=None if span is None else self.look.clock() - span,
                text=self.text,
            )
            self.pager = history_pager(self.table, where, self.look)
        return self.pager.watches()

    def targets(self) -> tuple[Target, ...]:
        key = self.table.cursor_key
        if self.pager is None or not isinstance(key, int):
            return ()
        return (job_target(key, self.pager.values.get(key)),)

    def take(self, message: Fresh | Answer) -> None:
        super().take(message)
        self._say()

    @on(LineTable.Highlighted)
    def _other_row(self) -> None:
        self._say()

    def filter_changed(self) -> None:
        self._begin()

    def next_state(self) -> None:
        """Goes round the outcomes."""
        self._state = (self._state + 1) % len(_STATES)
        self._begin()

    def next_since(self) -> None:
        """Goes round the times."""
        self._since = (self._since + 1) % len(_SINCE)
        self._begin()

    def next_kind(self) -> None:
        """Goes round the operations."""
        self._operation = (self._operation + 1) % len(_OPERATIONS)
        self._begin()

    def _begin(self) -> None:
        self.pager = None
        self.rewatch()

    def _say(self) -> None:
        states = " or ".join(word(state) for state in _STATES[self._state]) or "every outcome"
        operation = _OPERATIONS[self._operation]
        what = OPERATIONS[operation].lower() if operation else "every operation"
        ids = self.pager.ids if self.pager else None
        number = fmt.count(len(ids), "job") if ids is not None else "reading"
        text = f"{number}; {states} (f), {_SINCE[self._since][0]} (d), {what} (v)"
        key = self.table.cursor_key
        job = self.pager.values.get(key) if self.pager and isinstance(key, int) else None
        shown = [("Shown", Cell(text, Tone.MUTED)), *line_facts(job, self.look, self.size.width)]
        self.facts.show(shown)
