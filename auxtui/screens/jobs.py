"""The job controller: every job that has not ended, and those that ended in the last five minutes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from auxtui import columns as col
from auxtui.actions import Target
from auxtui.present import Cell, Tone, job_row, word
from auxtui.screens.list_screen import ListScreen
from auxtui.targets import job_targets
from engine.catalog.values import JobValue

_SEVERITY = ("failed", "pending", "completed_with_errors", "interrupted", "suspended", "waiting",
             "queued", "running", "killed", "completed")  # fmt: skip


class JobsScreen(ListScreen):
    """The job controller."""

    ABILITIES: ClassVar[frozenset[str]] = frozenset({"menu", "filter", "mark", "sort"})
    COLUMNS = col.JOBS
    EMPTY = "no job is running; 1 and r on a policy runs an auxiliary copy, 3 shows what has ended"
    ABOUT = (
        "Every job that has not ended, and those that ended in the last five minutes. Mark several"
        " with space and suspend, resume or kill them together. Enter shows one in detail."
    )

    def __init__(self) -> None:
        super().__init__()
        self._jobs: tuple[JobValue, ...] = ()
        self._by_severity = False

    def crumbs(self) -> Sequence[str]:
        return ("Job controller",)

    def targets(self) -> tuple[Target, ...]:
        table = self.table
        return job_targets(self._jobs, table.marked or {table.cursor_key})

    def filter_changed(self) -> None:
        self.pulse_changed()

    def next_order(self) -> None:
        """Sorts by id, or the worst state first."""
        self._by_severity = not self._by_severity
        self.pulse_changed()

    def pulse_changed(self) -> None:
        pulse = self.console.state.pulse
        if pulse is None:
            return
        jobs = [job for job in (*pulse.active, *pulse.recent) if self._matches(job)]
        if self._by_severity:
            jobs.sort(key=lambda job: (_SEVERITY.index(job.state), job.id))
        self._jobs = tuple(jobs)
        self.table.show_rows(job_row(job, self.look) for job in jobs)
        counts = Counter(word(job.state) for job in jobs)
        totals = ", ".join(f"{n} {state}" for state, n in counts.items()) or "none"
        order = "worst first" if self._by_severity else "by id"
        self.facts.show([("Jobs", Cell(f"{totals}; sorted {order}", Tone.MUTED))])

    def _matches(self, job: JobValue) -> bool:
        text = f"{job.id} {job.policy} {' '.join(job.copies)} {job.state} {job.reason}".lower()
        return self.text.lower() in text
