"""The ledger: every backup job on every copy, with its state, the reason and the next step."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Select, bindparam, func, select, update
from sqlmodel import Session

from engine.catalog.backup_jobs import add_backup_job as add_backup_job
from engine.catalog.backup_jobs import backup_job as backup_job
from engine.catalog.backup_jobs import backup_job_names as backup_job_names
from engine.catalog.backup_jobs import backup_jobs as backup_jobs
from engine.catalog.backup_jobs import backup_jobs_of as backup_jobs_of
from engine.catalog.backup_jobs import completions as completions
from engine.catalog.backup_jobs import newest_backup_job as newest_backup_job
from engine.catalog.backup_jobs import newest_cycle as newest_cycle
from engine.catalog.backup_jobs import newest_of as newest_of
from engine.catalog.backup_jobs import set_fingerprint as set_fingerprint
from engine.catalog.lines import ledger_lines as ledger_lines
from engine.catalog.rows import (
    BACKUP_JOB,
    CLIENT,
    JOB_COPY,
    SUBCLIENT,
    connection_of,
    read_all,
    read_one,
    upsert,
)
from engine.catalog.values import JobCopyValue
from engine.catalog.verdicts import apply_verdicts as apply_verdicts
from engine.catalog.verdicts import since_when
from engine.model.clock import system_clock
from engine.model.states import INCOMPLETE, JobCopyState, Verification

_UNFINISHED = (JobCopyState.TO_BE_COPIED.value, JobCopyState.PARTIALLY_COPIED.value)


def set_state(
    s: Session,
    copy_id: int,
    backup_job_id: int,
    state: JobCopyState,
    reason: str = "",
    next_step: str = "",
    *,
    now: datetime | None = None,
    **columns: object,
) -> None:
    """Sets the state of a backup job on a copy, whatever it was; makes the row if there is none.

    What is available and was adopted without something says so on every copy.

    Args:
        s: a writing session.
        copy_id: which copy.
        backup_job_id: which backup job.
        state: the state.
        reason: why it is in that state.
        next_step: what happens next, or what to do.
        now: the present; the host's clock when left out.
        columns: further columns of the row by name.
    """
    present = now or system_clock()
    if state is JobCopyState.AVAILABLE and not reason:
        reason = incompleteness(s, backup_job_id)
    row: dict[str, object] = {
        "copy_id": copy_id,
        "backup_job_id": backup_job_id,
        "state": state,
        "reason": reason,
        "next_step": next_step,
        "state_at": present,
        **columns,
    }
    replaced = [name for name in row if name not in ("copy_id", "backup_job_id", "state_at")]
    new_state: BindParameter[str] = bindparam("new_state", state.value)
    upsert(s, JOB_COPY, [row], replace=replaced, also={"state_at": since_when(new_state, present)})


def mark_available(
    s: Session,
    copy_id: int,
    backup_job_id: int,
    *,
    manifest_digest: bytes,
    chunks: int,
    size_bytes: int,
    by_job: int,
    now: datetime,
    encoding: str = "",
) -> None:
    """Says that a backup job is whole on a copy. Only after it was published there.

    Args:
        s: a writing session.
        copy_id: which copy.
        backup_job_id: which backup job.
        manifest_digest: BLAKE3 of the published manifest.
        chunks: number of its chunks.
        size_bytes: its size in bytes.
        by_job: the job that copied it.
        now: the present.
        encoding: of its files, as `Encoding.text`.
    """
    set_state(
        s,
        copy_id,
        backup_job_id,
        JobCopyState.AVAILABLE,
        now=now,
        chunks_done=chunks,
        bytes_done=size_bytes,
        manifest_digest=manifest_digest,
        copied_at=now,
        copied_by_job=by_job,
        verification=Verification.NEVER,
        verified_at=None,
        tries=0,
        encoding=encoding,
    )


def incompleteness(s: Session, backup_job_id: int) -> str:
    """What a backup job was adopted without, as any of its job copies says; empty: nothing."""
    query = select(JOB_COPY.c.reason).where(
        JOB_COPY.c.backup_job_id == backup_job_id, JOB_COPY.c.reason.startswith(INCOMPLETE)
    )
    return connection_of(s).execute(query.limit(1)).scalar() or ""


def count_incomplete(s: Session, copy_id: int) -> int:
    """How many job copies of a copy are available, but without something that lay there."""
    query = select(func.count()).where(
        JOB_COPY.c.copy_id == copy_id,
        JOB_COPY.c.state == JobCopyState.AVAILABLE.value,
        JOB_COPY.c.reason.startswith(INCOMPLETE),
    )
    return int(connection_of(s).execute(query).scalar_one())


def set_progress(
    s: Session, copy_id: int, backup_job_id: int, chunks_done: int, bytes_done: int
) -> None:
    """Says how far the copying of a backup job is; never touches one that is at its end.

    Args:
        s: a writing session.
        copy_id: which copy.
        backup_job_id: which backup job.
        chunks_done: chunks that are written, synced and hashed.
        bytes_done: their bytes.
    """
    changes: dict[str, object] = {"chunks_done": chunks_done, "bytes_done": bytes_done}
    if chunks_done > 0:
        changes["state"] = JobCopyState.PARTIALLY_COPIED.value
    connection_of(s).execute(
        update(JOB_COPY)
        .where(
            JOB_COPY.c.copy_id == copy_id,
            JOB_COPY.c.backup_job_id == backup_job_id,
            JOB_COPY.c.state.in_(_UNFINISHED),
        )
        .values(changes)
    )


def job_copies(
    s: Session,
    copy_id: int,
    *,
    states: Collection[JobCopyState] = (),
    since: datetime | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> list[JobCopyValue]:
    """The ledger of a copy, newest backup job first.

    Args:
        s: any session.
        copy_id: which copy.
        states: only in one of these states; empty: any.
        since: only backup jobs that were completed since then.
        limit: at most so many; None: all.
        offset: leaves out so many at first.
    """
    query = (
        _job_copies().where(JOB_COPY.c.copy_id == copy_id).order_by(JOB_COPY.c.backup_job_id.desc())
    )
    if states:
        query = query.where(JOB_COPY.c.state.in_(sorted(state.value for state in states)))
    if since is not None:
        query = query.where(BACKUP_JOB.c.completed_at >= since)
    return read_all(s, JobCopyValue, query.limit(limit).offset(offset or None))


def job_copy(s: Session, copy_id: int, backup_job_id: int) -> JobCopyValue | None:
    """One line of the ledger; None when it was never owed."""
    query = _job_copies().where(
        JOB_COPY.c.copy_id == copy_id, JOB_COPY.c.backup_job_id == backup_job_id
    )
    return read_one(s, JobCopyValue, query)


def encodings(s: Session, copy_id: int) -> dict[int, str]:
    """How the job copies of a copy are encoded, by backup job; those that are as they are left out."""
    query = select(JOB_COPY.c.backup_job_id, JOB_COPY.c.encoding).where(
        JOB_COPY.c.copy_id == copy_id, JOB_COPY.c.encoding != ""
    )
    return {row[0]: row[1] for row in connection_of(s).execute(query)}


def copies_of(s: Session, backup_job_id: int) -> list[JobCopyValue]:
    """Every line of the ledger for one backup job, in the order of the copies."""
    query = (
        _job_copies().where(JOB_COPY.c.backup_job_id == backup_job_id).order_by(JOB_COPY.c.copy_id)
    )
    return read_all(s, JobCopyValue, query)


def _job_copies() -> Select[*tuple[Any, ...]]:
    job = [
        column for column in BACKUP_JOB.c if column.name not in ("id", "policy_id", "adopted_at")
    ]
    return (
        select(
            *JOB_COPY.c, *job, CLIENT.c.name.label("client"), SUBCLIENT.c.name.label("subclient")
        )
        .join_from(JOB_COPY, BACKUP_JOB, JOB_COPY.c.backup_job_id == BACKUP_JOB.c.id)
        .join(SUBCLIENT, BACKUP_JOB.c.subclient_id == SUBCLIENT.c.id)
        .join(CLIENT, SUBCLIENT.c.client_id == CLIENT.c.id)
    )


def count_by_state(s: Session, copy_id: int) -> dict[JobCopyState, int]:
    """How many backup jobs are in which state on a copy."""
    query = (
        select(JOB_COPY.c.state, func.count())
        .where(JOB_COPY.c.copy_id == copy_id)
        .group_by(JOB_COPY.c.state)
    )
    return {JobCopyState(state): number for state, number in connection_of(s).execute(query)}


def set_decision(
    s: Session, copy_id: int, backup_job_id: int, decision: str, by: str, now: datetime
) -> None:
    """Records an operator's word on a backup job on a copy, with who and when.

    Args:
        s: a writing session.
        copy_id: which copy.
        backup_job_id: which backup job.
        decision: picked, do_not_copy, recopy or bad; empty: the rules decide again.
        by: who decided.
        now: the present.
    """
    row: dict[str, object] = {
        "copy_id": copy_id,
        "backup_job_id": backup_job_id,
        "state": JobCopyState.TO_BE_COPIED,
        "state_at": now,
        "decision": decision,
        "decided_by": by,
        "decided_at": now,
    }
    upsert(s, JOB_COPY, [row], replace=("decision", "decided_by", "decided_at"))
