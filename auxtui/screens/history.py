"""The job history: what has ended, newest first, however many there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from auxtui import columns as col
from auxtui import format as fmt
from auxtui.actions import Target
from auxtui.feed import Answer, Fresh, Watch
from auxtui.present import Cell, Tone, word
from auxtui.screens.list_screen import ListScreen
from auxtui.screens.lists import history_pager
from auxtui.targets import job_target
from engine.catalog.live_values import HistoryFilter
from engine.model.states import JobState

_STATES: tuple[tuple[JobState, ...], ...] = (
    (),
    (JobState.FAILED, JobState.COMPLETED_WITH_ERRORS),
    (JobState.COMPLETED,),
    (JobState.KILLED,),
)


class HistoryScreen(ListScreen):
    """The job history."""

    ABILITIES: ClassVar[frozenset[str]] = frozenset({"menu", "filter", "state"})
    COLUMNS = col.HISTORY
    EMPTY = "no job has ended yet that matches"
    ABOUT = (
        "Every job that has ended, newest first. f goes round the outcomes, / looks for a text."
        " Enter shows what the job copied, its attempts, events and errors; a runs it again."
    )

    def __init__(self) -> None:
        super().__init__()
        self._state = 0

    def crumbs(self) -> Sequence[str]:
        return ("Job history",)

    def watches(self) -> Iterable[Watch]:
        if self.pager is None:
            where = HistoryFilter(active=False, states=_STATES[self._state], text=self.text)
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

    def filter_changed(self) -> None:
        self._begin()

    def next_state(self) -> None:
        """Goes round the outcomes."""
        self._state = (self._state + 1) % len(_STATES)
        self._begin()

    def _begin(self) -> None:
        self.pager = None
        self.rewatch()

    def _say(self) -> None:
        states = " or ".join(word(state) for state in _STATES[self._state]) or "every outcome"
        number = len(self.pager.ids) if self.pager and self.pager.ids is not None else 0
        text = f"{fmt.count(number, 'job')}; {states} (f)"
        self.facts.show([("Shown", Cell(text, Tone.MUTED))])
