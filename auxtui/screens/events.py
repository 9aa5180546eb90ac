"""The event log, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from auxtui import columns as col
from auxtui import format as fmt
from auxtui.actions import Target
from auxtui.feed import Answer, Fresh, Watch
from auxtui.inert import safe
from auxtui.present import Cell, Look, Tone, event_row
from auxtui.screens.list_screen import ListScreen
from engine.catalog.running_values import EventValue
from engine.model.states import Severity

_SEVERITIES: tuple[tuple[str, tuple[Severity, ...]], ...] = (
    ("every severity", ()),
    ("warnings and errors", (Severity.WARNING, Severity.ERROR)),
    ("errors", (Severity.ERROR,)),
)
LAST_EVENTS = 1000  # so many are shown; a filter looks in all that are kept


class EventsScreen(ListScreen):
    """The event log."""

    ABILITIES: ClassVar[frozenset[str]] = frozenset({"menu", "filter", "state"})
    COLUMNS = col.EVENTS
    EMPTY = "no event matches"
    ABOUT = (
        "What has happened, newest first; the last 1,000 that match. f goes round the severities, /"
        " looks for a text, a code or a job in all that is kept. Enter shows the whole message."
    )

    def __init__(self) -> None:
        super().__init__()
        self._events: tuple[EventValue, ...] = ()
        self._severity = 0

    def crumbs(self) -> Sequence[str]:
        return ("Event log",)

    @property
    def _topic(self) -> str:
        return f"events:{self._severity}:{self.text}"

    def watches(self) -> Iterable[Watch]:
        text = self.text
        wanted = [severity.value for severity in _SEVERITIES[self._severity][1]]
        return (
            Watch(
                topic=self._topic,
                query=lambda live: live.events(severities=wanted, text=text, limit=LAST_EVENTS),
            ),
        )

    def targets(self) -> tuple[Target, ...]:
        key = self.table.cursor_key
        return tuple(event_target(event, self.look) for event in self._events if event.id == key)

    def take(self, message: Fresh | Answer) -> None:
        if isinstance(message, Fresh) and message.topic == self._topic:
            self._events = message.value
            self._draw()

    def filter_changed(self) -> None:
        self.rewatch()

    def next_state(self) -> None:
        """Goes round the severities."""
        self._severity = (self._severity + 1) % len(_SEVERITIES)
        self.rewatch()

    def _draw(self) -> None:
        events = self._events
        self.table.show_rows(event_row(event, self.look) for event in events)
        number = fmt.count(len(events), "event")
        if len(events) == LAST_EVENTS:
            number = f"the last {LAST_EVENTS:,} events"
        text = f"{number}; {_SEVERITIES[self._severity][0]} (f)"
        self.facts.show([("Shown", Cell(text, Tone.MUTED))])


def event_target(event: EventValue, look: Look) -> Target:
    """An event, with its whole text as the value."""
    text = [
        ("When", Cell(f"{event.at.astimezone(look.zone):%Y-%m-%d %H:%M:%S %Z}")),
        ("Severity", Cell(event.severity)),
        ("Code", Cell(safe(event.code))),
        ("Job", Cell(str(event.job_id or "-"))),
        ("What", Cell(safe(event.message))),
    ]
    return Target(kind="event", id=event.id, name=f"event {event.id}", value=text)
