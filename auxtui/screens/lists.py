"""The long lists: backup jobs on a copy, backup jobs of a subclient, the job history."""

from __future__ import annotations

from auxtui import format as fmt
from auxtui.paging import Pager
from auxtui.present import Cell, Look, Row, Tone, history_row, job_copy_row
from auxtui.widgets.line_table import LineTable
from engine.catalog.live_values import HistoryFilter, LedgerFilter, LedgerOrder, LiveBackupJob
from engine.catalog.rule_values import ScheduleValue
from engine.model.names import shown


def copy_pager(
    table: LineTable,
    copy_id: int,
    look: Look,
    where: LedgerFilter | None = None,
    order: LedgerOrder = LedgerOrder.ID,
) -> Pager:
    """The backup jobs on a copy."""
    return Pager(
        table,
        topic=f"ledger:{copy_id}:{hash(where)}:{order}",
        ids=lambda live: live.job_copy_ids(copy_id, where, order=order),
        rows=lambda live, ids: live.job_copies_by_id(copy_id, ids),
        to_row=lambda line: job_copy_row(line, look),
    )


def subclient_pager(table: LineTable, subclient_id: int, look: Look) -> Pager:
    """The backup jobs of a subclient."""
    return Pager(
        table,
        topic=f"subclient:{subclient_id}",
        ids=lambda live: live.backup_job_ids(subclient_id),
        rows=lambda live, ids: live.backup_jobs_by_id(ids),
        to_row=lambda job: _backup_job_row(job, look),
    )


def history_pager(table: LineTable, where: HistoryFilter, look: Look) -> Pager:
    """The jobs that have ended."""
    return Pager(
        table,
        topic=f"history:{hash(where)}",
        ids=lambda live: live.history_ids(where),
        rows=lambda live, ids: live.jobs_by_id(ids),
        to_row=lambda job: history_row(job, look),
    )


def schedule_pager(table: LineTable, schedule: ScheduleValue, look: Look) -> Pager:
    """The jobs that a schedule has started."""
    where = HistoryFilter(text=f"schedule {schedule.name}")
    return history_pager(table, where, look)


def _backup_job_row(job: LiveBackupJob, look: Look) -> Row:
    return Row(
        job.id,
        (
            Cell(str(job.id)),
            Cell(job.level, Tone.MUTED),
            Cell(fmt.size(job.size_bytes)),
            Cell(look.time(job.completed_at)),
            Cell(f"{job.files:,}"),
            Cell(shown(job.name)),
        ),
    )
