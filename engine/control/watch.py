"""Watches what nobody reports: how copies stand, what is silent, libraries that nothing uses now.

The service calls each of these again and again; none of them works on copies.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from sqlmodel import Session

from engine.catalog import alarms, config, history, standings, upkeep
from engine.catalog.events import add_event
from engine.catalog.values import LibraryValue
from engine.catalog.watch_values import CopySample, CopyStanding
from engine.control.silence import silent_subclients, tell_delays, tell_silence
from engine.model.clock import Clock
from engine.model.errors import LibraryOffline
from engine.model.states import Severity
from engine.operations.probing import probe_one, record_probe
from engine.operations.standing import measure, sample
from engine.operations.store import Store
from engine.policy.alerting import AlertKind
from engine.transfer.threads import DaemonThreads

UNSEEN = timedelta(minutes=10)
PROBE_S = 120.0
PRUNE_PAUSE_S = 0.2


class Watch:
    """What is looked at from time to time."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self._threads = DaemonThreads("watch")  # a library that hangs must not hold up the end

    async def look(self) -> None:
        """Measures the copies; tells of silence, of delays, and of damage."""
        await self.measure()
        now = self.clock()
        silent = await self.store.read_long(lambda s: silent_subclients(s, now))

        def write(session: Session) -> None:
            tell_silence(session, silent, now)
            tell_delays(session, now)
            _tell_damage(session, now)
            alarms.tell_standing(session, now)

        await self.store.write(write)

    async def probe(self) -> None:
        """Looks at libraries that nobody has looked at for a while: an unmounted disk is told."""
        now = self.clock()
        cell = await self.store.read(config.commcell)
        for value in await self.store.read(config.libraries):
            if value.uuid and (value.checked_at is None or now - value.checked_at >= UNSEEN):
                await self._probe_one(value, cell.uuid)

    async def _probe_one(self, value: LibraryValue, commcell_id: str) -> None:
        try:
            async with asyncio.timeout(PROBE_S):
                await probe_one(self.store, self.clock, value, commcell_id, threads=self._threads)
        except TimeoutError:
            now = self.clock()
            error = LibraryOffline(
                f"library {value.name} is offline: it did not answer within {PROBE_S:.0f} s",
                hint="a device or a line may hang; look at the log of the host",
            )
            await self.store.write(lambda s: record_probe(s, value, error, None, now))

    async def prune(self) -> None:
        """Forgets what is older than the history that is kept."""
        cell = await self.store.read(config.commcell)
        if cell.history_s is None:
            return
        before = self.clock() - timedelta(seconds=cell.history_s)
        gone = 1
        while gone:
            gone = await self.store.write(lambda s: history.prune(s, before))
            await asyncio.sleep(PRUNE_PAUSE_S)  # others want to write as well

    async def measure(self) -> None:
        """Measures every copy; one that falls behind, or has caught up, is an event."""
        now = self.clock()

        def read(session: Session) -> tuple[list[CopyStanding], list[CopySample]]:
            measured = measure(session, now)
            points = [sample(session, standing) for standing in measured]
            return measured, [point for point in points if point is not None]

        measured, points = await self.store.read_long(read)

        def write(session: Session) -> None:
            known = _copy_names(session)
            measured_now = [standing for standing in measured if standing.copy_id in known]
            _tell_changes(session, measured_now, known, now)
            standings.set_standings(session, measured_now)
            for point in points:
                if point.copy_id in known:
                    standings.add_sample(session, point)
            if points:
                standings.thin_samples(session, now)

        await self.store.write(write)


def _copy_names(session: Session) -> dict[int, str]:
    """`policy/copy` by copy id; a copy may have gone since it was measured."""
    return {
        copy.id: f"{policy.name}/{copy.name}"
        for policy in config.policies(session)
        for copy in config.copies(session, policy.id)
    }


def _tell_changes(
    session: Session, measured: list[CopyStanding], names: dict[int, str], now: datetime
) -> None:
    before = standings.standings(session)
    for standing in measured:
        was = before.get(standing.copy_id)
        was_behind, name = was is not None and was.is_behind, names[standing.copy_id]
        if standing.is_behind and not was_behind:
            add_event(
                session,
                severity=Severity.WARNING,
                code="copy.behind",
                message=f"copy {name} has fallen behind: {'; '.join(standing.behind_reasons)}",
                hint=standing.forecast,
                about=name,
                policy=name.partition("/")[0],
                now=now,
            )
        elif was_behind and not standing.is_behind:
            add_event(
                session,
                severity=Severity.INFO,
                code="copy.caught_up",
                message=f"copy {name} is no longer behind",
                about=name,
                now=now,
            )


def _tell_damage(session: Session, now: datetime) -> None:
    """Alarms of damage say how much there is; one of a copy that was repaired or marked clears."""
    stood = alarms.standing(session, AlertKind.DAMAGED)
    if not stood:
        return
    every = ((name, upkeep.damaged(session, id_)) for id_, name in _copy_names(session).items())
    damaged = {name: found for name, found in every if found is not None}
    message = "no damage is known any more"
    alarms.clear_others(session, AlertKind.DAMAGED, damaged, message, now)
    for alarm in stood:
        found = damaged.get(alarm.about)
        if found is not None and found.number > 1:
            text = (
                f"copy {alarm.about} has {found.number} bad job copies,"
                f" the first {found.backup_job_id}: {found.reason}"
            )
            hint = f"auxtui copies {alarm.about} --state bad lists them; then auxtui repair"
            alarms.reword(session, alarm.id, text, hint)
        elif found is not None:
            text = f"backup job {found.backup_job_id} on copy {alarm.about}: {found.reason}"
            alarms.reword(session, alarm.id, text, found.next_step)
