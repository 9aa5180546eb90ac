"""How copies stand: what is read to measure it, the last measure, and the samples of the trend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import case, delete, func, select
from sqlmodel import Session

from engine.catalog.rows import (
    ATTEMPT,
    BACKUP_JOB,
    COPY_SAMPLE,
    COPY_STANDING,
    JOB,
    JOB_COPY,
    JOB_ITEM,
    connection_of,
    plain_value,
    read_all,
    upsert,
)
from engine.catalog.watch_values import CopySample, CopyStanding
from engine.model.states import FINAL_JOB_STATES, JobCopyState, Operation

SLOT_S = 300  # distance of two samples
KEEP_FINE = timedelta(days=7)  # then one an hour is kept
KEEP = timedelta(days=90)
_OWED = (JobCopyState.TO_BE_COPIED.value, JobCopyState.PARTIALLY_COPIED.value)
_THERE = (JobCopyState.AVAILABLE.value, JobCopyState.BAD.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What a copy owes."""

    jobs: int
    bytes: int
    oldest_at: datetime | None
    """Since when the oldest of them could have been copied, deferral left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOfCopy:
    """What one run brought to one copy."""

    bytes: int
    seconds: float
    """In which the run was at work."""


def owed(s: Session, copy_id: int, source_id: int) -> Owed:
    """What a copy owes now, by the ledger; what is to be copied again among it.

    Args:
        s: any session.
        copy_id: a secondary copy.
        source_id: the copy that it is made from.
    """
    own, source, job = JOB_COPY.alias("own"), JOB_COPY.alias("source"), BACKUP_JOB.c
    there = func.coalesce(source.c.copied_at, job.completed_at)
    again = (own.c.decision == "recopy") & own.c.state.in_(_THERE)
    # What was written long before it was adopted could not be copied before that.
    since = case((again, own.c.decided_at), (job.adopted_at > there, job.adopted_at), else_=there)
    query = (
        select(func.count(), func.coalesce(func.sum(job.size_bytes), 0), func.min(since))
        .select_from(own)
        .join(BACKUP_JOB, job.id == own.c.backup_job_id)
        .outerjoin(source, (source.c.copy_id == source_id) & (source.c.backup_job_id == job.id))
        .where(own.c.copy_id == copy_id, own.c.state.in_(_OWED) | again)
    )
    jobs, size_bytes, oldest = connection_of(s).execute(query).one()
    return Owed(jobs=int(jobs), bytes=int(size_bytes), oldest_at=_aware(oldest))


def held(s: Session, copy_id: int) -> tuple[int, int, int]:
    """Backup jobs and bytes that are available on a copy, and bytes of those there in part."""
    sizes = (
        select(func.count(), func.coalesce(func.sum(BACKUP_JOB.c.size_bytes), 0))
        .select_from(JOB_COPY)
        .join(BACKUP_JOB, BACKUP_JOB.c.id == JOB_COPY.c.backup_job_id)
        .where(JOB_COPY.c.copy_id == copy_id, JOB_COPY.c.state == JobCopyState.AVAILABLE.value)
    )
    jobs, size_bytes = connection_of(s).execute(sizes).one()
    parts = select(func.coalesce(func.sum(JOB_COPY.c.bytes_done), 0)).where(
        JOB_COPY.c.copy_id == copy_id, JOB_COPY.c.state == JobCopyState.PARTIALLY_COPIED.value
    )
    return int(jobs), int(size_bytes), int(connection_of(s).execute(parts).scalar_one())


def runs_since(s: Session, since: datetime, now: datetime) -> dict[int, list[RunOfCopy]]:
    """What each auxiliary copy since then brought to each copy: copy id -> its runs."""
    chosen = select(JOB.c.id).where(JOB.c.operation == Operation.AUXCOPY, JOB.c.created_at >= since)
    seconds: dict[int, float] = {}
    spans = select(ATTEMPT.c.job_id, ATTEMPT.c.started_at, ATTEMPT.c.ended_at).where(
        ATTEMPT.c.job_id.in_(chosen)
    )
    for job_id, begin, end in connection_of(s).execute(spans):
        took_s = ((_aware(end) or now) - (_aware(begin) or now)).total_seconds()
        seconds[job_id] = seconds.get(job_id, 0.0) + max(0.0, took_s)
    moved = (
        select(JOB_ITEM.c.job_id, JOB_ITEM.c.copy_id, func.sum(JOB_ITEM.c.size_bytes))
        .where(JOB_ITEM.c.outcome == "copied", JOB_ITEM.c.job_id.in_(chosen))
        .group_by(JOB_ITEM.c.job_id, JOB_ITEM.c.copy_id)
    )
    by_job: dict[int, dict[int, int]] = {}
    for job_id, copy_id, size_bytes in connection_of(s).execute(moved):
        by_job.setdefault(job_id, {})[copy_id] = int(size_bytes)
    under_way = _under_way(s, since)
    found: dict[int, list[RunOfCopy]] = {}
    for job_id, copies in by_job.items():
        # What a run at work has not settled yet counts as well: it may be a day's work.
        share = max(1.0, under_way.get(job_id, 0) / max(1, sum(copies.values())))
        for copy_id, size_bytes in copies.items():
            run = RunOfCopy(bytes=int(size_bytes * share), seconds=seconds.get(job_id, 0.0))
            found.setdefault(copy_id, []).append(run)
    return found


def _under_way(s: Session, since: datetime) -> dict[int, int]:
    query = select(JOB.c.id, JOB.c.bytes_done).where(
        JOB.c.operation == Operation.AUXCOPY,
        JOB.c.created_at >= since,
        JOB.c.state.not_in(sorted(state.value for state in FINAL_JOB_STATES)),
    )
    return {row[0]: int(row[1]) for row in connection_of(s).execute(query)}


def income_bytes(s: Session, copy_id: int, since: datetime) -> tuple[int, datetime | None]:
    """Bytes of the backup jobs made since then that the copy has or shall have, and the oldest's time."""
    query = (
        select(
            func.coalesce(func.sum(BACKUP_JOB.c.size_bytes), 0), func.min(BACKUP_JOB.c.completed_at)
        )
        .select_from(JOB_COPY)
        .join(BACKUP_JOB, BACKUP_JOB.c.id == JOB_COPY.c.backup_job_id)
        .where(
            JOB_COPY.c.copy_id == copy_id,
            JOB_COPY.c.state.not_in([JobCopyState.DO_NOT_COPY.value, JobCopyState.BAD.value]),
            BACKUP_JOB.c.completed_at >= since,
        )
    )
    size_bytes, first = connection_of(s).execute(query).one()
    return int(size_bytes), _aware(first)


def standings(s: Session) -> dict[int, CopyStanding]:
    """The last measure of each copy, by copy id."""
    found = read_all(s, CopyStanding, select(COPY_STANDING))
    return {value.copy_id: value for value in found}


def set_standings(s: Session, measured: Sequence[CopyStanding]) -> None:
    """Keeps a measure of all copies; those that it does not name are forgotten."""
    ids = [value.copy_id for value in measured]
    connection_of(s).execute(delete(COPY_STANDING).where(COPY_STANDING.c.copy_id.not_in(ids)))
    upsert(s, COPY_STANDING, [plain_value(value) for value in measured])


def last_sample(s: Session, copy_id: int) -> CopySample | None:
    """The newest point of a copy's trend."""
    query = (
        select(COPY_SAMPLE)
        .where(COPY_SAMPLE.c.copy_id == copy_id)
        .order_by(COPY_SAMPLE.c.slot.desc())
        .limit(1)
    )
    found = read_all(s, CopySample, query)
    return found[0] if found else None


def copied_since(s: Session, copy_id: int, since: datetime) -> int:
    """Bytes of the backup jobs that runs have brought to a copy since then."""
    runs = select(JOB.c.id).where((JOB.c.ended_at.is_(None)) | (JOB.c.ended_at >= since))
    query = select(func.coalesce(func.sum(JOB_ITEM.c.size_bytes), 0)).where(
        JOB_ITEM.c.job_id.in_(runs),
        JOB_ITEM.c.copy_id == copy_id,
        JOB_ITEM.c.outcome == "copied",
        JOB_ITEM.c.ended_at > since,
    )
    return int(connection_of(s).execute(query).scalar_one())


def slot_of(moment: datetime) -> int:
    """The number of the stretch of time that a sample stands for."""
    return int(moment.timestamp()) // SLOT_S


def add_sample(s: Session, sample: CopySample) -> None:
    """Keeps a point of the trend; one a slot."""
    upsert(s, COPY_SAMPLE, [{**plain_value(sample), "slot": slot_of(sample.at)}])


def thin_samples(s: Session, now: datetime) -> None:
    """Forgets samples after 90 days; after a week one an hour is kept."""
    slot = COPY_SAMPLE.c.slot
    connection = connection_of(s)
    connection.execute(delete(COPY_SAMPLE).where(slot < slot_of(now - KEEP)))
    connection.execute(
        delete(COPY_SAMPLE).where(slot < slot_of(now - KEEP_FINE), slot % (3_600 // SLOT_S) != 0)
    )


def _aware(value: datetime | str | None) -> datetime | None:
    """An aggregate of times: SQLite gives it as text, or as the column's type says."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value if value is None or value.tzinfo is not None else value.replace(tzinfo=UTC)
