"""Scalable Resource Allocation, and the fixed list without it, on the running service."""

import os
from datetime import UTC, datetime

import pytest

from engine.catalog import jobs
from engine.catalog.opening import open_catalog
from engine.catalog.values import StreamValue
from engine.control import frontdoor
from engine.model.errors import NotFoundError
from engine.model.states import RequestKind
from tests.cell import SECOND, Cell
from tests.control.conftest import BIG, CRAWL_BPS
from tests.control.test_timetables import at

MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

TWO_AGENTS = """
[media_agents.there]
max_streams = 1

[libraries.shared]
url = "{root}/shared"
media_agents = ["here", "there"]
writers = 4

[policies.databases.copies.wide]
kind = "synchronous"
library = "shared"
"""

CLOSED = """
[windows.here]
on = ["media_agents.here"]
operations = ["auxcopy"]
do_not_run = [{{days = "mon-fri", from = "{start}", to = "18:00"}}]
time_zone = "UTC"
"""


def streams_of(cell: Cell, job_id: int) -> list[StreamValue]:
    catalog = open_catalog(cell.home)
    try:
        with catalog.read() as session:
            return jobs.streams(session, job_id)
    finally:
        catalog.close()


def agents_at_work(cell: Cell, job_id: int) -> set[str]:
    return {stream.media_agent for stream in streams_of(cell, job_id)}


def apply_two(cell: Cell, more: str = "") -> None:
    cell.apply(TWO_AGENTS.format(root=cell.root) + more, streams=1)


def unthrottle(cell: Cell, job_id: int) -> None:
    frontdoor.request(cell.home, RequestKind.THROTTLE, job_id, {"throttle_bps": None}, by="t")


def test_work_is_spread_over_the_media_agents_that_reach_the_library(cell: Cell) -> None:
    for number in range(4):
        cell.dump(f"{number}.dump", BIG // 4)
    apply_two(cell)
    cell.scan()

    job_id = cell.start(copies=("wide",), throttle_bps=CRAWL_BPS)
    cell.until(job_id, lambda _: agents_at_work(cell, job_id) == {"here", "there"})
    running = frontdoor.load_job(cell.home, job_id)
    unthrottle(cell, job_id)
    job = cell.wait(job_id)

    assert running.streams == 2
    assert (job.state, job.backup_jobs_done) == ("completed", 4)
    cell.assert_copied("shared", "wide")


def test_a_source_media_agent_does_the_work_alone(cell: Cell) -> None:
    cell.dump("one.dump", BIG)
    apply_two(cell)
    cell.scan()

    job_id = cell.start(copies=("wide",), source_media_agent="there", throttle_bps=CRAWL_BPS)
    cell.until(job_id, lambda _: bool(streams_of(cell, job_id)))
    working = agents_at_work(cell, job_id)
    unthrottle(cell, job_id)

    assert cell.wait(job_id).state == "completed"
    assert working == {"there"}
    with pytest.raises(NotFoundError, match="mars"):
        cell.start(source_media_agent="mars")


def test_a_media_agent_that_does_not_reach_a_library_is_named(cell: Cell) -> None:
    cell.dump("one.dump")
    apply_two(cell)
    cell.scan()

    job = cell.run(copies=("offsite",), source_media_agent="there", retries=0)

    assert job.state == "failed"
    assert "there does not reach vault" in job.reason


@pytest.mark.usefixtures("small_chunks")
def test_a_window_on_one_media_agent_leaves_the_work_to_the_other(cell: Cell) -> None:
    for number in range(3):
        cell.dump(f"{number}.dump", BIG)
    apply_two(cell, CLOSED.format(start="09:30"))
    with at(cell, MONDAY) as clock:
        cell.scan()
        job_id = cell.start(copies=("wide",), throttle_bps=CRAWL_BPS)
        cell.until(job_id, lambda _: agents_at_work(cell, job_id) == {"here", "there"})

        clock.set(MONDAY.replace(hour=10))
        cell.until(job_id, lambda _: agents_at_work(cell, job_id) == {"there"})
        running = frontdoor.load_job(cell.home, job_id)
        unthrottle(cell, job_id)
        job = cell.wait(job_id)

    assert running.state == "running"
    assert (job.state, job.attempts, job.backup_jobs_done) == ("completed", 1, 3)
    cell.assert_copied("shared", "wide")


def test_work_that_only_a_closed_media_agent_can_do_waits_for_it(cell: Cell) -> None:
    cell.dump("one.dump")
    apply_two(cell, CLOSED.format(start="08:00"))
    with at(cell, MONDAY) as clock:
        cell.scan()
        job_id = cell.start()
        queued = cell.until(job_id, lambda job: job.state == "queued")
        half = {copy: cell.ledger(copy)[b"one.dump"].state for copy in ("wide", "offsite")}
        clock.set(MONDAY.replace(hour=18))
        job = cell.wait(job_id)

    assert half == {"wide": "available", "offsite": "to_be_copied"}
    assert queued.until == MONDAY.replace(hour=18)
    assert "here" in queued.reason
    assert job.state == "completed"


def test_new_backup_jobs_join_a_running_job(cell: Cell) -> None:
    cell.dump("first.dump", BIG)
    cell.apply()
    cell.scan()
    job_id = cell.start(throttle_bps=CRAWL_BPS)
    cell.until(job_id, lambda job: job.bytes_done > 0)

    cell.dump("second.dump")
    cell.scan()
    joined = cell.until(job_id, lambda job: job.backup_jobs_total == 2)
    unthrottle(cell, job_id)
    job = cell.wait(job_id)

    assert joined.state == "running"
    assert (job.state, job.backup_jobs_done, job.attempts) == ("completed", 2, 1)


def test_a_fixed_list_takes_nothing_that_came_later(cell: Cell) -> None:
    cell.dump("first.dump", BIG)
    cell.apply()
    cell.scan()
    job_id = cell.start(scalable=False, throttle_bps=CRAWL_BPS)
    cell.until(job_id, lambda job: job.bytes_done > 0)

    cell.dump("second.dump")
    cell.scan()
    unthrottle(cell, job_id)
    job = cell.wait(job_id)

    assert (job.state, job.backup_jobs_total, job.backup_jobs_done) == ("completed", 1, 1)
    assert cell.ledger()[b"second.dump"].state == "to_be_copied"


@pytest.mark.parametrize("scalable", [True, False])
def test_small_batches_copy_everything(cell: Cell, scalable: bool) -> None:
    for number in range(12):
        cell.dump(f"{number:02}.dump", 1000 + number)
    cell.apply(SECOND)
    cell.scan()

    job = cell.run(jobs_to_process=2, scalable=scalable)

    assert (job.state, job.backup_jobs_done) == ("completed", 24)
    cell.assert_copied()
    cell.assert_copied("shelf", "second")


NOT_NEW = """
[windows.office]
on = ["commcell"]
do_not_run = [{days = "mon-fri", from = "08:00", to = "18:00"}]
time_zone = "UTC"
"""


@pytest.mark.parametrize(("scalable", "copied"), [(False, 1), (True, 2)])
def test_backups_that_were_still_running_are_left_out_as_set(
    cell: Cell, scalable: bool, copied: int
) -> None:
    """The run is asked for in a window; a backup ends before it starts."""
    past = datetime(2026, 11, 23, 8, 30, tzinfo=UTC).timestamp()
    later = datetime(2026, 11, 23, 12, 0, tzinfo=UTC).timestamp()
    os.utime(cell.dump("before.dump"), (past, past))
    cell.apply(NOT_NEW, commcell="auxcopy_not_pick_new_backups = true")
    with at(cell, MONDAY) as clock:
        cell.scan()
        job_id = cell.start(scalable=scalable)
        cell.until(job_id, lambda job: job.state == "queued")
        os.utime(cell.dump("after.dump"), (later, later))
        clock.set(MONDAY.replace(hour=13))
        cell.scan()
        clock.set(MONDAY.replace(hour=18))
        job = cell.wait(job_id)

    assert (job.state, job.backup_jobs_done) == ("completed", copied)
