"""Why is this backup job not there: one backup job on every copy of its policy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import on

from auxtui import columns as col
from auxtui import format as fmt
from auxtui.actions import Target
from auxtui.feed import Answer, Fresh, Watch
from auxtui.inert import safe
from auxtui.present import Cell, Fact, Row, Tone, chunks_words, job_copy_state, job_copy_why
from auxtui.screens.list_screen import ListScreen
from auxtui.targets import job_copy_target, node_target
from auxtui.widgets.line_table import LineTable
from engine.catalog.live import LiveCatalog
from engine.catalog.live_values import LiveBackupJob, LiveCopy, LiveJobCopy
from engine.model.names import shown
from engine.model.states import JobCopyState

Found = tuple[LiveBackupJob | None, tuple[LiveJobCopy, ...]]


def _said(row: Row) -> Cell:
    """State and reason of a row in full."""
    why = f": {row.cells[-1].text}" if row.cells[-1].text else ""
    return Cell(f"{row.cells[1].text}{why}", row.cells[1].tone)


def _unheard(copy: LiveCopy) -> str:
    """Why the ledger of a copy says nothing of a backup job."""
    if not copy.active:
        return "the copy is not active: no run looks at it"
    return "no run has looked at it for this copy yet; the next one will"


class BackupJobScreen(ListScreen):
    """One backup job."""

    ABILITIES: ClassVar[frozenset[str]] = frozenset({"menu"})
    COLUMNS = (
        col.Column(title="Copy", width=12, flex=1),
        col.Column(title="State", width=18),
        col.Column(title="Chunks", width=9, right=True, rank=2),
        col.Column(title="Copied", width=16, rank=1),
        col.Column(title="Reason and next step", width=20, wish=28, flex=3),
    )
    EMPTY = "no copy has heard of this backup job yet"
    ABOUT = (
        "One backup job on every copy of its policy: where it is, where it is not, why not, and what"
        " happens next. Enter opens the copy. Pick, repair, restore and the other tasks are for the"
        " backup job on the copy of the row."
    )

    def __init__(self, backup_job_id: int) -> None:
        super().__init__()
        self._backup_job_id = backup_job_id
        self._found: Found | None = None

    def crumbs(self) -> Sequence[str]:
        return (f"backup job {self._backup_job_id}", "on every copy")

    def watches(self) -> Iterable[Watch]:
        return (Watch(topic="where", query=self._read),)

    def targets(self) -> tuple[Target, ...]:
        key = self.table.cursor_key
        for line in self._found[1] if self._found else ():
            if key == ("copy", line.copy_id):
                return (job_copy_target(line.backup_job_id, line),)
        return node_target(self.console.state.estate, key)

    def row_chosen(self, table: LineTable) -> None:
        for target in node_target(self.console.state.estate, table.cursor_key):
            self.console.open_ledger(target)

    def take(self, message: Fresh | Answer) -> None:
        if isinstance(message, Fresh) and message.topic == "where":
            self._found = message.value
            self._draw()

    def pulse_changed(self) -> None:
        self._draw()

    def _read(self, live: LiveCatalog) -> Found:
        return live.backup_jobs_by_id((self._backup_job_id,)).get(
            self._backup_job_id
        ), live.job_copies_of(self._backup_job_id)

    def _draw(self) -> None:
        if self._found is None:
            return
        job, lines = self._found
        if job is None:
            self.facts.show(
                [("Backup job", Cell(f"there is no backup job {self._backup_job_id}", Tone.BAD))]
            )
            self.table.show_rows(())
            return
        known = {line.copy_id for line in lines}
        rows = [self._row(line) for line in lines]
        estate = self.console.state.estate
        if estate is not None:
            rows += [
                Row(
                    ("copy", copy.id),
                    (
                        Cell(safe(copy.name)),
                        Cell(f"{self.look.glyphs.waiting} not considered", Tone.MUTED),
                        Cell("-"),
                        Cell("-"),
                        Cell(_unheard(copy)),
                    ),
                )
                for copy in estate.copies()
                if copy.policy_id == job.policy_id and copy.id not in known
            ]
        self.table.show_rows(rows)
        here = self.table.cursor_row  # a column may be too narrow for a reason; here it never is
        why = [(f"On {here.cells[0].text}", _said(here))] if here else []
        self.facts.show([*self._facts(job, lines), *why])

    @on(LineTable.Highlighted)
    def _other_copy(self) -> None:
        self._draw()

    def _facts(self, job: LiveBackupJob, lines: Sequence[LiveJobCopy]) -> list[Fact]:
        there = sum(line.state == JobCopyState.AVAILABLE for line in lines)
        level = f"{job.level}, {fmt.size(job.size_bytes)}, {fmt.count(job.files, 'file')}"
        return [
            ("Available on", Cell(fmt.count(there, "copy"), Tone.OK if there > 1 else Tone.WARN)),
            ("Name", Cell(shown(job.name) or "-")),
            ("Of", Cell(safe(f"{job.client}/{job.subclient}, policy {job.policy}"))),
            ("Is", Cell(f"{safe(level)}, {fmt.count(job.chunks, 'chunk')}")),
            (
                "Ran",
                Cell(f"{self.look.time(job.started_at)} to {self.look.time(job.completed_at)}"),
            ),
        ]

    def _row(self, line: LiveJobCopy) -> Row:
        return Row(
            ("copy", line.copy_id),
            (
                Cell(safe(line.copy)),
                job_copy_state(line.state, self.look),
                Cell(chunks_words(line), Tone.MUTED),
                Cell(self.look.time(line.copied_at)),
                Cell(job_copy_why(line)),
            ),
        )
