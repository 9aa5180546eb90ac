"""What cannot be part of a backup job is never lost in silence; odd times are kept."""

from __future__ import annotations

import os

from engine.catalog import config, ledger
from engine.catalog.opening import open_catalog
from engine.control import frontdoor
from engine.model.states import JobCopyState
from engine.operations.deciding import decide, settle_policy
from engine.policy.values import RunOptions
from tests.cell import Cell

LACK = "incomplete: 1 entry left out (a FIFO)"


def test_a_job_without_its_fifo_says_so_on_every_copy(cell: Cell) -> None:
    cell.dump("job1/a")
    os.mkfifo(cell.landing / "job1" / "pipe")
    cell.apply()
    cell.scan()

    plan = frontdoor.preview(cell.home, "databases", RunOptions())
    assert plan["backup_jobs"][0]["reason"] == f"not there yet; {LACK}"
    assert cell.ledger("primary")[b"job1"].reason == LACK

    assert cell.run().state == "completed"

    line = cell.ledger()[b"job1"]
    assert (line.state, line.reason) == (JobCopyState.AVAILABLE, LACK)
    plan = frontdoor.preview(cell.home, "databases", RunOptions())
    assert plan["backup_jobs"][0]["reason"].endswith(f"; {LACK}")


def test_a_file_from_far_ahead_is_copied_with_its_time(cell: Cell) -> None:
    file = cell.dump("later.dump")
    os.utime(file, ns=(0, 15_000_000_000 * 10**9))  # the year 2445
    cell.apply()
    cell.scan()

    assert cell.run().state == "completed"
    cell.assert_copied()


def test_the_ledger_keeps_why_a_job_copy_failed_until_it_is_there(cell: Cell) -> None:
    file = cell.dump("one.dump")
    cell.apply()
    cell.scan()
    away = cell.root / "away"
    file.rename(away)
    assert cell.run().state == "completed_with_errors"
    failed = cell.ledger()[b"one.dump"]
    assert failed.reason.startswith("the last try failed: ")
    assert failed.next_step

    cell.apply(offsite='retain = "5d"')
    again = cell.ledger()[b"one.dump"]
    assert (again.reason, again.next_step) == (failed.reason, failed.next_step)

    away.rename(file)
    cell.scan()
    assert cell.run().state == "completed"
    assert cell.ledger()[b"one.dump"].reason == ""


def test_what_is_copied_again_says_so_in_the_ledger(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply()
    cell.scan()
    cell.run()
    job = cell.ledger()[b"one.dump"].backup_job_id
    with open_catalog(cell.home) as catalog, catalog.write() as session:
        copy = next(
            c
            for c in config.copies(session, config.policy(session, "databases").id)
            if c.name == "offsite"
        )
        now = cell.ledger()[b"one.dump"].copied_at
        assert now is not None
        ledger.set_state(session, copy.id, job, JobCopyState.AVAILABLE, "killed on request")
        later = now.replace(year=now.year + 1)
        decide(session, copy, job, "recopy", "eva", later)
        settle_policy(session, "databases", later)

    line = cell.ledger()[b"one.dump"]
    assert line.state == JobCopyState.AVAILABLE
    assert line.reason.startswith("to be copied again: decided by eva")
