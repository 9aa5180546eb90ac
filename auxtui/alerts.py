"""Alarms and alerts as rows and facts: what stands, who is told, whether it arrives. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from auxtui import format as fmt
from auxtui.action_values import Target
from auxtui.inert import safe
from auxtui.present import Cell, Fact, Look, Row, Tone
from engine.catalog.rule_values import AlertValue
from engine.catalog.watch_values import AlarmValue, AlertMessageValue
from engine.model.errors import UsageError

LAST_MESSAGES = 20  # of an alert, shown one by one
_STATES = {
    "waiting": ("waits", Tone.WARN),
    "sent": ("delivered", Tone.OK),
    "given_up": ("given up", Tone.BAD),
    "withdrawn": ("withdrawn", Tone.MUTED),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What there is of alarms and alerts."""

    alarms: tuple[AlarmValue, ...] = ()
    """The newest first."""
    alerts: tuple[AlertValue, ...] = ()
    messages: tuple[AlertMessageValue, ...] = ()
    """The newest first."""

    def of(self, alert: AlertValue) -> list[AlertMessageValue]:
        """The messages of an alert."""
        return [message for message in self.messages if message.alert == alert.name]


def alarm_row(alarm: AlarmValue, look: Look) -> Row:
    """An alarm as a row of the alarms."""
    bad = alarm.severity == "error"
    tone = Tone.BAD if bad else Tone.WARN
    sign = look.glyphs.failed if bad else look.glyphs.warning
    if alarm.cleared_at is not None:
        sign, tone = look.glyphs.done, Tone.MUTED
    return Row(
        ("alarm", alarm.id),
        (
            Cell(f"{sign} {safe(alarm.kind)}", tone),
            Cell(look.time(alarm.first_at)),
            Cell(safe(alarm.message)),
            Cell(safe(alarm.hint)),
            Cell(str(alarm.times), Tone.MUTED),
        ),
    )


def alarm_facts(alarm: AlarmValue, look: Look) -> list[Fact]:
    """The whole of an alarm."""
    bad = Tone.BAD if alarm.severity == "error" else Tone.WARN
    facts = [
        ("What", Cell(safe(alarm.message), bad)),
        ("What to do", Cell(safe(alarm.hint) or "-", Tone.STRONG)),
        ("About", Cell(safe(alarm.about) or "-")),
        ("Since", Cell(f"{look.time(alarm.first_at)}, {fmt.count(alarm.times, 'time')} so far")),
    ]
    if alarm.job_id is not None:
        facts.append(("Job", Cell(f"{alarm.job_id}; enter opens it")))
    if alarm.cleared_at is not None:
        facts.append(("Cleared", Cell(look.time(alarm.cleared_at), Tone.OK)))
    return facts


def alarm_target(alarm: AlarmValue) -> Target:
    """An alarm."""
    return Target(kind="alarm", id=alarm.id, name=f"alarm {alarm.id}", value=alarm)


def alert_target(alert: AlertValue) -> Target:
    """An alert of the configuration."""
    return Target(kind="alert", id=alert.id, name=f"alert {safe(alert.name)}", value=alert)


def _told_events(alert: AlertValue) -> str:
    return ", ".join(alert.on_events) or "jobs that name it"


def alert_row(alert: AlertValue, told: Told, look: Look) -> Row:
    """An alert as a row: who is told of what, and whether it arrives."""
    own = told.of(alert)
    waiting = [message for message in own if message.state == "waiting"]
    sent = [message.sent_at for message in own if message.sent_at is not None]
    error = next((message.error for message in waiting if message.error), "")
    return Row(
        ("alert", alert.id),
        (
            Cell(safe(alert.name)),
            Cell(safe(_told_events(alert))),
            Cell(safe(destination_words(alert))),
            Cell(str(len(waiting)), Tone.WARN if waiting else Tone.MUTED),
            Cell(look.time(max(sent)) if sent else "-", Tone.PLAIN if sent else Tone.MUTED),
            Cell(safe(error), Tone.BAD),
        ),
    )


def alert_facts(alert: AlertValue, told: Told, look: Look) -> list[Fact]:
    """An alert in words, and the last of what it told."""
    facts = [
        ("Tells of", Cell(safe(_told_events(alert)))),
        ("To", Cell(safe(destination_words(alert)))),
    ]
    own = told.of(alert)[:LAST_MESSAGES]
    if not own:
        facts.append(("Messages", Cell("it has told nothing yet", Tone.MUTED)))
    for place, message in enumerate(own):
        facts.append((" " if place else "Messages", _message_cell(message, look)))
    return facts


def _message_cell(message: AlertMessageValue, look: Look) -> Cell:
    word, tone = _STATES.get(message.state, (message.state, Tone.PLAIN))
    about = safe(str(message.content.get("message", "")))
    why = f": {safe(message.error)}" if message.error and message.state != "sent" else ""
    tries = f" after {fmt.count(message.tries, 'try')}" if message.tries > 1 else ""
    return Cell(f"{look.time(message.filed_at)}  {word}{tries}{why}  {about}".rstrip(), tone)


def destination_words(alert: AlertValue) -> str:
    """Where an alert goes, without what may be a secret."""
    from engine.policy.destinations import destination_from

    try:
        return destination_from(alert.to, alert.options).label
    except UsageError as err:
        return f"nowhere: {err.message}"
