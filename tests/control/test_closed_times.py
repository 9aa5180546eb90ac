"""Windows on all four levels and in several zones, and throttles by the clock, on the running service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.control import frontdoor
from engine.model.states import RequestKind
from tests.cell import Cell
from tests.control.test_timetables import MONDAY, at

NODES = ("commcell", "media_agents.here", "clients.db1", "clients.db1.subclients.pg")


def window(node: str, zone: str = "UTC", *, start: str = "08:00", end: str = "18:00") -> str:
    return (
        f'[windows.w]\non = ["{node}"]\noperations = ["auxcopy"]\ntime_zone = "{zone}"\n'
        f'do_not_run = [{{days = "all", from = "{start}", to = "{end}"}}]\n'
    )


@pytest.mark.parametrize("node", NODES)
def test_a_window_on_any_level_queues_the_run_until_its_end(cell: Cell, node: str) -> None:
    cell.dump("one.dump", 10_000)
    cell.apply(window(node))
    with at(cell, MONDAY.replace(hour=9)) as clock:
        cell.scan()
        job_id = cell.start()
        queued = cell.until(job_id, lambda job: job.state == "queued")
        assert cell.on_media() == {}
        said = frontdoor.held_back(cell.home, job_id, clock)
        clock.set(MONDAY.replace(hour=18))
        job = cell.wait(job_id)

    assert "w" in queued.reason
    assert said == f"held until Monday 18:00: {queued.reason}"
    assert frontdoor.held_back(cell.home, job_id, clock) == ""
    assert queued.until == MONDAY.replace(hour=18)
    assert (job.state, job.backup_jobs_done) == ("completed", 1)


def test_levels_add_up_and_a_lower_one_may_ignore_the_higher(cell: Cell) -> None:
    cell.dump("one.dump", 10_000)
    later = window("clients.db1", start="18:00", end="20:00").replace("windows.w", "windows.late")
    cell.apply(window("commcell") + later)
    with at(cell, MONDAY.replace(hour=9)) as clock:
        cell.scan()
        job_id = cell.start()
        cell.until(job_id, lambda job: job.state == "queued")
        clock.set(MONDAY.replace(hour=18))
        cell.until(job_id, lambda job: job.until == MONDAY.replace(hour=20))
        clock.set(MONDAY.replace(hour=20))
        assert cell.wait(job_id).state == "completed"


def test_the_window_of_a_media_agent_may_ignore_that_of_the_commcell(cell: Cell) -> None:
    cell.dump("one.dump", 10_000)
    own = window("media_agents.here", start="20:00", end="21:00")
    own = own.replace("windows.w", "windows.own") + "ignore_higher_levels = true\n"
    cell.apply(window("commcell") + own)
    with at(cell, MONDAY.replace(hour=9)):
        cell.scan()
        assert cell.run().state == "completed"


@pytest.mark.parametrize("hours", [2, None])
def test_a_run_that_waits_for_activity_goes_on_when_it_is_switched_on(
    cell: Cell, hours: int | None
) -> None:
    cell.dump("big.dump", 4 << 20)
    cell.apply()
    until = None if hours is None else MONDAY + timedelta(hours=hours)
    with at(cell, MONDAY):
        cell.scan()
        job_id = cell.start(throttle_bps=100_000)
        cell.until(job_id, lambda job: job.bytes_done > 0)
        frontdoor.switch_activity(cell.home, "clients.db1", on=False, by="t", off_until=until)
        held = cell.until(job_id, lambda job: job.state == "queued")
        frontdoor.request(cell.home, RequestKind.THROTTLE, job_id, {"throttle_bps": None}, by="t")
        frontdoor.switch_activity(cell.home, "clients.db1", on=True, by="t")
        job = cell.wait(job_id)

    assert "activity is switched off on clients.db1" in held.reason
    assert (job.state, job.attempts) == ("completed", 2)


def test_a_run_that_waits_for_a_window_goes_on_when_the_window_is_taken_away(cell: Cell) -> None:
    cell.dump("one.dump", 10_000)
    cell.apply(window("clients.db1"))
    with at(cell, MONDAY.replace(hour=9)):
        cell.scan()
        job_id = cell.start()
        cell.until(job_id, lambda job: job.state == "queued")
        cell.apply()
        job = cell.wait(job_id)

    assert (job.state, job.attempts) == ("completed", 2)


@pytest.mark.parametrize(
    ("zone", "day", "opens", "closes"),
    [
        # The clock goes back at 03:00: 02:00 to 03:00 comes twice, and is closed both times.
        ("Europe/Berlin", "2026-10-25", "00:00", "02:00"),
        # It goes forward at 02:00: that hour is not there, nothing is closed.
        ("Europe/Berlin", "2026-03-29", "", ""),
        ("Asia/Tokyo", "2026-03-29", "17:00", "18:00"),
    ],
)
def test_a_window_is_in_its_own_zone_on_both_nights_of_a_clock_change(
    cell: Cell, zone: str, day: str, opens: str, closes: str
) -> None:
    cell.dump("one.dump", 10_000)
    cell.apply(
        window("media_agents.here", zone, start="02:00", end="03:00"),
        commcell='time_zone = "America/New_York"',
    )
    start = datetime.fromisoformat(f"{day}T{opens or '00:59'}:00+00:00")
    with at(cell, start) as clock:
        cell.scan()
        job_id = cell.start()
        if opens:
            end = datetime.fromisoformat(f"{day}T{closes}:00+00:00")
            queued = cell.until(job_id, lambda job: job.state == "queued")
            assert queued.until == end
            clock.set(end - timedelta(minutes=1))
            assert cell.on_media() == {}
            clock.set(end)
        assert cell.wait(job_id).state == "completed"


def test_a_throttle_follows_its_timetable_while_a_job_runs(cell: Cell) -> None:
    cell.dump("big.dump", 8 << 20)
    rows = (
        '[{days = "mon-fri", from = "00:00", to = "18:00", limit = "100kB/s"}, '
        '{days = "mon-fri", from = "18:00", to = "24:00", limit = "1GB/s"}]'
    )
    cell.apply(commcell='time_zone = "Asia/Tokyo"', offsite=f"throttle = {rows}")
    with at(cell, datetime(2026, 11, 23, 8, 50, tzinfo=UTC)) as clock:  # 17:50 in Tokyo
        cell.scan()
        job_id = cell.start()
        slow = cell.until(job_id, lambda job: job.bytes_done > 0)
        assert slow.bytes_done < 4 << 20
        clock.set(datetime(2026, 11, 23, 9, 0, tzinfo=UTC))
        job = cell.wait(job_id)  # 80 s at the slow rate

    assert job.state == "completed"
    assert job.ended_at is not None
    assert cell.ledger()[b"big.dump"].state == "available"
