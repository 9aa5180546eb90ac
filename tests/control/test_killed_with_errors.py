"""A killed job tells each error that it counts."""

from __future__ import annotations

from engine.catalog.live import LiveCatalog
from engine.control import frontdoor
from engine.model.states import RequestKind
from tests.cell import Cell


def test_a_killed_job_lists_as_many_errors_as_it_counts(cell: Cell) -> None:
    cell.apply(offsite='throttle = "64KiB/s"')
    for name in ("a", "b"):
        cell.dump(name, 10_000)
    cell.dump("z", 20_000_000)
    cell.scan()
    for name in ("a", "b"):
        (cell.landing / name).write_bytes(b"changed since")

    job_id = cell.start()
    cell.until(job_id, lambda job: job.backup_jobs_failed == 2)
    frontdoor.request(cell.home, RequestKind.KILL, job_id, {}, by="test")
    killed = cell.wait(job_id)

    with LiveCatalog(cell.home.catalog) as live:
        errors = live.errors(job_id)
    assert (killed.state, killed.errors, killed.backup_jobs_failed) == ("killed", 2, 2)
    assert [error.backup_job_id for error in errors] == [1, 2]
    assert all(error.error for error in errors)
