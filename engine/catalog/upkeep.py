"""What is known of job copies beyond their state: verified, kept by an operator, kept by the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select, update
from sqlmodel import Session

from engine.catalog.ledger import set_state
from engine.catalog.rows import BACKUP_JOB, CLIENT, JOB_COPY, SUBCLIENT, connection_of
from engine.model.errors import NotFoundError
from engine.model.states import JobCopyState, Level, Verification


class Damaged(NamedTuple):
    """The first of the job copies of a copy that are damaged, and how many there are."""

    number: int
    backup_job_id: int
    reason: str
    next_step: str


class Kept(NamedTuple):
    """What keeps a job copy, and until when."""

    retained_by: str
    retain_until: datetime | None


def set_good(s: Session, copy_id: int, backup_job_id: int, now: datetime) -> None:
    """Says that every byte of a job copy was read and is right; one that had failed is good again."""
    set_state(
        s,
        copy_id,
        backup_job_id,
        JobCopyState.AVAILABLE,
        now=now,
        verification=Verification.GOOD,
        verified_at=now,
    )


def set_failed(
    s: Session, copy_id: int, backup_job_id: int, reason: str, next_step: str, now: datetime
) -> None:
    """Says that a job copy is damaged, and what to do.

    Args:
        s: a writing session.
        copy_id: which copy.
        backup_job_id: which backup job.
        reason: what is damaged.
        next_step: what to do.
        now: the present.
    """
    set_state(
        s,
        copy_id,
        backup_job_id,
        JobCopyState.BAD,
        reason,
        next_step,
        now=now,
        verification=Verification.FAILED,
        verified_at=now,
    )


def pin(
    s: Session,
    copy_id: int,
    backup_job_id: int,
    *,
    by: str,
    until: datetime | None,
    now: datetime,
) -> None:
    """Keeps a job copy beyond its retention, or ends that.

    Args:
        s: a writing session.
        copy_id: which copy.
        backup_job_id: which backup job.
        by: who keeps it; empty: nobody does any more.
        until: None: for good.
        now: the present.

    Raises:
        NotFoundError: the ledger has no such job copy.
    """
    done = connection_of(s).execute(
        update(JOB_COPY)
        .where(JOB_COPY.c.copy_id == copy_id, JOB_COPY.c.backup_job_id == backup_job_id)
        .values(pinned_by=by, pinned_until=until, pinned_at=now)
    )
    if done.rowcount == 0:
        raise NotFoundError(
            f"backup job {backup_job_id} is not on this copy",
            hint="see `auxtui copies` for what is",
        )


def set_kept(s: Session, copy_id: int, kept: Mapping[int, Kept]) -> int:
    """Notes what keeps the job copies of a copy; writes only rows that change.

    Returns:
        The number of rows that were written.
    """
    row = JOB_COPY.c
    query = select(row.backup_job_id, row.retained_by, row.retain_until).where(
        row.copy_id == copy_id
    )
    known = {found[0]: Kept(found[1], found[2]) for found in connection_of(s).execute(query)}
    changed = [
        {"id": job_id, "kept_by": kept_now.retained_by, "kept_until": kept_now.retain_until}
        for job_id, kept_now in kept.items()
        if job_id in known and known[job_id] != kept_now
    ]
    if changed:
        statement = (
            update(JOB_COPY)
            .where(row.copy_id == copy_id, row.backup_job_id == bindparam("id"))
            .values(
                retained_by=bindparam("kept_by"),
                retain_until=bindparam("kept_until", type_=row.retain_until.type),
            )
        )
        connection_of(s).execute(statement, changed)
    return len(changed)


def full_sizes(s: Session, policy_id: int) -> dict[str, list[int]]:
    """Bytes of the fulls of each subclient of a policy, in the order of their completion."""
    query = (
        select(CLIENT.c.name, SUBCLIENT.c.name, BACKUP_JOB.c.size_bytes)
        .join_from(BACKUP_JOB, SUBCLIENT, BACKUP_JOB.c.subclient_id == SUBCLIENT.c.id)
        .join(CLIENT, SUBCLIENT.c.client_id == CLIENT.c.id)
        .where(BACKUP_JOB.c.policy_id == policy_id, BACKUP_JOB.c.level == Level.FULL.value)
        .order_by(BACKUP_JOB.c.completed_at, BACKUP_JOB.c.id)
    )
    sizes: dict[str, list[int]] = {}
    for client, subclient, size_bytes in connection_of(s).execute(query):
        sizes.setdefault(f"{client}/{subclient}", []).append(size_bytes)
    return sizes


def highest_backup_job_id(s: Session) -> int:
    """The highest id of a backup job; 0 when there is none."""
    found: Any = connection_of(s).execute(select(func.max(BACKUP_JOB.c.id))).scalar()
    return int(found or 0)


def copy_ids(s: Session, backup_job_id: int, states: Sequence[JobCopyState]) -> list[int]:
    """The copies on which a backup job is in one of these states."""
    query = select(JOB_COPY.c.copy_id).where(
        JOB_COPY.c.backup_job_id == backup_job_id,
        JOB_COPY.c.state.in_([state.value for state in states]),
    )
    return [row[0] for row in connection_of(s).execute(query)]


def damaged(s: Session, copy_id: int) -> Damaged | None:
    """What has failed verification on a copy and is not good again; None: nothing."""
    row = JOB_COPY.c
    failed = (
        row.copy_id == copy_id,
        row.state == JobCopyState.BAD.value,
        row.verification == Verification.FAILED.value,
    )
    number = connection_of(s).execute(select(func.count()).where(*failed)).scalar_one()
    first = select(row.backup_job_id, row.reason, row.next_step).where(*failed)
    found = connection_of(s).execute(first.order_by(row.backup_job_id).limit(1)).first()
    return None if found is None else Damaged(int(number), *found)
