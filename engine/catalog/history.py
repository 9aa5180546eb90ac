"""Forgets what is older than the history that is kept. The ledger is never touched."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, select
from sqlmodel import Session

from engine.catalog import alarms
from engine.catalog.rows import EVENT, JOB, REQUEST, connection_of
from engine.model.states import FINAL_JOB_STATES, JobState, RequestState

AT_ONCE = 500  # jobs, and 10 times as many events: a writer must not be held up


def prune(s: Session, before: datetime) -> int:
    """Forgets some of what ended before a time; returns how much, 0 when all is done.

    The last run of each operation and policy stays, and the last one that completed: they say how
    it stands. What a job copy says of itself (which job copied it, who decided) is in the ledger.

    Args:
        s: a writing session.
        before: aware.
    """
    connection = connection_of(s)
    final = sorted(state.value for state in FINAL_JOB_STATES)
    ended = JOB.c.state.in_(final)
    last = select(func.max(JOB.c.id)).where(ended).group_by(JOB.c.operation, JOB.c.policy)
    last_good = (
        select(func.max(JOB.c.id))
        .where(JOB.c.state == JobState.COMPLETED.value)
        .group_by(JOB.c.operation, JOB.c.policy)
    )
    old_jobs = (
        select(JOB.c.id)
        .where(ended, JOB.c.ended_at < before, JOB.c.id.not_in(last), JOB.c.id.not_in(last_good))
        .limit(AT_ONCE)
    )
    old_events = select(EVENT.c.id).where(EVENT.c.at < before).limit(10 * AT_ONCE)
    old_requests = (
        select(REQUEST.c.id)
        .where(REQUEST.c.state != RequestState.FILED.value, REQUEST.c.answered_at < before)
        .limit(10 * AT_ONCE)
    )
    gone = 0
    for table, old in ((JOB, old_jobs), (EVENT, old_events), (REQUEST, old_requests)):
        gone += connection.execute(delete(table).where(table.c.id.in_(old))).rowcount
    alarms.forget(s, before)
    return gone
