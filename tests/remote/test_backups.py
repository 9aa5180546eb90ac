"""Backups whose primary copy lies on another host: made there, gone on from there, restored from there."""

from __future__ import annotations

from pathlib import Path

from engine.control import frontdoor
from tests.archive.trees import look, make_tree
from tests.control.backups import NAME, BackupCell
from tests.remote.sshd import Sshd


def test_a_backup_goes_over_and_comes_back(sshd: Sshd, tmp_path: Path) -> None:
    cell = BackupCell(tmp_path / "cell")
    make_tree(cell.source)
    cell.fast = sshd.url(cell.root / "fast")
    cell.configure('volume_size = "2MiB"')
    try:
        first = cell.back_up()
        assert first.state == "completed", cell.errors(first.id)
        (cell.source / "plain" / "new").write_bytes(b"new")
        cell.home.index(first.id).unlink()
        second = cell.back_up()
        assert (second.state, second.backup_jobs_done) == ("completed", 1)
        assert "incremental" in second.description
        job_id = frontdoor.run_restore(
            cell.home,
            None,
            subclient=NAME,
            to=str(tmp_path / "target"),
            copy=None,
            path_globs=[],
            overwrite=False,
            by="test",
        )
        done = cell.wait(job_id)
        assert done.state == "completed", cell.errors(done.id)
    finally:
        cell.close()
    assert look(cell.restored(tmp_path / "target")) == look(cell.source)
