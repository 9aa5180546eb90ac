"""What should have come and did not, and jobs that wait too long: silence is an alarm."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from engine.catalog import alarms, config, jobs, ledger
from engine.catalog.alarms import Cause
from engine.catalog.events import add_event
from engine.catalog.values import JobValue, SubclientValue
from engine.model.errors import NotFoundError
from engine.model.states import JobState, Operation, Severity
from engine.operations.sizes import policy_name
from engine.policy.alerting import DEFAULT_DELAY_S, AlertKind
from engine.policy.durations import format_about
from engine.policy.silence import nothing_done, silence_of

RUNS_LOOKED_AT = 6
TIMES_LOOKED_AT = 2_000  # enough for ten nights with 200 backup jobs each
_WAITS = frozenset({JobState.WAITING, JobState.QUEUED, JobState.PENDING, JobState.INTERRUPTED})
_DOES_MUCH = frozenset({Operation.AUXCOPY, Operation.BACKUP})


def note_nothing_done(session: Session, job: JobValue, now: datetime) -> None:
    """Says when a scheduled run that completed did suspiciously little; clears it when it did not.

    Args:
        session: the writing session that ends the job.
        job: as it is at its end.
        now: the present.
    """
    if job.operation not in _DOES_MUCH or not job.initiated_by.startswith("schedule "):
        return
    about = f"{job.operation} of {job.policy} by {job.initiated_by}"
    why = nothing_done(job.bytes_done, jobs.done_before(session, job, limit=RUNS_LOOKED_AT))
    if why:
        add_event(
            session,
            severity=Severity.WARNING,
            code="job.nothing_done",
            message=f"completed, but {why}",
            job_id=job.id,
            about=about,
            hint="look whether new backup jobs have come: auxtui scan",
            now=now,
        )
    elif job.bytes_done:
        message = f"job {job.id} has work to do again"
        alarms.clear_alarm(session, AlertKind.NOTHING_DONE, about, message, now)


def silent_subclients(session: Session, now: datetime) -> list[tuple[SubclientValue, str]]:
    """Every subclient with why it is silent; empty where it is not."""
    return [
        (
            subclient,
            silence_of(
                ledger.completions(session, subclient.id, limit=TIMES_LOOKED_AT),
                now=now.timestamp(),
            ),
        )
        for subclient in config.subclients(session)
    ]


def tell_silence(session: Session, found: list[tuple[SubclientValue, str]], now: datetime) -> None:
    """Begins and clears the alarms of silent subclients."""
    for subclient, why in found:
        about = f"{subclient.client}/{subclient.name}"
        stood = alarms.find(session, AlertKind.NOTHING_DONE, about) is not None
        if bool(why) == stood:
            continue
        message = f"subclient {about}: {why}" if why else f"subclient {about} has a new backup job"
        add_event(
            session,
            severity=Severity.WARNING if why else Severity.INFO,
            code="subclient.silent" if why else "subclient.heard",
            message=message,
            about=about,
            policy=policy_name(session, subclient.policy_id),
            hint="look at what makes its backups" if why else "",
            now=now,
        )


def tell_delays(session: Session, now: datetime) -> None:
    """Jobs that do not run though they should, for longer than any alert allows."""
    least_s = min(
        (rule.delay_s for rule in alarms.rules(session) if AlertKind.DELAYED in rule.kinds),
        default=DEFAULT_DELAY_S,
    )
    for job in jobs.active_jobs(session):
        if job.state not in _WAITS:
            continue
        waited_s = (now - _since(session, job)).total_seconds()
        if waited_s < least_s:
            continue
        about, reason = f"job {job.id}", f": {job.reason}" if job.reason else ""
        message = f"{job.state} for {format_about(waited_s)}{reason}"
        if alarms.find(session, AlertKind.DELAYED, about) is None:
            add_event(
                session,
                severity=Severity.WARNING,
                code="job.delayed",
                message=message,
                job_id=job.id,
                measure=waited_s,
                now=now,
            )
            continue
        cause = Cause(
            about=about,
            severity=Severity.WARNING,
            message=message,
            job_id=job.id,
            policy=job.policy,
            measure=waited_s,
        )
        alarms.raise_alarm(session, AlertKind.DELAYED, cause, now)


def _since(session: Session, job: JobValue) -> datetime:
    ends = [each.ended_at for each in jobs.attempts(session, job.id) if each.ended_at]
    return max([job.created_at, *ends])


def clear_by_operator(session: Session, ids: object, by: str, now: datetime) -> list[int]:
    """Clears standing alarms on an operator's word; what is still wrong comes again.

    Args:
        session: a writing session.
        ids: their ids; None: all.
        by: who says so.
        now: the present.

    Raises:
        NotFoundError: one of them does not stand.
    """
    stand = {alarm.id: alarm for alarm in alarms.standing(session)}
    chosen = list(stand) if not isinstance(ids, list) else [int(each) for each in ids]
    missing = [each for each in chosen if each not in stand]
    if missing:
        raise NotFoundError(
            f"no alarm {missing[0]} stands", hint="list them with: auxtui alert list"
        )
    for each in chosen:
        alarm = stand[each]
        message = f"cleared by {by}"
        alarms.clear_alarm(session, AlertKind(alarm.kind), alarm.about, message, now)
    return chosen
