"""The plan of a chain is its record: what the run copies to the source first is part of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from engine.control import frontdoor
from engine.policy.values import RunOptions
from tests.cell import SECOND, Cell
from tests.control.upkeep import serving

CHAIN = SECOND + 'source = "offsite"\n'


@contextmanager
def made(cell: Cell, **dumps: int) -> Iterator[None]:
    for name, size in dumps.items():
        cell.dump(f"{name}.dump", size)
    cell.apply(CHAIN)
    with serving(cell):
        cell.scan()
        yield


def test_what_a_chain_is_planned_to_copy_is_what_it_copies(cell: Cell) -> None:
    with made(cell, one=100_000, two=200_000):
        plan = frontdoor.preview(cell.home, "databases", RunOptions())
        job = cell.run()

    told = [(line["copy"], line["verdict"], line["reason"]) for line in plan["backup_jobs"]]
    assert told == [
        *2 * [("offsite", "taken", "not there yet")],
        *2 * [("second", "follows", "source 'offsite' does not have it yet")],
    ]
    assert all(line["taken"] for line in plan["backup_jobs"])
    assert [(one["taken"], one["follows"]) for one in plan["copy_totals"]] == [(2, 0), (2, 2)]
    assert (job.backup_jobs_total, job.backup_jobs_done) == (4, 4)
    assert job.bytes_total == job.bytes_done == plan["bytes_total"] == 600_000
    assert [space["bytes"] for space in plan["space"]] == [300_000, 300_000]


def test_what_should_follow_what_has_failed_is_no_work_that_was_done(cell: Cell) -> None:
    with made(cell, one=100_000, two=200_000):
        (cell.landing / "one.dump").write_bytes(b"not what was adopted")
        job = cell.run(retries=0)

    assert job.state == "completed_with_errors"
    assert (job.backup_jobs_done, job.backup_jobs_failed, job.backup_jobs_skipped) == (2, 1, 1)
    assert job.backup_jobs_total == 3
    assert job.bytes_total == job.bytes_done == 400_000
    assert cell.ledger("second")[b"one.dump"].reason == "source 'offsite' does not have it yet"


@pytest.mark.parametrize(
    "options", [{"scalable": False}, {"copies": ("second",)}], ids=["fixed list", "without source"]
)
def test_nothing_follows_where_the_run_does_not_plan_again(cell: Cell, options) -> None:
    with made(cell, one=100_000):
        plan = frontdoor.preview(cell.home, "databases", RunOptions(**options))

    (line,) = [line for line in plan["backup_jobs"] if line["copy"] == "second"]
    assert (line["verdict"], line["taken"]) == ("skipped", False)
