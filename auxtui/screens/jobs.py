"""The job controller: every job that has not ended, and those that ended in the last five minutes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from textual import on

from auxtui import columns as col
from auxtui import format as fmt
from auxtui.actions import Target
from auxtui.job_facts import line_facts
from auxtui.present import Cell, Fact, Tone, job_row, word
from auxtui.screens.list_screen import ListScreen
from auxtui.targets import job_targets
from auxtui.widgets.line_table import LineTable
from engine.catalog.running_values import JobValue
from engine.model.states import JobState

_SEVERITY = ("failed", "pending", "completed_with_errors", "interrupted", "suspended", "waiting",
             "queued", "running", "killed", "completed")  # fmt: skip
_ORDERS: tuple[tuple[str, Callable[[JobValue], Any]], ...] = (
    ("as they came", lambda job: (job.state.is_final, job.id)),
    ("worst first", lambda job: (_SEVERITY.index(job.state), job.id)),
    ("by policy", lambda job: (job.policy, job.id)),
    ("fastest first", lambda job: (-job.bytes_per_second, job.id)),
    ("first done first", lambda job: (job.seconds_left is None, job.seconds_left or 0, job.id)),
    ("by priority", lambda job: (job.priority, job.id)),
)
_HELD = tuple(state for state in JobState if not state.is_final and state is not JobState.RUNNING)
_STATES: tuple[tuple[str, tuple[JobState, ...], str], ...] = (
    ("every state", tuple(JobState), ""),
    ("running", (JobState.RUNNING,), "no job is running"),
    ("held", _HELD, "no job is held"),
    (
        "ended",
        tuple(state for state in JobState if state.is_final),
        "no job has ended in the last five minutes",
    ),
)
"""What f goes round: its name, the states, what is said when no job is in them."""


class JobsScreen(ListScreen):
    """The job controller."""

    ABILITIES: ClassVar[frozenset[str]] = frozenset(
        {"menu", "filter", "mark", "mark-all", "sort", "state", "all-jobs"}
    )
    COLUMNS = col.JOBS
    EMPTY = "no job is running; r on a policy (1) runs one, 3 shows what has ended"
    ABOUT = (
        "Every job that has not ended, and those that ended in the last five minutes. Mark several"
        " with space, or all with *, and suspend, resume or kill them together. The comma goes round"
        " the orders, f round the states, / looks for a text. Enter shows one in detail."
    )

    def __init__(self) -> None:
        super().__init__()
        self._jobs: tuple[JobValue, ...] = ()
        self._order = 0
        self._state = 0

    def crumbs(self) -> Sequence[str]:
        return ("Job controller",)

    def targets(self) -> tuple[Target, ...]:
        table = self.table
        return job_targets(self._jobs, table.marked or {table.cursor_key})

    def filter_changed(self) -> None:
        self.pulse_changed()

    def next_order(self) -> None:
        """Goes round the orders."""
        self._order = (self._order + 1) % len(_ORDERS)
        self.pulse_changed()

    def next_state(self) -> None:
        """Goes round the states."""
        self._state = (self._state + 1) % len(_STATES)
        self.pulse_changed()

    def mark(self) -> None:
        super().mark()
        self.pulse_changed()

    def mark_all(self) -> None:
        """Marks every job that is shown, or none."""
        self.table.mark_all()
        self.refresh_frame()
        self.pulse_changed()

    def back(self) -> bool:
        went = super().back()
        self.pulse_changed()
        return went

    @on(LineTable.Highlighted)
    def _other_row(self) -> None:
        pulse = self.console.state.pulse
        if pulse is not None:
            self.facts.show(self._totals((*pulse.active, *pulse.recent)))

    def pulse_changed(self) -> None:
        pulse = self.console.state.pulse
        if pulse is None:
            return
        known = (*pulse.active, *pulse.recent)
        jobs = [job for job in known if self._matches(job)]
        jobs.sort(key=_ORDERS[self._order][1])
        self._jobs = tuple(jobs)
        self.table.say_empty(self._nothing(known))
        self.table.show_rows(job_row(job, self.look) for job in jobs)
        self.facts.show(self._totals(known))

    def _nothing(self, known: Sequence[JobValue]) -> str:
        """Why the list is empty: there are no jobs, or none that is asked for."""
        _, states, none = _STATES[self._state]
        if self.text and any(job.state in states for job in known):
            return "no job here has this text; esc shows them all"
        return f"{none}; f shows others" if none and known else self.EMPTY

    def _totals(self, known: Sequence[JobValue]) -> list[Fact]:
        """How many jobs are in each state, how fast they are together, what is shown, which one the cursor is on."""
        counts = Counter(word(job.state) for job in known)
        totals = ", ".join(f"{number} {state}" for state, number in counts.items()) or "none"
        rate = sum(job.bytes_per_second for job in known if not job.state.is_final)
        shown = f"{_STATES[self._state][0]} (f); {_ORDERS[self._order][0]} (,)"
        if self.table.marked:
            shown += f"; {len(self.table.marked)} marked"
        return [
            ("Jobs", Cell(f"{totals}; {fmt.rate(rate)} together" if rate else totals)),
            ("Shown", Cell(shown, Tone.MUTED)),
            *line_facts(
                next((j for j in known if j.id == self.table.cursor_key), None),
                self.look,
                self.size.width,
            ),
        ]

    def _matches(self, job: JobValue) -> bool:
        text = f"{job.id} {job.policy} {' '.join(job.copies)} {job.state} {job.reason}"
        is_state = job.state in _STATES[self._state][1]
        return is_state and self.text.lower() in f"{text} {job.initiated_by}".lower()
