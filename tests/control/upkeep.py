"""What tests of verification, repair and aging share: a service in this process, and looks at it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from engine.catalog import config, events, jobs, schedules
from engine.catalog.opening import open_catalog
from engine.catalog.values import EventValue, JobErrorValue, JobValue
from engine.control import frontdoor
from engine.control.service import service_here
from tests.cell import Cell
from tests.clock import SettableClock


@contextmanager
def serving(cell: Cell, moment: datetime | None = None) -> Iterator[SettableClock]:
    """A service of this process, by a clock that can be set."""
    clock = SettableClock(moment)
    with service_here(cell.home, clock=clock):
        yield clock


def verify(cell: Cell, which: str = "new", *, copy: str | None = None) -> JobValue:
    """Runs data verification to its end."""
    return cell.wait(frontdoor.run_verification(cell.home, "databases", copy, which, by="test"))


def repair(cell: Cell, *backup_jobs: int, copy: str = "offsite") -> JobValue:
    """Runs a repair to its end."""
    return cell.wait(frontdoor.repair(cell.home, "databases", copy, backup_jobs, by="test"))


def errors_of(cell: Cell, job_id: int) -> list[JobErrorValue]:
    """The errors of a job."""
    catalog = open_catalog(cell.home)
    try:
        with catalog.read() as session:
            return jobs.errors(session, job_id)
    finally:
        catalog.close()


def events_of(cell: Cell, code: str) -> list[EventValue]:
    """The events of a code."""
    catalog = open_catalog(cell.home)
    try:
        with catalog.read() as session:
            return [event for event in events.events(session) if event.code == code]
    finally:
        catalog.close()


def age(cell: Cell, *, dry_run: bool = False, confirm: bool = False) -> JobValue:
    """Runs data aging to its end."""
    return cell.wait(frontdoor.run_aging(cell.home, dry_run=dry_run, confirm=confirm, by="test"))


def plan_of(cell: Cell, job_id: int) -> dict[str, Any]:
    """The record of a job."""
    catalog = open_catalog(cell.home)
    try:
        with catalog.read() as session:
            return jobs.load_plan(session, job_id) or {}
    finally:
        catalog.close()


def wait_until(wanted: Callable[[], bool], *, within_s: float = 240) -> None:
    """Waits until something is so."""
    end = time.monotonic() + within_s
    while not wanted():
        assert time.monotonic() < end
        time.sleep(0.05)


def quiet(cell: Cell) -> None:
    """No run comes by itself, such as one that was missed since the last service."""
    with open_catalog(cell.home) as catalog, catalog.write() as session:
        for schedule in config.schedules(session):
            schedules.set_enabled(session, schedule.name, enabled=False)


def pass_by(cell: Cell, clock: SettableClock, name: str, at: datetime) -> None:
    """Lets the time come at which a schedule is due."""
    clock.set(at - timedelta(minutes=10))
    wait_until(lambda: _next_run(cell, name) == at)
    clock.set(at)


def _next_run(cell: Cell, name: str) -> datetime | None:
    catalog = open_catalog(cell.home)
    try:
        with catalog.read() as session:
            found = [value for value in config.schedules(session) if value.name == name]
            return found[0].next_run_at if found else None
    finally:
        catalog.close()
