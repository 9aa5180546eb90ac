"""The event log: what happened, in words, with a stable code."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import insert, select
from sqlmodel import Session

from engine.catalog.rows import EVENT, connection_of, plain, read_all
from engine.catalog.values import EventValue
from engine.model.states import Severity


def add_event(
    s: Session,
    *,
    severity: Severity,
    code: str,
    message: str,
    job_id: int | None = None,
    now: datetime,
) -> None:
    """Adds a line.

    Args:
        s: a writing session.
        severity: how bad it is.
        code: stable, e.g. `job.started`.
        message: a sentence for an administrator; names in it made inert by `shown`.
        job_id: the job that it is about, if any.
        now: the present.
    """
    columns = {"at": now, "severity": severity, "code": code, "job_id": job_id, "message": message}
    connection_of(s).execute(insert(EVENT).values(plain(columns)))


def events(
    s: Session,
    *,
    job_id: int | None = None,
    since: datetime | None = None,
    after_id: int | None = None,
    severities: Collection[Severity] = (),
    limit: int | None = None,
) -> list[EventValue]:
    """Lines of the event log, oldest first; with a limit the newest so many.

    Args:
        s: any session.
        job_id: only of this job.
        since: only since then.
        after_id: only those that were added after this one.
        severities: only of these; empty: any.
        limit: at most so many; None: all.
    """
    query = select(EVENT).order_by(EVENT.c.id.desc()).limit(limit)
    if job_id is not None:
        query = query.where(EVENT.c.job_id == job_id)
    if since is not None:
        query = query.where(EVENT.c.at >= since)
    if after_id is not None:
        query = query.where(EVENT.c.id > after_id)
    if severities:
        query = query.where(EVENT.c.severity.in_(sorted(item.value for item in severities)))
    return read_all(s, EventValue, query)[::-1]
