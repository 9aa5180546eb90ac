"""A restore of backed-up content that is killed goes on when the service is there again."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.control import frontdoor
from tests.archive.trees import look, make_tree
from tests.control.backups import BackupCell
from tests.faults.services import Nursery, no_successor

PATIENCE_S = 240.0
MOMENTS = (1, 10, 40, 80)
"""Calls that change the target: the first ones make it, the last ones links and times."""


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackupCell]:
    """A full and an incremental that needs it."""
    made = BackupCell(tmp_path_factory.mktemp("content") / "cell")
    make_tree(made.source)
    made.configure('volume_size = "2MiB"')
    assert made.back_up("full").state == "completed"
    (made.source / "plain" / "new").write_bytes(b"new" * 1000)
    (made.source / "plain" / "3.txt").write_bytes(b"changed")
    assert made.back_up("incremental").state == "completed"
    frontdoor.stop_service(made.home, by="test")
    yield made
    made.close()


@pytest.mark.parametrize("nth", MOMENTS)
def test_killed_at_any_moment_it_goes_on(
    cell: BackupCell, nursery: Nursery, tmp_path: Path, nth: int
) -> None:
    back = tmp_path / "back"
    dying = nursery.start(cell.home, kill={"nth": nth, "after": True}, below=os.fspath(back))
    assert dying.wait_ready() == "ready"
    with no_successor():
        job_id = frontdoor.run_restore(
            cell.home, None, to=os.fspath(back), copy=None, path_globs=(), overwrite=False,
            by="test", subclient="web/www",
        )  # fmt: skip
    is_killed = bool(select.select([dying.process], [], [], PATIENCE_S)[0])
    dying.close()

    living = nursery.start(cell.home)
    assert living.wait_ready() == "ready"
    job = cell.wait(job_id)
    frontdoor.stop_service(cell.home, by="test")
    living.wait_end()
    living.close()

    assert is_killed, "it was not killed: choose an earlier moment"
    assert (job.state, job.reason) == ("completed", "")
    assert look(cell.restored(back)) == look(cell.source)
    assert not [path for path in back.rglob("*") if path.name.startswith(".auxtui")]
