"""Of what is told, and to whom: kinds of alarms, the events that begin and end them, the rules.

An alarm stands from the event that begins it until one that clears it, and is told once for each
alert that wants it. What only happens and does not stand, such as a success, is told each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from engine.model.names import shown
from engine.policy.durations import format_about
from engine.policy.zones import told

DEFAULT_ATTEMPTS = 3
DEFAULT_DELAY_S = 4 * 3_600
DEFAULT_PER_HOUR = 20
ALL = "all"
"""In a site file: every kind but `succeeded`."""


class AlertKind(StrEnum):
    """Of what an alert tells; the words of the site file."""

    FAILED = "failed"
    COMPLETED_WITH_ERRORS = "completed-with-errors"
    SUCCEEDED = "succeeded"
    FAILED_ATTEMPTS = "failed-attempts"
    DELAYED = "delayed"
    FALLEN_BEHIND = "fallen-behind"
    MISSED = "missed"
    NOTHING_DONE = "nothing-done"
    SOURCE_OFFLINE = "source-offline"
    SOURCE_SHRUNK = "source-shrunk"
    SOURCE_LOST = "source-lost"
    LIBRARY_OFFLINE = "library-offline"
    HOST_KEY_CHANGED = "host-key-changed"
    SPACE_LOW = "space-low"
    DAMAGED = "damaged"
    FUSE = "fuse"
    SERVICE_DIED = "service-died"
    UNDELIVERED = "undelivered"


ALERT_EVENTS = (*(kind.value for kind in AlertKind), ALL)

RAISED_BY: Mapping[str, AlertKind] = {
    "job.failed": AlertKind.FAILED,
    "job.expired": AlertKind.FAILED,
    "job.completed_with_errors": AlertKind.COMPLETED_WITH_ERRORS,
    "job.pending": AlertKind.FAILED_ATTEMPTS,
    "job.delayed": AlertKind.DELAYED,
    "job.nothing_done": AlertKind.NOTHING_DONE,
    "copy.behind": AlertKind.FALLEN_BEHIND,
    "schedule.missed": AlertKind.MISSED,
    "schedule.refused": AlertKind.MISSED,
    "subclient.silent": AlertKind.NOTHING_DONE,
    "landing.offline": AlertKind.SOURCE_OFFLINE,
    "landing.shrunk": AlertKind.SOURCE_SHRUNK,
    "backup.vanished": AlertKind.SOURCE_OFFLINE,
    "backup.shrunk": AlertKind.SOURCE_SHRUNK,
    "library.offline": AlertKind.LIBRARY_OFFLINE,
    "path.offline": AlertKind.LIBRARY_OFFLINE,
    "library.host_key_changed": AlertKind.HOST_KEY_CHANGED,
    "library.space_low": AlertKind.SPACE_LOW,
    "verification.failed": AlertKind.DAMAGED,
    "aging.fuse": AlertKind.FUSE,
    "alert.undelivered": AlertKind.UNDELIVERED,
}
"""Events that begin an alarm."""

CLEARED_BY: Mapping[str, tuple[AlertKind, ...]] = {
    "job.completed": (
        AlertKind.FAILED,
        AlertKind.COMPLETED_WITH_ERRORS,
        AlertKind.FAILED_ATTEMPTS,
        AlertKind.DELAYED,
    ),
    "job.completed_with_errors": (
        AlertKind.FAILED,
        AlertKind.FAILED_ATTEMPTS,
        AlertKind.DELAYED,
    ),
    "job.failed": (AlertKind.FAILED_ATTEMPTS, AlertKind.DELAYED),
    "job.killed": (AlertKind.FAILED_ATTEMPTS, AlertKind.DELAYED),
    "job.suspended": (AlertKind.DELAYED,),
    "job.attempt": (AlertKind.DELAYED,),
    "copy.caught_up": (AlertKind.FALLEN_BEHIND,),
    "subclient.heard": (AlertKind.NOTHING_DONE,),
    "landing.online": (AlertKind.SOURCE_OFFLINE,),
    "landing.grown": (AlertKind.SOURCE_SHRUNK,),
    "backup.believed": (AlertKind.SOURCE_OFFLINE, AlertKind.SOURCE_SHRUNK),
    "library.online": (AlertKind.LIBRARY_OFFLINE, AlertKind.HOST_KEY_CHANGED),
    "path.online": (AlertKind.LIBRARY_OFFLINE,),
    "library.space": (AlertKind.SPACE_LOW,),
    "alert.delivered": (AlertKind.UNDELIVERED,),
}
"""Events that end alarms of the same thing."""

TOLD_BY: Mapping[str, AlertKind] = {
    "job.completed": AlertKind.SUCCEEDED,
    "landing.bad": AlertKind.SOURCE_LOST,
    "service.died": AlertKind.SERVICE_DIED,
}
"""Events that are told each time, and do not stand."""

OF_ONE_JOB = frozenset({AlertKind.FAILED_ATTEMPTS, AlertKind.DELAYED})
"""Alarms of a job; those of other job events are of its operation and policy."""


class JobAlert(StrEnum):
    """When the alert that a job names tells of this job, whatever it tells of besides."""

    ENDS = "ends"
    """However it ends."""
    ERRORS = "errors"
    """It fails, is killed, or completes with errors."""
    FAILS = "fails"
    """It fails, or is killed because its total running time is over."""


KILLED = "killed"
"""What is told of a job that was killed, besides the kinds of alarms."""
_WELL = {JobAlert.ENDS}
_NOT_WELL = {JobAlert.ENDS, JobAlert.ERRORS}
_TOLD_OF_JOB: Mapping[str, tuple[str, set[JobAlert]]] = {
    "job.completed": (AlertKind.SUCCEEDED, _WELL),
    "job.completed_with_errors": (AlertKind.COMPLETED_WITH_ERRORS, _NOT_WELL),
    "job.failed": (AlertKind.FAILED, {*JobAlert}),
    "job.expired": (AlertKind.FAILED, {JobAlert.FAILS}),  # that it was killed is told to the others
    "job.killed": (KILLED, _NOT_WELL),
}


def told_of_job(code: str, when: JobAlert) -> str:
    """What the alert that a job names is told of an event of this job; empty: nothing."""
    kind, wanted = _TOLD_OF_JOB.get(code, ("", frozenset()))
    return str(kind) if when in wanted else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """An alert of the site file: of what it tells, whom, and how often."""

    name: str
    kinds: frozenset[str]
    to: str
    attempts: int = DEFAULT_ATTEMPTS
    """Failed attempts of a job, from which on it tells of them."""
    delay_s: int = DEFAULT_DELAY_S
    """Seconds that a job has not run though it should, from which on it tells of it."""
    policies: frozenset[str] = frozenset()
    """Only what belongs to one of these; empty: everything."""
    cleared: bool = True
    """Tells also when an alarm that it told has cleared."""
    per_hour: int = DEFAULT_PER_HOUR
    """At most so many deliveries; what is beyond comes together in the next one."""

    def wants(self, kind: str, *, measure: float = 0.0, policy: str = "") -> bool:
        """Whether it tells of an alarm.

        Args:
            kind: of the alarm.
            measure: failed attempts, or seconds of delay.
            policy: that it belongs to; empty: to none.
        """
        if kind not in self.kinds:
            return False
        if self.policies and policy not in self.policies:
            return False
        least = {AlertKind.FAILED_ATTEMPTS: self.attempts, AlertKind.DELAYED: self.delay_s}
        return measure >= least.get(AlertKind(kind), 0)


def rule_from(
    name: str, on_events: Sequence[str], to: str, options: Mapping[str, Any]
) -> AlertRule:
    """An alert as the catalog keeps it.

    Args:
        name: its name.
        on_events: words of `ALERT_EVENTS`.
        to: where it goes.
        options: the other keys of its table that are not as usual.
    """
    kinds = set(on_events)
    if ALL in kinds:
        kinds = kinds - {ALL} | {kind.value for kind in AlertKind} - {AlertKind.SUCCEEDED.value}
    if "succeeded" in on_events:
        kinds.add(AlertKind.SUCCEEDED.value)
    return AlertRule(
        name=name,
        kinds=frozenset(kinds),
        to=to,
        attempts=int(options.get("attempts", DEFAULT_ATTEMPTS)),
        delay_s=int(options.get("delay_s", DEFAULT_DELAY_S)),
        policies=frozenset(options.get("policies", ())),
        cleared=bool(options.get("cleared", True)),
        per_hour=int(options.get("per_hour", DEFAULT_PER_HOUR)),
    )


def cause_of(kind: AlertKind, about: str) -> str:
    """What makes two alarms the same one."""
    return f"{kind.value} {about}"


BACK_OFF_S = (30, 120, 600, 1_800, 3_600)
GIVE_UP_AFTER = timedelta(days=3)


def next_try(tries: int, now: datetime, filed_at: datetime) -> datetime | None:
    """When a message that could not be delivered is tried again; None: never, it is given up.

    Args:
        tries: that failed so far, 1 and more.
        now: aware.
        filed_at: when the message was filed.
    """
    if now - filed_at >= GIVE_UP_AFTER:
        return None
    return now + timedelta(seconds=BACK_OFF_S[min(tries, len(BACK_OFF_S)) - 1])


def room_at(sent: Sequence[datetime], per_hour: int, now: datetime) -> datetime:
    """When the next delivery of an alert may go; now, or when the hour has room again.

    Args:
        sent: times of its deliveries within the last hour.
        per_hour: at most so many.
        now: aware.
    """
    recent = sorted(at for at in sent if now - at < timedelta(hours=1))
    if len(recent) < per_hour:
        return now
    return recent[-per_hour] + timedelta(hours=1)


_PER_MAIL = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What one delivery says."""

    subject: str
    text: str
    document: Mapping[str, Any]
    is_well: bool
    """True when all of it is good news: a success, an alarm that has cleared."""
    message_id: str
    """The same for every try: a receiver can tell a repetition."""


def letter_of(
    commcell: str,
    alert: str,
    messages: Sequence[Mapping[str, Any]],
    *,
    message_id: str,
    zone: str,
) -> Letter:
    """One delivery of the messages of an alert that wait: a storm becomes one letter.

    Args:
        commcell: name of the CommCell.
        alert: name of the alert.
        messages: contents with `step`, oldest first.
        message_id: identity of the delivery.
        zone: of the CommCell, for the times in the text; the document has ISO 8601.
    """
    if len(messages) == 1:
        first = messages[0]
        subject = f"[{commcell}] {_headline(first)}"
    else:
        subject = f"[{commcell}] {len(messages)} alerts: {_headline(messages[0])} ..."
    lines: list[str] = []
    for message in messages[:_PER_MAIL]:
        lines += [*_paragraph(message, zone), ""]
    if len(messages) > _PER_MAIL:
        lines.append(f"... and {len(messages) - _PER_MAIL} more: auxtui alert list")
    return Letter(
        subject=shown(subject)[:200],
        text="\n".join(lines).rstrip() + "\n",
        document={
            "source": "auxtui",
            "commcell": commcell,
            "alert": alert,
            "message_id": message_id,
            "messages": [dict(message) for message in messages],
        },
        is_well=all(_is_well(message) for message in messages),
        message_id=message_id,
    )


def _is_well(message: Mapping[str, Any]) -> bool:
    return message.get("step") == "cleared" or message.get("kind") == AlertKind.SUCCEEDED.value


def _headline(message: Mapping[str, Any]) -> str:
    step = "cleared: " if message.get("step") == "cleared" else ""
    about = f": {message['about']}" if message.get("about") else ""
    return f"{step}{message['kind']}{about}"


def _paragraph(message: Mapping[str, Any], zone: str) -> list[str]:
    lines = [_headline(message), f"  {message['message']}"]
    if message.get("hint"):
        lines.append(f"  -> {message['hint']}")
    facts = [f"at {told(datetime.fromisoformat(message['at']), zone)}"]
    if message.get("job_id"):
        facts.append(f"job {message['job_id']}: auxtui job show {message['job_id']}")
    return [*lines, f"  {', '.join(facts)}"]


def cleared_text(message: str, first_at: datetime, now: datetime) -> str:
    """What is said when an alarm has cleared."""
    return f"{message} (it stood for {format_about((now - first_at).total_seconds())})"
