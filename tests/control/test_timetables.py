"""Windows, activity control, schedules and shared streams on a running service, by a set clock."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engine.catalog import config, events
from engine.catalog.opening import open_catalog
from engine.catalog.values import EventValue, ScheduleValue
from engine.control import frontdoor
from engine.control.service import service_here
from engine.model.errors import NotFoundError, UsageError
from engine.model.states import RequestKind
from engine.operations.expecting import expectation
from engine.operations.planning import load_scope, plan_run
from engine.policy.values import RunOptions
from tests.cell import Cell
from tests.clock import SettableClock
from tests.control.conftest import BIG, CRAWL_BPS

MONDAY = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)

OFFICE = """
[windows.office]
on = ["media_agents.here"]
operations = ["auxcopy"]
do_not_run = [{days = "mon-fri", from = "08:00", to = "18:00"}]
time_zone = "UTC"
"""


@contextmanager
def at(cell: Cell, moment: datetime) -> Iterator[SettableClock]:
    """A service of this process with a clock that starts at a moment."""
    clock = SettableClock(moment)
    with service_here(cell.home, clock=clock):
        yield clock


def seen_events(cell: Cell, code: str) -> list[EventValue]:
    catalog = open_catalog(cell.home)
    try:
        with catalog.read() as session:
            return [event for event in events.events(session) if event.code == code]
    finally:
        catalog.close()


def schedule(cell: Cell, name: str) -> ScheduleValue:
    catalog = open_catalog(cell.home)
    try:
        with catalog.read() as session:
            return next(s for s in config.schedules(session) if s.name == name)
    finally:
        catalog.close()


def test_a_start_inside_a_window_is_queued_and_runs_when_it_ends(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply(OFFICE)
    with at(cell, MONDAY.replace(hour=9)) as clock:
        cell.scan()
        job_id = cell.start()
        queued = cell.until(job_id, lambda job: job.state == "queued")

        clock.set(MONDAY.replace(hour=18, minute=1))
        job = cell.wait(job_id)

    assert "office" in queued.reason
    assert queued.until == MONDAY.replace(hour=18)
    assert job.state == "completed"


@pytest.mark.usefixtures("small_chunks")
def test_a_window_that_opens_stops_a_running_job_which_resumes_by_itself(cell: Cell) -> None:
    cell.dump("big.dump", BIG)
    cell.apply(OFFICE)
    with at(cell, MONDAY) as clock:
        cell.scan()
        job_id = cell.start(throttle_bps=CRAWL_BPS)
        cell.journaled()

        clock.set(MONDAY.replace(hour=8))
        queued = cell.until(job_id, lambda job: job.state == "queued")
        frontdoor.request(cell.home, RequestKind.THROTTLE, job_id, {"throttle_bps": None}, by="t")
        clock.set(MONDAY.replace(hour=18))
        job = cell.wait(job_id)

    assert "office" in queued.reason
    assert job.state == "completed"
    assert job.bytes_reused > 0
    cell.assert_copied()


def test_a_window_may_let_running_jobs_finish(cell: Cell) -> None:
    cell.dump("big.dump", BIG // 2)  # two seconds: running jobs are looked at once a second
    cell.apply(OFFICE + "let_running_jobs_finish = true\n")
    with at(cell, MONDAY) as clock:
        cell.scan()
        job_id = cell.start(throttle_bps=4 << 20)
        cell.until(job_id, lambda job: job.bytes_done > 0)
        clock.set(MONDAY.replace(hour=9))
        job = cell.wait(job_id)

    assert (job.state, job.attempts) == ("completed", 1)


def test_a_window_of_a_subclient_holds_only_its_backup_jobs(cell: Cell) -> None:
    other = cell.root / "other"
    other.mkdir()
    (other / "late.dump").write_bytes(b"late")
    cell.dump("one.dump")
    cell.apply(
        f"""
[clients.web1.subclients.files]
policy = "databases"
landing = "{other}"
settle = "0s"

[windows.web]
on = ["clients.web1"]
do_not_run = [{{days = "mon-fri", from = "08:00", to = "18:00"}}]
time_zone = "UTC"
"""
    )
    with at(cell, MONDAY.replace(hour=9)) as clock:
        cell.scan()
        job_id = cell.start()
        queued = cell.until(job_id, lambda job: job.state == "queued")
        half = {name: line.state for name, line in cell.ledger().items()}

        clock.set(MONDAY.replace(hour=18))
        job = cell.wait(job_id)

    assert half == {b"one.dump": "available", b"late.dump": "to_be_copied"}
    assert queued.until == MONDAY.replace(hour=18)
    assert (job.state, job.backup_jobs_done) == ("completed", 2)


def test_activity_that_is_switched_off_comes_back_by_itself(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply()
    with at(cell, MONDAY) as clock:
        cell.scan()
        until = MONDAY + timedelta(hours=2)
        frontdoor.switch_activity(cell.home, "commcell", on=False, by="anna", off_until=until)
        job_id = cell.start()
        queued = cell.until(job_id, lambda job: job.state == "queued")
        clock.set(until)
        job = cell.wait(job_id)
        with pytest.raises(UsageError, match="past"):
            frontdoor.switch_activity(cell.home, "commcell", on=False, by="x", off_until=MONDAY)
        with pytest.raises(NotFoundError, match="mars"):
            frontdoor.switch_activity(cell.home, "clients.mars", on=False, by="x")

    assert "anna" in queued.reason
    assert queued.until == until
    assert job.state == "completed"


def test_a_conflicting_run_is_queued_behind_the_first(cell: Cell) -> None:
    cell.dump("one.dump", BIG)
    cell.apply()
    with at(cell, MONDAY):
        cell.scan()
        first = cell.start(throttle_bps=CRAWL_BPS)
        second = cell.start()
        queued = cell.until(second, lambda job: job.state == "queued")
        frontdoor.request(cell.home, RequestKind.THROTTLE, first, {"throttle_bps": None}, by="t")
        assert cell.wait(first).state == "completed"
        job = cell.wait(second)

    assert f"job {first}" in queued.reason
    assert (job.state, job.backup_jobs_total) == ("completed", 0)


def test_a_schedule_runs_at_its_time_and_says_the_next(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply(
        """
[schedules.nightly]
operation = "auxcopy"
policy = "databases"
when = "daily at 22:00"
time_zone = "UTC"
"""
    )
    with at(cell, MONDAY) as clock:
        cell.scan()
        _until(lambda: schedule(cell, "nightly").next_run_at == MONDAY.replace(hour=22))
        before = schedule(cell, "nightly")
        clock.set(MONDAY.replace(hour=22))
        _until(lambda: cell.ledger()[b"one.dump"].state == "available")
        _until(lambda: schedule(cell, "nightly").last_run_at is not None)
        after = schedule(cell, "nightly")

    assert before.last_run_at is None
    assert after.next_run_at == MONDAY.replace(day=24, hour=22)
    assert after.last_run_at
    assert after.last_run_at >= MONDAY.replace(hour=22)


@pytest.mark.parametrize("missed", ["start", "report"])
def test_a_run_that_was_missed_is_started_or_reported_as_chosen(cell: Cell, missed: str) -> None:
    cell.dump("one.dump")
    cell.apply(
        f"""
[schedules.nightly]
operation = "auxcopy"
policy = "databases"
when = "daily at 22:00"
time_zone = "UTC"
missed = "{missed}"
"""
    )
    with at(cell, MONDAY):
        cell.scan()
        _until(lambda: schedule(cell, "nightly").next_run_at is not None)
    with at(cell, MONDAY.replace(hour=22, minute=30)):
        _until(lambda: bool(seen_events(cell, "schedule.missed")))
        if missed == "start":
            _until(lambda: cell.ledger()[b"one.dump"].state == "available")

    state = cell.ledger()[b"one.dump"].state
    assert state == ("available" if missed == "start" else "to_be_copied")


def test_the_system_schedule_covers_every_copy_by_itself_without_empty_runs(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply()
    with at(cell, MONDAY) as clock:
        cell.scan()
        _until(lambda: schedule(cell, "system").next_run_at is not None)
        clock.set(MONDAY + timedelta(minutes=31))
        _until(lambda: cell.ledger()[b"one.dump"].state == "available")
        clock.set(MONDAY + timedelta(minutes=62))
        _until(
            lambda: (
                (schedule(cell, "system").next_run_at or MONDAY) > MONDAY + timedelta(minutes=63)
            )
        )
        jobs = _jobs(cell)

    assert [job.initiated_by for job in jobs] == ["schedule system"]


def test_a_disabled_schedule_does_not_run_but_run_now_does(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply(
        """
[schedules.nightly]
operation = "auxcopy"
policy = "databases"
when = "daily at 22:00"
time_zone = "UTC"
"""
    )
    with at(cell, MONDAY):
        cell.scan()
        frontdoor.schedule(cell.home, "nightly", "disable", by="t")
        ids = frontdoor.schedule(cell.home, "nightly", "run", by="t")
        jobs = [cell.wait(job_id) for job_id in ids]
        with pytest.raises(NotFoundError, match="no schedule weekly"):
            frontdoor.schedule(cell.home, "weekly", "run", by="t")

    assert [job.state for job in jobs] == ["completed"]
    assert not schedule(cell, "nightly").enabled


@pytest.mark.usefixtures("small_chunks")
def test_a_job_of_higher_priority_takes_the_last_stream_and_gives_it_back(cell: Cell) -> None:
    other = cell.root / "other"
    other.mkdir()
    (other / "urgent.dump").write_bytes(b"urgent")
    cell.dump("big.dump", BIG)
    cell.apply(
        f"""
[clients.web1.subclients.files]
policy = "urgent"
landing = "{other}"
settle = "0s"

[policies.urgent.copies.primary]

[policies.urgent.copies.away]
kind = "synchronous"
library = "shelf"
""",
        streams=1,
    )
    with at(cell, MONDAY):
        cell.scan()
        slow = cell.start(throttle_bps=CRAWL_BPS)
        cell.journaled()
        urgent = frontdoor.run_auxcopy(
            cell.home, "urgent", frontdoor.RunOptions(priority=0), by="t"
        )
        first = cell.wait(urgent)
        frontdoor.request(cell.home, RequestKind.THROTTLE, slow, {"throttle_bps": None}, by="t")
        job = cell.wait(slow)

    assert first.state == "completed"
    assert job.state == "completed"
    assert job.ended_at is not None
    assert first.ended_at is not None
    assert first.ended_at < job.ended_at
    assert [event.job_id for event in seen_events(cell, "job.interrupted")] == [slow]
    assert job.bytes_reused > 0
    cell.assert_copied()


@pytest.mark.usefixtures("small_chunks")
def test_a_job_is_killed_when_its_total_running_time_is_over(cell: Cell) -> None:
    cell.dump("big.dump", BIG)
    cell.apply()
    with at(cell, MONDAY) as clock:
        cell.scan()
        job_id = cell.start(throttle_bps=CRAWL_BPS, total_time_s=3600, kill_after_total_time=True)
        cell.until(job_id, lambda job: job.state == "running")
        clock.set(MONDAY + timedelta(hours=1, seconds=2))
        job = cell.wait(job_id)

    assert job.state == "killed"
    assert "time is over" in job.reason


def _jobs(cell: Cell) -> list[frontdoor.JobValue]:
    from engine.catalog.jobs import jobs

    catalog = open_catalog(cell.home)
    try:
        with catalog.read() as session:
            return jobs(session)
    finally:
        catalog.close()


def _until(wanted: object, within_s: float = 240.0) -> None:
    import time

    end = time.monotonic() + within_s
    while not wanted():  # type: ignore[operator]
        assert time.monotonic() < end, "never came"
        time.sleep(0.02)


def test_a_continuous_schedule_makes_no_empty_runs(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply(
        """
[schedules.always]
operation = "auxcopy"
policy = "databases"
when = "continuous"
"""
    )
    with at(cell, MONDAY) as clock:
        cell.scan()
        _until(lambda: schedule(cell, "always").next_run_at is not None)
        clock.set(MONDAY + timedelta(minutes=2))
        _until(lambda: cell.ledger()[b"one.dump"].state == "available")
        seen = schedule(cell, "always").next_run_at
        clock.set(MONDAY + timedelta(minutes=4))  # nothing to do: looked at, and no run
        _until(lambda: schedule(cell, "always").next_run_at != seen)
        cell.dump("two.dump")
        cell.scan()
        clock.set(MONDAY + timedelta(minutes=8))
        _until(lambda: cell.ledger()[b"two.dump"].state == "available")
        _until(lambda: all(job.state.is_final for job in _jobs(cell)))  # the ledger is told first
        jobs = _jobs(cell)

    assert [job.backup_jobs_done for job in jobs] == [1, 1]


def test_a_schedule_after_backup_runs_once_for_what_came(cell: Cell) -> None:
    cell.apply(
        """
[schedules.after]
operation = "auxcopy"
policy = "databases"
when = "after-backup"
"""
    )
    with at(cell, MONDAY) as clock:
        frontdoor.schedule(cell.home, "system", "disable", by="test")
        cell.dump("one.dump")
        cell.scan()
        _until(lambda: cell.ledger()[b"one.dump"].state == "available")
        _until(lambda: all(job.state.is_final for job in _jobs(cell)))
        _until(lambda: schedule(cell, "after").last_run_at is not None)
        clock.set(MONDAY + timedelta(hours=1))  # nothing came
        cell.dump("two.dump")
        cell.dump("three.dump")
        cell.scan()
        _until(lambda: all(line.state == "available" for line in cell.ledger().values()))
        _until(lambda: all(job.state.is_final for job in _jobs(cell)))
        _until(lambda: schedule(cell, "after").last_run_at > MONDAY + timedelta(hours=1))
        jobs = _jobs(cell)

    assert sorted(job.backup_jobs_done for job in jobs) == [1, 2]
    assert {job.initiated_by for job in jobs} == {"schedule after"}


def test_the_plan_says_how_long_it_takes_and_whether_it_fits_before_the_window(cell: Cell) -> None:
    cell.dump("one.dump", 20 << 20)
    cell.apply(OFFICE)
    with at(cell, MONDAY) as clock:
        cell.scan()
        unknown = frontdoor.preview(cell.home, "databases", RunOptions())
        assert cell.run(throttle_bps=10 << 20).state == "completed"
        cell.dump("two.dump", 40 << 20)
        cell.scan()
        now = clock()
    with open_catalog(cell.home) as catalog, catalog.read() as session:
        scope = load_scope(session, "databases")
        plan = plan_run(session, scope, RunOptions(), now)
        early = expectation(session, scope, plan, now)
        late = expectation(session, scope, plan, MONDAY.replace(hour=7, minute=59, second=59))
        within = expectation(session, scope, plan, MONDAY.replace(hour=12))
        full = replace(
            scope, libraries={k: replace(v, free_bytes=100) for k, v in scope.libraries.items()}
        )
        crowded = expectation(session, full, plan, now)

    assert (unknown["expected_seconds"], unknown["warnings"]) == (None, [])
    assert early["expected_seconds"] >= 3
    assert early["fits_before"] == {
        "at": MONDAY.replace(hour=8).isoformat(),
        "windows": ["office"],
        "fits": True,
    }
    assert late["fits_before"]["fits"] is False
    assert "office begins Monday 08:00" in late["warnings"][0]
    assert within["fits_before"]["at"] == (MONDAY + timedelta(days=1)).replace(hour=8).isoformat()
    assert (early["held"], late["held"]) == (None, None)
    assert within["held"]["until"] == MONDAY.replace(hour=18).isoformat()
    assert "held until Monday 18:00: operation window 'office'" in within["warnings"][0]
    assert early["space"][0]["fits"] is True
    assert crowded["space"][0]["fits"] is False
    assert "needs up to 40 MiB" in crowded["warnings"][0]


def test_a_window_that_wants_no_submission_skips_scheduled_runs_and_queues_others(
    cell: Cell,
) -> None:
    cell.dump("one.dump")
    cell.apply(
        OFFICE
        + """do_not_submit = true

[schedules.noon]
operation = "auxcopy"
policy = "databases"
when = "daily at 13:00"
time_zone = "UTC"
"""
    )
    with at(cell, MONDAY.replace(hour=9)) as clock:
        frontdoor.schedule(cell.home, "system", "disable", by="test")
        cell.scan()
        _until(lambda: schedule(cell, "noon").next_run_at == MONDAY.replace(hour=13))
        clock.set(MONDAY.replace(hour=13))
        _until(lambda: bool(seen_events(cell, "schedule.skipped")))
        skipped = _jobs(cell)
        by_hand = cell.start()
        cell.until(by_hand, lambda job: job.state == "queued")

    assert skipped == []
    assert "office" in seen_events(cell, "schedule.skipped")[0].message
