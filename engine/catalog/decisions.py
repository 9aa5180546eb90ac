"""What operators decided for single job copies: who, when, and which of it is still to be done."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlmodel import Session

from engine.catalog.rows import JOB_COPY, connection_of


def decided(s: Session, copy_ids: Sequence[int], decision: str) -> set[tuple[int, int]]:
    """Copy and backup job of every line with a decision."""
    query = select(JOB_COPY.c.copy_id, JOB_COPY.c.backup_job_id).where(
        JOB_COPY.c.copy_id.in_(copy_ids),
        JOB_COPY.c.decision == decision,
        JOB_COPY.c.decision != "",  # of these there is an index
    )
    return {(copy_id, backup_job_id) for copy_id, backup_job_id in connection_of(s).execute(query)}


def is_done(s: Session, copy_id: int, backup_job_id: int, decision: str) -> None:
    """Clears a decision that was carried out; another one stays."""
    connection_of(s).execute(
        update(JOB_COPY)
        .where(
            JOB_COPY.c.copy_id == copy_id,
            JOB_COPY.c.backup_job_id == backup_job_id,
            JOB_COPY.c.decision == decision,
        )
        .values(decision="", decided_by="", decided_at=None)
    )


def set_priority(s: Session, copy_id: int, backup_job_id: int, priority: int) -> None:
    """Sets the place of a backup job in the next run to a copy: 0 (first) to 9 (last)."""
    connection_of(s).execute(
        update(JOB_COPY)
        .where(JOB_COPY.c.copy_id == copy_id, JOB_COPY.c.backup_job_id == backup_job_id)
        .values(priority=priority)
    )
