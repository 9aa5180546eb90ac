"""Alerts that are configured, what they are about, and what is to be delivered."""

from __future__ import annotations

from contextlib import contextmanager

from engine.catalog import tables
from engine.catalog.events import add_event
from engine.catalog.live import LiveCatalog
from engine.control.outbox import Outbox
from engine.model.states import Severity
from engine.operations.store import Store
from tests.catalog.estate import NOW
from tests.clock import SettableClock


def alert(session, to, *kinds, name="hook", **options):
    """Configures one that wants to hear of these kinds."""
    session.add(tables.Alert(name=name, on_events=list(kinds), to=to, options=options))
    session.flush()


def offline(session, name="vault", now=NOW):
    """A library goes away."""
    add_event(
        session,
        severity=Severity.ERROR,
        code="library.offline",
        message=f"library {name} is offline: no marker",
        about=name,
        now=now,
    )


def online(session, name="vault", now=NOW):
    """It comes back."""
    add_event(
        session,
        severity=Severity.INFO,
        code="library.online",
        message=f"library {name} is online",
        about=name,
        now=now,
    )


@contextmanager
def outbox(estate, moment=NOW):
    """What delivers, by a clock that can be set."""
    store, clock = Store(estate), SettableClock(moment)
    try:
        yield Outbox(store, clock), clock
    finally:
        store.close()


def messages(estate):
    """Those that were filed, oldest first."""
    with LiveCatalog(estate.home.catalog) as live:
        return live.alert_messages()[::-1]


def told(estate):
    """Which alert was told which step of what."""
    return [(one.alert, one.step, one.content["kind"]) for one in messages(estate)]
