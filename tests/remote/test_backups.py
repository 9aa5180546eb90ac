"""Backups whose primary copy lies on another host or in a store: made there, gone on from there, restored from there."""

from __future__ import annotations

from pathlib import Path

from engine.control import frontdoor
from engine.library.objects import connection
from tests.archive.trees import look, make_tree
from tests.control.backups import NAME, BackupCell
from tests.control.upkeep import serving
from tests.remote.sshd import Sshd
from tests.stores import StoreServer


def test_a_backup_goes_over_and_comes_back(sshd: Sshd, tmp_path: Path) -> None:
    cell = BackupCell(tmp_path / "cell")
    try:
        there_and_back(cell, sshd.url(cell.root / "fast"), tmp_path)
    finally:
        cell.close()


def test_a_backup_goes_to_a_store_and_comes_back(moto: StoreServer, tmp_path: Path) -> None:
    cell = BackupCell(tmp_path / "cell")
    try:
        cell.fast = moto.url(moto.bucket())
        cell.configure()
        with serving(cell):
            there_and_back(cell, cell.fast, tmp_path)
    finally:
        connection.close_connections()


def there_and_back(cell: BackupCell, url: str, tmp_path: Path) -> None:
    make_tree(cell.source)
    cell.fast = url
    cell.configure('volume_size = "2MiB"')
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
    assert look(cell.restored(tmp_path / "target")) == look(cell.source)
