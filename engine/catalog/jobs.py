"""Jobs: runs of operations, with their attempts, errors, streams, items and plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete, func, insert, or_, select, update
from sqlmodel import Session

from engine.catalog.packing import packed, unpacked
from engine.catalog.rows import (
    ATTEMPT,
    ID_SEQUENCE,
    JOB,
    JOB_ERROR,
    JOB_ITEM,
    JOB_PLAN,
    RATE_SAMPLE,
    STREAM,
    connection_of,
    plain,
    plain_value,
    read_all,
    read_one,
    upsert,
)
from engine.catalog.values import (
    AttemptValue,
    JobErrorValue,
    JobItem,
    JobValue,
    JsonObject,
    RateSampleValue,
    StreamValue,
)
from engine.model.clock import system_clock
from engine.model.errors import CatalogCorrupt, NotFoundError
from engine.model.states import ACTIVE_JOB_STATES, JobState, Operation


def next_id(s: Session) -> int:
    """Takes the next id of the one sequence for jobs and backup jobs."""
    taken = connection_of(s).execute(
        update(ID_SEQUENCE)
        .where(ID_SEQUENCE.c.id == 1)
        .values(next_id=ID_SEQUENCE.c.next_id + 1)
        .returning(ID_SEQUENCE.c.next_id)
    )
    following = taken.scalar_one_or_none()
    if following is None:
        raise CatalogCorrupt(
            "the catalog lost its sequence of job ids", hint="run: auxtui catalog check"
        )
    return int(following) - 1


def create_job(
    s: Session,
    *,
    operation: Operation,
    policy_id: int | None,
    policy: str,
    copies: Sequence[str],
    options: JsonObject,
    description: str,
    priority: int,
    initiated_by: str,
    state: JobState,
    reason: str,
    throttle_bps: int | None,
    now: datetime,
) -> int:
    """Makes a job.

    Args:
        s: a writing session.
        operation: what it does.
        policy_id: the policy it is for; None where an operation has none.
        policy: name of that policy.
        copies: names of the copies it is for.
        options: run options as JSON.
        description: an operator's words.
        priority: 0 (first) to 9.
        initiated_by: who asked for it.
        state: its first state.
        reason: why it is in that state.
        throttle_bps: bytes per second; None: no limit.
        now: the present.

    Returns:
        Its id.
    """
    job_id = next_id(s)
    columns = {
        "id": job_id,
        "operation": operation,
        "policy_id": policy_id,
        "policy": policy,
        "copies": list(copies),
        "options": options,
        "description": description,
        "priority": priority,
        "initiated_by": initiated_by,
        "state": state,
        "reason": reason,
        "throttle_bps": throttle_bps,
        "created_at": now,
        "updated_at": now,
    }
    connection_of(s).execute(insert(JOB).values(plain(columns)))
    return job_id


def load_job(s: Session, job_id: int) -> JobValue:
    """One job.

    Raises:
        NotFoundError: there is none with this id.
    """
    found = find_job(s, job_id)
    if found is None:
        raise _no_job(job_id)
    return found


def find_job(s: Session, job_id: int) -> JobValue | None:
    """One job; None when there is none with this id."""
    return read_one(s, JobValue, select(JOB).where(JOB.c.id == job_id))


def update_job(s: Session, job_id: int, *, now: datetime | None = None, **columns: object) -> None:
    """Sets columns of a job, and when it was updated.

    Args:
        s: a writing session.
        job_id: which.
        now: the present; the host's clock when left out.
        columns: new values by column name.

    Raises:
        NotFoundError: there is none with this id.
    """
    changes = plain({"updated_at": now or system_clock(), **columns})
    done = connection_of(s).execute(update(JOB).where(JOB.c.id == job_id).values(changes))
    if done.rowcount == 0:
        raise _no_job(job_id)


def active_jobs(s: Session) -> list[JobValue]:
    """Jobs that are not at their end, oldest first."""
    return read_all(
        s,
        JobValue,
        select(JOB).where(JOB.c.state.in_(_words(ACTIVE_JOB_STATES))).order_by(JOB.c.id),
    )


def jobs(
    s: Session,
    *,
    active: bool | None = None,
    since: datetime | None = None,
    operation: Operation | None = None,
    states: Collection[JobState] = (),
) -> list[JobValue]:
    """Jobs, newest first.

    Args:
        s: any session.
        active: True: those not at their end; False: the history; None: both.
        since: created, or not ended, since then.
        operation: only of this operation.
        states: only in one of these states; empty: any.
    """
    query = select(JOB).order_by(JOB.c.id.desc())
    if active is not None:
        is_active = JOB.c.state.in_(_words(ACTIVE_JOB_STATES))
        query = query.where(is_active if active else ~is_active)
    if since is not None:
        query = query.where(or_(JOB.c.created_at >= since, JOB.c.ended_at >= since))
    if operation is not None:
        query = query.where(JOB.c.operation == operation.value)
    if states:
        query = query.where(JOB.c.state.in_(_words(states)))
    return read_all(s, JobValue, query)


def done_before(s: Session, job: JobValue, *, limit: int) -> list[int]:
    """Bytes that the completed jobs before this one did, of those that the same one asked for, newest first."""
    query = (
        select(JOB.c.bytes_done)
        .where(
            JOB.c.id < job.id,
            JOB.c.operation == job.operation.value,
            JOB.c.policy == job.policy,
            JOB.c.initiated_by == job.initiated_by,
            JOB.c.state == JobState.COMPLETED.value,
        )
        .order_by(JOB.c.id.desc())
        .limit(limit)
    )
    return [int(row[0]) for row in connection_of(s).execute(query)]


def start_attempt(s: Session, job_id: int, now: datetime) -> int:
    """Begins the next attempt of a job; returns its number, from 1."""
    connection = connection_of(s)
    last = connection.execute(select(func.max(ATTEMPT.c.number)).where(ATTEMPT.c.job_id == job_id))
    number = int(last.scalar() or 0) + 1
    update_job(s, job_id, now=now, attempts=number)
    connection.execute(insert(ATTEMPT).values(job_id=job_id, number=number, started_at=now))
    return number


def end_attempt(
    s: Session, job_id: int, number: int, outcome: str, reason: str, bytes_done: int, now: datetime
) -> None:
    """Says how an attempt ended.

    Args:
        s: a writing session.
        job_id: which job.
        number: which attempt, from 1.
        outcome: how it ended, e.g. completed, failed, suspended.
        reason: why.
        bytes_done: what it copied, in bytes.
        now: the present.
    """
    connection_of(s).execute(
        update(ATTEMPT)
        .where(ATTEMPT.c.job_id == job_id, ATTEMPT.c.number == number)
        .values(
            plain({"outcome": outcome, "reason": reason, "bytes_done": bytes_done, "ended_at": now})
        )
    )


def attempts(s: Session, job_id: int) -> list[AttemptValue]:
    """Attempts of a job, first to last."""
    query = select(ATTEMPT).where(ATTEMPT.c.job_id == job_id).order_by(ATTEMPT.c.number)
    return read_all(s, AttemptValue, query)


def forget_errors(s: Session, job_id: int) -> None:
    """Forgets what was recorded of the backup jobs of a job; it is about to be said anew."""
    connection_of(s).execute(
        delete(JOB_ERROR).where(
            JOB_ERROR.c.job_id == job_id, JOB_ERROR.c.backup_job_id.is_not(None)
        )
    )


def add_error(
    s: Session,
    job_id: int,
    *,
    backup_job_id: int | None,
    copy_name: str,
    path: str,
    error: str,
    hint: str,
    now: datetime,
) -> None:
    """Records what went wrong; the column `errors` of the job is the operation's to count.

    Args:
        s: a writing session.
        job_id: which job.
        backup_job_id: the backup job it is about, if any.
        copy_name: the copy it is about, or empty.
        path: the file it is about, already made inert by `shown`, or empty.
        error: what failed and why.
        hint: what to do now.
        now: the present.
    """
    connection_of(s).execute(
        insert(JOB_ERROR).values(
            job_id=job_id,
            at=now,
            backup_job_id=backup_job_id,
            copy_name=copy_name,
            path=path,
            error=error,
            hint=hint,
        )
    )


def errors(s: Session, job_id: int) -> list[JobErrorValue]:
    """What went wrong within a job, in the order in which it was recorded."""
    query = select(JOB_ERROR).where(JOB_ERROR.c.job_id == job_id).order_by(JOB_ERROR.c.id)
    return read_all(s, JobErrorValue, query)


def replace_streams(s: Session, job_id: int, rows: Iterable[StreamValue]) -> None:
    """Says what the streams of a job do now; no rows when it does not run."""
    connection = connection_of(s)
    connection.execute(delete(STREAM).where(STREAM.c.job_id == job_id))
    columns = [plain_value(row) for row in rows]
    if columns:
        connection.execute(insert(STREAM), columns)


def streams(s: Session, job_id: int) -> list[StreamValue]:
    """What the streams of a job do now."""
    query = select(STREAM).where(STREAM.c.job_id == job_id).order_by(STREAM.c.number)
    return read_all(s, StreamValue, query)


def add_rate_sample(s: Session, job_id: int, bytes_done: int, now: datetime) -> None:
    """Adds a point to the rate history of a job.

    Args:
        s: a writing session.
        job_id: which job.
        bytes_done: bytes that it has done in all.
        now: the present.
    """
    connection_of(s).execute(
        insert(RATE_SAMPLE).values(job_id=job_id, at=now, bytes_done=bytes_done)
    )


def rate_samples(s: Session, job_id: int) -> list[RateSampleValue]:
    """The rate history of a job, oldest first."""
    query = select(RATE_SAMPLE).where(RATE_SAMPLE.c.job_id == job_id).order_by(RATE_SAMPLE.c.id)
    return read_all(s, RateSampleValue, query)


def add_items(s: Session, items: Iterable[JobItem]) -> None:
    """Records how backup jobs ended within a run; a later end replaces an earlier one."""
    upsert(s, JOB_ITEM, [plain_value(item) for item in items])


def items(s: Session, job_id: int) -> list[JobItem]:
    """How backup jobs ended within a run, in the order of their ends."""
    query = (
        select(JOB_ITEM)
        .where(JOB_ITEM.c.job_id == job_id)
        .order_by(JOB_ITEM.c.ended_at, JOB_ITEM.c.backup_job_id, JOB_ITEM.c.copy_id)
    )
    return read_all(s, JobItem, query)


def copied_items(s: Session, job_id: int) -> dict[tuple[int, int], int]:
    """What a run has copied: (copy id, backup job id) -> bytes."""
    query = select(JOB_ITEM.c.copy_id, JOB_ITEM.c.backup_job_id, JOB_ITEM.c.size_bytes).where(
        JOB_ITEM.c.job_id == job_id, JOB_ITEM.c.outcome == "copied"
    )
    rows = connection_of(s).execute(query)
    return {(copy_id, backup_job_id): size for copy_id, backup_job_id, size in rows}


def save_plan(s: Session, job_id: int, document: JsonObject) -> None:
    """Keeps the plan of a run, as it was shown, for its record."""
    upsert(s, JOB_PLAN, [{"job_id": job_id, "plan": packed(document)}])


def load_plan(s: Session, job_id: int) -> JsonObject | None:
    """The plan of a run; None when it has none yet.

    Raises:
        CatalogCorrupt: it cannot be read back.
    """
    query = select(JOB_PLAN.c.plan).where(JOB_PLAN.c.job_id == job_id)
    found = connection_of(s).execute(query).scalar_one_or_none()
    return None if found is None else unpacked(found, job_id)


def has_plan(s: Session, job_id: int) -> bool:
    """True when the plan of a run was saved; it is not read, which takes long where it is."""
    query = select(JOB_PLAN.c.job_id).where(JOB_PLAN.c.job_id == job_id)
    return connection_of(s).execute(query).first() is not None


def _words(states: Collection[JobState]) -> list[str]:
    return sorted(state.value for state in states)


def _no_job(job_id: int) -> NotFoundError:
    return NotFoundError(f"there is no job {job_id}", hint="list them with: auxtui jobs")
