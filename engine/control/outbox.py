"""Delivers what alerts are to tell: again until it arrives, not too often, nothing twice on purpose.

A message is marked as sent after it was accepted. Killed between the two, it is delivered once
more, with the same message id.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlmodel import Session

from engine.catalog import alarms, config
from engine.catalog.config_values import CommCellValue
from engine.catalog.events import add_event
from engine.catalog.watch_values import AlertMessageValue
from engine.model.clock import Clock
from engine.model.errors import AuxError, DeliveryError, UsageError
from engine.model.states import Severity
from engine.operations.store import Store
from engine.policy.alerting import AlertRule, Letter, letter_of, next_try, room_at
from engine.policy.destinations import Destination, destination_from
from engine.transfer.threads import DaemonThreads

log = logging.getLogger(__name__)

POLL_S = 2.0
HOUR = timedelta(hours=1)


class Outbox:
    """The messages that wait in the catalog, and the threads that deliver them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self._busy: set[str] = set()
        self._threads = DaemonThreads("alert")  # a receiver that hangs must not hold up the end

    async def run(self) -> None:
        """Delivers what is due, until it is cancelled; one delivery of an alert at a time."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    for name in await self._due():
                        if name not in self._busy:
                            self._busy.add(name)
                            group.create_task(self._serve(name))
                    await asyncio.sleep(POLL_S)
        finally:
            self._threads.shutdown()

    async def deliver_due(self) -> None:
        """Delivers what is due now, once."""
        for name in await self._due():
            await self._send(name)

    async def _due(self) -> list[str]:
        now = self.clock()
        try:
            waiting = await self.store.read(alarms.waiting)
        except AuxError as err:
            log.warning("alerts wait for the catalog: %s (%s)", err.message, err.hint)
            return []
        return list(dict.fromkeys(one.alert for one in waiting if one.next_try_at <= now))

    async def _serve(self, name: str) -> None:
        try:
            await self._send(name)
        except AuxError as err:
            log.warning("alert %s: %s (%s)", name, err.message, err.hint)
        finally:
            self._busy.discard(name)

    async def _send(self, name: str) -> None:
        """Delivers all that waits for one alert as one letter."""
        now = self.clock()

        def prepare(session: Session) -> tuple[AlertRule, Letter, list[AlertMessageValue]] | None:
            alarms.withdraw_strangers(session)
            rule = next((rule for rule in alarms.rules(session) if rule.name == name), None)
            due = [one for one in alarms.waiting(session, name) if one.next_try_at <= now]
            if rule is None or not due:
                return None
            room = room_at(alarms.deliveries_since(session, name, now - HOUR), rule.per_hour, now)
            if room > now:
                alarms.postpone(session, [one.id for one in due], room)
                return None
            return rule, _letter(config.commcell(session), name, due), due

        prepared = await self.store.write(prepare)
        if prepared is None:
            return
        rule, letter, due = prepared
        try:
            destination = await self.store.read(lambda s: destination_of(s, rule.name))
            loop = asyncio.get_running_loop()
            note = await loop.run_in_executor(self._threads, _deliver, destination, letter)
        except (DeliveryError, UsageError) as err:
            await self._failed(name, due, err)
            return
        except Exception as err:
            log.exception("alert %s ended by a bug", name)
            message = f"internal error: {err!r}; the service's log has the details"
            await self._failed(name, due, DeliveryError(message))
            return
        await self._sent(name, due, note)

    async def _sent(self, name: str, due: Sequence[AlertMessageValue], note: str) -> None:
        now = self.clock()

        def write(session: Session) -> None:
            alarms.set_sent(session, [one.id for one in due], now)
            if note:
                add_event(
                    session,
                    severity=Severity.WARNING,
                    code="alert.refused",
                    message=f"alert {name}: {note}",
                    now=now,
                )
            if any(one.tries for one in due):
                add_event(
                    session,
                    severity=Severity.INFO,
                    code="alert.delivered",
                    message=f"alert {name} is delivered again",
                    about=name,
                    now=now,
                )

        await self.store.write(write)

    async def _failed(self, name: str, due: Sequence[AlertMessageValue], error: AuxError) -> None:
        now = self.clock()
        again = {one.id: next_try(one.tries + 1, now, one.filed_at) for one in due}
        given_up = sum(at is None for at in again.values())

        def write(session: Session) -> None:
            alarms.set_undelivered(session, due, error.message, again)
            if given_up or not all(one.tries for one in due):
                lost = f"; {given_up} messages are given up" if given_up else ""
                add_event(
                    session,
                    severity=Severity.ERROR,
                    code="alert.undelivered",
                    message=f"alert {name} is not delivered: {error.message}{lost}",
                    hint=error.hint or f"try it with: auxtui alert test {name}",
                    about=name,
                    now=now,
                )

        await self.store.write(write)


def destination_of(session: Session, name: str) -> Destination:
    """Where an alert of the configuration goes.

    Raises:
        UsageError: there is no such alert, or its destination is none.
    """
    for value in config.alerts(session):
        if value.name == name:
            return destination_from(value.to, value.options)
    raise UsageError(f"there is no alert {name}")


def _deliver(destination: Destination, letter: Letter) -> str:
    """See `deliver`; mail and HTTP are slow to import, and most services have nothing to tell."""
    from engine.operations.delivery import deliver

    return deliver(destination, letter)


def _letter(commcell: CommCellValue, alert: str, due: Sequence[AlertMessageValue]) -> Letter:
    contents = [{"step": one.step, **one.content} for one in due]
    identity = f"auxtui.{alert}.{due[0].id}"
    return letter_of(commcell.name, alert, contents, message_id=identity, zone=commcell.time_zone)


def trial_letter(commcell: CommCellValue, alert: str, now: datetime) -> Letter:
    """A letter that says that it is only a test."""
    content = {
        "step": "told",
        "kind": "test",
        "severity": Severity.INFO.value,
        "about": alert,
        "message": "this is a test; nothing is wrong",
        "hint": "",
        "job_id": None,
        "policy": "",
        "at": now.isoformat(),
    }
    stamp = f"auxtui.{alert}.test.{int(now.timestamp())}"
    return letter_of(commcell.name, alert, [content], message_id=stamp, zone=commcell.time_zone)
