"""Schedules as the service runs them: when each is due next, and who switched it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select, update
from sqlmodel import Session

from engine.catalog.rows import SCHEDULE, connection_of, read_one
from engine.catalog.rule_values import SYSTEM_SCHEDULE as SYSTEM_SCHEDULE
from engine.catalog.rule_values import SYSTEM_SCHEDULES as SYSTEM_SCHEDULES
from engine.catalog.rule_values import ScheduleValue
from engine.model.errors import NotFoundError
from engine.model.states import Operation


def schedule(s: Session, name: str) -> ScheduleValue:
    """A schedule by its name.

    Raises:
        NotFoundError: there is none of this name.
    """
    found = read_one(s, ScheduleValue, select(SCHEDULE).where(SCHEDULE.c.name == name))
    if found is None:
        raise NotFoundError(f"there is no schedule {name}", hint="see: auxtui schedule list")
    return found


def move_system_schedules(s: Session, time_zone: str) -> None:
    """The system schedules follow the zone of the CommCell; the next run of one that moves is reckoned anew."""
    connection_of(s).execute(
        update(SCHEDULE)
        .where(SCHEDULE.c.name.in_(SYSTEM_SCHEDULES), SCHEDULE.c.time_zone != time_zone)
        .values(time_zone=time_zone, next_run_at=None)
    )


def ensure_system_schedules(s: Session, time_zone: str) -> None:
    """Makes the system schedules unless they are there; one that was disabled stays so."""
    move_system_schedules(s, time_zone)
    for name, (operation, spec) in SYSTEM_SCHEDULES.items():
        if read_one(s, ScheduleValue, select(SCHEDULE).where(SCHEDULE.c.name == name)):
            continue
        connection_of(s).execute(
            insert(SCHEDULE).values(
                name=name,
                operation=operation.value,
                policy_id=None,
                spec=spec,
                time_zone=time_zone,
                enabled=True,
                start_missed=operation is not Operation.AUXCOPY,
                options={},
            )
        )


def set_enabled(s: Session, name: str, *, enabled: bool) -> None:
    """Enables or disables a schedule; its next run is reckoned anew."""
    found = schedule(s, name)
    connection_of(s).execute(
        update(SCHEDULE).where(SCHEDULE.c.id == found.id).values(enabled=enabled, next_run_at=None)
    )


def claim_run(
    s: Session,
    value: ScheduleValue,
    *,
    next_run_at: datetime | None,
    seen_at: datetime | None = None,
) -> bool:
    """Moves a schedule on; False when another service did so first.

    Args:
        s: a writing session.
        value: as it was read.
        next_run_at: the run after this one; None: never, or by an event.
        seen_at: when the newest backup job came that this run is for; None: as it was.
    """
    columns: dict[str, object] = {"next_run_at": next_run_at}
    if seen_at is not None:
        columns["seen_at"] = seen_at
    done = connection_of(s).execute(
        update(SCHEDULE)
        .where(
            SCHEDULE.c.id == value.id,
            SCHEDULE.c.next_run_at.is_not_distinct_from(value.next_run_at),
        )
        .values(columns)
    )
    return bool(done.rowcount)


def note_run(s: Session, value: ScheduleValue, ran_at: datetime) -> None:
    """Remembers that a schedule has started a job; a writing session."""
    connection_of(s).execute(
        update(SCHEDULE).where(SCHEDULE.c.id == value.id).values(last_run_at=ran_at)
    )
