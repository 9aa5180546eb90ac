"""Alarms and what is told of them: filed in the transaction of their cause, kept until delivered."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlmodel import Session

from engine.catalog.rows import ALARM, ALERT, ALERT_MESSAGE, connection_of, read_all, read_one
from engine.catalog.values import AlertValue
from engine.catalog.watch_values import AlarmValue, AlertMessageValue
from engine.model.states import Severity
from engine.policy.alerting import AlertKind, AlertRule, cause_of, cleared_text, rule_from

WAITING, SENT, GIVEN_UP, WITHDRAWN = "waiting", "sent", "given_up", "withdrawn"
RAISED, CLEARED, TOLD = "raised", "cleared", "told"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What an alarm is about."""

    about: str
    """E.g. the name of a library, or `policy/copy`; inert."""
    severity: Severity = Severity.ERROR
    message: str = ""
    hint: str = ""
    job_id: int | None = None
    policy: str = ""
    measure: float = 0.0
    """Failed attempts, or seconds of delay."""


def rules(s: Session) -> list[AlertRule]:
    """The alerts of the configuration."""
    found = read_all(s, AlertValue, select(ALERT).order_by(ALERT.c.name))
    return [rule_from(value.name, value.on_events, value.to, value.options) for value in found]


def standing(s: Session, kind: AlertKind | None = None) -> list[AlarmValue]:
    """Alarms that have not cleared, oldest first."""
    query = select(ALARM).where(ALARM.c.cleared_at.is_(None)).order_by(ALARM.c.id)
    if kind is not None:
        query = query.where(ALARM.c.kind == kind.value)
    return read_all(s, AlarmValue, query)


def find(s: Session, kind: AlertKind, about: str) -> AlarmValue | None:
    """The standing alarm of a kind about something; None: it is not so now."""
    query = select(ALARM).where(
        ALARM.c.cause == cause_of(kind, about), ALARM.c.cleared_at.is_(None)
    )
    return read_one(s, AlarmValue, query)


def raise_alarm(s: Session, kind: AlertKind, cause: Cause, now: datetime) -> bool:
    """Says that something is not as it should be; True when that was not known yet.

    Args:
        s: the writing session of what has happened: the alert is filed with it, or not at all.
        kind: what is wrong.
        cause: about what.
        now: the present.
    """
    before = find(s, kind, cause.about)
    if before is None:
        row = {
            "kind": kind.value,
            "cause": cause_of(kind, cause.about),
            "about": cause.about,
            "severity": cause.severity.value,
            "message": cause.message,
            "hint": cause.hint,
            "job_id": cause.job_id,
            "policy": cause.policy,
            "measure": cause.measure,
            "times": 1,
            "first_at": now,
            "last_at": now,
        }
        connection_of(s).execute(insert(ALARM).values(row))
    else:
        again = {
            "message": cause.message,
            "hint": cause.hint,
            "job_id": cause.job_id,
            "measure": max(before.measure, cause.measure),
            "times": before.times + 1,
            "last_at": now,
        }
        connection_of(s).execute(update(ALARM).where(ALARM.c.id == before.id).values(again))
    alarm = find(s, kind, cause.about)
    if alarm is not None:
        _tell(s, [alarm], now)
    return before is None


def reword(s: Session, alarm_id: int, message: str, hint: str) -> None:
    """Says of an alarm what is so by now; nobody is told anew."""
    connection_of(s).execute(
        update(ALARM).where(ALARM.c.id == alarm_id).values(message=message, hint=hint)
    )


def clear_alarm(
    s: Session,
    kind: AlertKind,
    about: str,
    message: str,
    now: datetime,
    *,
    silently: bool = False,
) -> bool:
    """Says that it is well again; those who were told are told that too. False: no alarm stood.

    Args:
        s: a writing session.
        kind: of the alarm.
        about: what it is about.
        message: how it has cleared.
        now: the present.
        silently: it is over, but not well: nobody is told that it is.
    """
    alarm = find(s, kind, about)
    if alarm is None:
        return False
    connection_of(s).execute(update(ALARM).where(ALARM.c.id == alarm.id).values(cleared_at=now))
    told = set() if silently else _told(s, [alarm.id])
    for rule in rules(s):
        if rule.cleared and (alarm.id, rule.name) in told:
            content = _content(alarm, now, cleared_text(message, alarm.first_at, now))
            _file(s, rule.name, alarm.id, CLEARED, content, now)
    return True


def clear_others(
    s: Session, kind: AlertKind, still: Collection[str], message: str, now: datetime
) -> None:
    """Clears the alarms of a kind but those about the things that are named."""
    for alarm in standing(s, kind):
        if alarm.about not in still:
            clear_alarm(s, kind, alarm.about, message, now)


def tell(s: Session, kind: AlertKind, cause: Cause, now: datetime) -> None:
    """Tells of something that happens and does not stand."""
    for rule in rules(s):
        if rule.wants(kind, measure=cause.measure, policy=cause.policy):
            content = _content_of(kind, cause, now)
            _file(s, rule.name, None, TOLD, content, now)


def tell_of_job(s: Session, alert: str, kind: str, cause: Cause, now: datetime) -> bool:
    """Tells one alert of a job that names it, unless it was told the same just now.

    Returns:
        False when there is no such alert.
    """
    if alert not in {rule.name for rule in rules(s)}:
        return False
    query = select(ALERT_MESSAGE.c.content).where(
        ALERT_MESSAGE.c.alert == alert, ALERT_MESSAGE.c.filed_at == now
    )
    told = {(row[0]["kind"], row[0]["job_id"]) for row in connection_of(s).execute(query)}
    if (kind, cause.job_id) not in told:
        _file(s, alert, None, TOLD, _content_of(kind, cause, now), now)
    return True


def tell_standing(s: Session, now: datetime) -> None:
    """Tells of alarms that stood already when an alert came that wants them."""
    _tell(s, standing(s), now)


def _tell(s: Session, alarms: list[AlarmValue], now: datetime) -> None:
    every = rules(s)
    if not every or not alarms:
        return
    told = _told(s, [alarm.id for alarm in alarms])
    for alarm in alarms:
        for rule in every:
            wanted = rule.wants(alarm.kind, measure=alarm.measure, policy=alarm.policy)
            own = alarm.kind == AlertKind.UNDELIVERED and alarm.about == rule.name
            if wanted and not own and (alarm.id, rule.name) not in told:
                _file(s, rule.name, alarm.id, RAISED, _content(alarm, now, alarm.message), now)


def _told(s: Session, alarm_ids: list[int]) -> set[tuple[int, str]]:
    query = select(ALERT_MESSAGE.c.alarm_id, ALERT_MESSAGE.c.alert).where(
        ALERT_MESSAGE.c.alarm_id.in_(alarm_ids), ALERT_MESSAGE.c.step == RAISED
    )
    return {(row[0], row[1]) for row in connection_of(s).execute(query)}


def _content(alarm: AlarmValue, now: datetime, message: str) -> dict[str, Any]:
    return {
        "kind": alarm.kind,
        "severity": alarm.severity,
        "about": alarm.about,
        "message": message,
        "hint": alarm.hint,
        "job_id": alarm.job_id,
        "policy": alarm.policy,
        "at": now.isoformat(),
    }


def _content_of(kind: str, cause: Cause, now: datetime) -> dict[str, Any]:
    return {
        "kind": str(kind),
        "severity": cause.severity.value,
        "about": cause.about,
        "message": cause.message,
        "hint": cause.hint,
        "job_id": cause.job_id,
        "policy": cause.policy,
        "at": now.isoformat(),
    }


def _file(
    s: Session, alert: str, alarm_id: int | None, step: str, content: dict[str, Any], now: datetime
) -> None:
    row = {
        "alert": alert,
        "alarm_id": alarm_id,
        "step": step,
        "content": content,
        "state": WAITING,
        "filed_at": now,
        "next_try_at": now,
        "tries": 0,
        "error": "",
    }
    connection_of(s).execute(insert(ALERT_MESSAGE).values(row))


def waiting(s: Session, alert: str | None = None) -> list[AlertMessageValue]:
    """Messages that are not delivered yet, oldest first; of one alert, or all."""
    query = select(ALERT_MESSAGE).where(ALERT_MESSAGE.c.state == WAITING)
    if alert is not None:
        query = query.where(ALERT_MESSAGE.c.alert == alert)
    return read_all(s, AlertMessageValue, query.order_by(ALERT_MESSAGE.c.id))


def deliveries_since(s: Session, alert: str, since: datetime) -> list[datetime]:
    """When letters of an alert were delivered; messages that went together count once."""
    query = (
        select(ALERT_MESSAGE.c.sent_at)
        .where(ALERT_MESSAGE.c.alert == alert, ALERT_MESSAGE.c.sent_at >= since)
        .distinct()
    )
    return [row[0] for row in connection_of(s).execute(query)]


def set_sent(s: Session, ids: Collection[int], now: datetime) -> None:
    """Says that messages have been delivered, together."""
    connection_of(s).execute(
        update(ALERT_MESSAGE)
        .where(ALERT_MESSAGE.c.id.in_(ids))
        .values(state=SENT, sent_at=now, error="")
    )


def set_undelivered(
    s: Session,
    messages: Iterable[AlertMessageValue],
    error: str,
    tries_at: dict[int, datetime | None],
) -> None:
    """Says that messages could not be delivered.

    Args:
        s: a writing session.
        messages: which.
        error: why; never with a secret.
        tries_at: when each is tried again, by id; None: never.
    """
    for message in messages:
        again = tries_at[message.id]
        columns: dict[str, Any] = {"tries": message.tries + 1, "error": error}
        columns |= {"state": GIVEN_UP} if again is None else {"next_try_at": again}
        connection_of(s).execute(
            update(ALERT_MESSAGE).where(ALERT_MESSAGE.c.id == message.id).values(columns)
        )


def postpone(s: Session, ids: Collection[int], until: datetime) -> None:
    """Lets messages wait: the hour has no room for another delivery."""
    connection_of(s).execute(
        update(ALERT_MESSAGE).where(ALERT_MESSAGE.c.id.in_(ids)).values(next_try_at=until)
    )


def withdraw_strangers(s: Session) -> None:
    """Messages of alerts that are no longer configured are not delivered."""
    known = select(ALERT.c.name)
    connection_of(s).execute(
        update(ALERT_MESSAGE)
        .where(ALERT_MESSAGE.c.state == WAITING, ALERT_MESSAGE.c.alert.not_in(known))
        .values(state=WITHDRAWN, error="the alert is no longer configured")
    )


def forget(s: Session, before: datetime) -> None:
    """Forgets what was delivered or given up, and alarms that cleared, before a time."""
    connection = connection_of(s)
    connection.execute(
        delete(ALERT_MESSAGE).where(
            ALERT_MESSAGE.c.state != WAITING, ALERT_MESSAGE.c.filed_at < before
        )
    )
    connection.execute(delete(ALARM).where(ALARM.c.cleared_at < before))


def counts(s: Session) -> dict[str, int]:
    """How many alarms stand, by kind."""
    query = (
        select(ALARM.c.kind, func.count())
        .where(ALARM.c.cleared_at.is_(None))
        .group_by(ALARM.c.kind)
    )
    return {row[0]: int(row[1]) for row in connection_of(s).execute(query)}
