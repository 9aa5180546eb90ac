"""Data aging that is killed while it takes away the manifest of a landing job that nobody has any more."""

from __future__ import annotations

import os
import select
from datetime import timedelta

import pytest

from engine.control import frontdoor
from engine.model.clock import system_clock
from tests.cell import Cell
from tests.control.test_aging import START, dumps, states
from tests.control.upkeep import age, serving
from tests.faults.services import Nursery, no_successor

PATIENCE_S = 240.0
LATER = START + timedelta(days=30)


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_a_manifest_the_next_aging_takes_away_what_is_left(
    cell: Cell, nursery: Nursery, after: bool
) -> None:
    dumps(cell, 2)
    cell.apply(offsite='retain = "10d"\nretain_cycles = 1')
    with serving(cell, START + timedelta(days=2)):
        cell.scan()
        assert cell.run().state == "completed"
        (cell.landing / "day00.dump").unlink()
        cell.scan()
    number = {name: line.backup_job_id for name, line in cell.ledger().items()}
    old, new = (cell.home.manifest(number[name]) for name in (b"day00.dump", b"day01.dump"))
    offset = cell.root / "offset"
    offset.write_text(str(int((LATER - system_clock()).total_seconds())))

    dying = nursery.start(
        cell.home,
        kill={"nth": 1, "after": after},
        below=os.fspath(old),
        clock_offset=str(offset),
    )
    assert dying.wait_ready() == "ready"
    with no_successor():
        frontdoor.run_aging(cell.home, dry_run=False, confirm=True, by="test")
    is_killed = bool(select.select([dying.process], [], [], PATIENCE_S)[0])
    dying.close()

    assert is_killed
    assert old.exists() is not after
    assert states(cell)["day00.dump"] == states(cell, "primary")["day00.dump"] == "aged"
    assert list(cell.on_media()) == [number[b"day01.dump"]]
    with serving(cell, LATER):
        job = age(cell)
        assert (job.state, job.backup_jobs_done) == ("completed", 0)
    assert (old.exists(), new.exists()) == (False, True)
    assert states(cell)["day01.dump"] == "available"
