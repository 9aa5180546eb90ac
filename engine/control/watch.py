"""Watches what nobody reports: how copies stand. The service calls it again and again."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from engine.catalog import config, standings
from engine.catalog.events import add_event
from engine.catalog.watch_values import CopySample, CopyStanding
from engine.model.clock import Clock
from engine.model.states import Severity
from engine.operations.standing import measure, sample
from engine.operations.store import Store


class Watch:
    """What is looked at from time to time; nothing here does any work on copies."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock

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
                now=now,
            )
        elif was_behind and not standing.is_behind:
            add_event(
                session,
                severity=Severity.INFO,
                code="copy.caught_up",
                message=f"copy {name} is no longer behind",
                now=now,
            )
