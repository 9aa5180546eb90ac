"""The event log: what happened, in words, with a stable code.

An event that begins or clears an alarm does so in its own transaction: either all of it is so, or
none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlmodel import Session

from engine.catalog import alarms
from engine.catalog.alarms import Cause
from engine.catalog.rows import EVENT, JOB, connection_of, plain, read_all
from engine.catalog.values import EventValue
from engine.model.states import Severity
from engine.policy.alerting import (
    CLEARED_BY,
    OF_ONE_JOB,
    RAISED_BY,
    TOLD_BY,
    AlertKind,
    JobAlert,
    told_of_job,
)


def add_event(
    s: Session,
    *,
    severity: Severity,
    code: str,
    message: str,
    job_id: int | None = None,
    now: datetime,
    about: str | None = None,
    hint: str = "",
    policy: str = "",
    measure: float = 0.0,
) -> None:
    """Adds a line; files what alerts are to tell of it.

    Args:
        s: a writing session.
        severity: how bad it is.
        code: stable, e.g. `job.started`.
        message: a sentence for an administrator; names in it made inert by `shown`.
        job_id: the job that it is about, if any.
        now: the present.
        about: what an alarm of it is about, e.g. the name of a library; None: the job, or what
            the message says.
        hint: what to do now.
        policy: the policy that it belongs to; that of the job when it has one.
        measure: what thresholds of alerts are compared with: failed attempts, seconds.
    """
    columns = {"at": now, "severity": severity, "code": code, "job_id": job_id, "message": message}
    connection_of(s).execute(insert(EVENT).values(plain(columns)))
    if code not in RAISED_BY and code not in CLEARED_BY and code not in TOLD_BY:
        return  # whatever is told of a job is one of these
    of_job, job_policy, options = _of_job(s, job_id)
    cause = Cause(
        about=about if about is not None else of_job or message,
        severity=severity,
        message=message,
        hint=hint,
        job_id=job_id,
        policy=policy or job_policy,
        measure=measure,
    )
    _alarm(s, code, cause, now)
    if options.get("alert"):
        _tell_of_job(s, code, options, cause, now)


def _tell_of_job(
    s: Session, code: str, options: Mapping[str, Any], cause: Cause, now: datetime
) -> None:
    """Tells the alert that the job names, where it wants to know how the job ended."""
    alert = str(options["alert"])
    kind = told_of_job(code, JobAlert(options.get("alert_when", JobAlert.ENDS)))
    if kind and not alarms.tell_of_job(s, alert, kind, cause, now):
        add_event(
            s,
            severity=Severity.WARNING,
            code="alert.gone",
            message=f"nobody is told of the end: there is no alert {alert} any more",
            job_id=cause.job_id,
            now=now,
        )


def _alarm(s: Session, code: str, cause: Cause, now: datetime) -> None:
    """Begins, clears and tells what an event means to the alerts."""

    def of(kind: AlertKind) -> Cause:
        own = kind in OF_ONE_JOB and cause.job_id is not None
        return replace(cause, about=f"job {cause.job_id}") if own else cause

    for kind in CLEARED_BY.get(code, ()):
        alarms.clear_alarm(
            s, kind, of(kind).about, cause.message, now, silently=code == "job.failed"
        )
    if code in RAISED_BY:
        alarms.raise_alarm(s, RAISED_BY[code], of(RAISED_BY[code]), now)
    if code in TOLD_BY:
        alarms.tell(s, TOLD_BY[code], cause, now)


def _of_job(s: Session, job_id: int | None) -> tuple[str, str, Mapping[str, Any]]:
    """What the alarms of a job are about, its policy, its options; a later run of the same clears them."""
    if job_id is None:
        return "", "", {}
    query = select(JOB.c.operation, JOB.c.policy, JOB.c.options).where(JOB.c.id == job_id)
    row = connection_of(s).execute(query).one_or_none()
    if row is None:
        return f"job {job_id}", "", {}
    return f"{row[0]} of {row[1]}" if row[1] else str(row[0]), str(row[1]), row[2]


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
