"""What is backed up by auxtui is looked after as any other backup job: verified, repaired, promoted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.control import frontdoor
from engine.model.errors import AuxError, UsageError
from tests.archive.trees import look, make_tree
from tests.control.backups import BackupCell


@pytest.fixture
def cell(backup_cell: BackupCell) -> BackupCell:
    make_tree(backup_cell.source)
    backup_cell.configure('volume_size = "2MiB"')
    return backup_cell


@pytest.mark.parametrize("name", ["backup.tar.zst.000002", "backup.tar.zst.index"])
def test_damage_of_the_primary_is_found_and_repaired(cell: BackupCell, name: str):
    job = cell.back_up()
    cell.copy_all()
    damaged = cell.on_primary(job.id) / "data" / name
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    found = cell.wait(frontdoor.run_verification(cell.home, "files", "primary", "all", by="test"))
    assert found.state == "completed_with_errors"
    assert cell.lines(job.id)["primary"].state == "bad"
    mended = cell.wait(frontdoor.repair(cell.home, "files", "primary", [job.id], by="test"))
    assert mended.state == "completed"
    assert damaged.read_bytes() == whole
    assert cell.lines(job.id)["primary"].state == "available"


def test_after_a_promotion_backups_go_on_to_the_new_primary(cell: BackupCell, tmp_path: Path):
    first = cell.back_up()
    cell.copy_all()
    frontdoor.promote(cell.home, "files", "offsite", by="test")
    shutil.rmtree(cell.root / "fast")
    (cell.source / "plain" / "new").write_bytes(b"new")
    second = cell.back_up()
    assert (second.state, second.copies) == ("completed", ("offsite",))
    assert "incremental" in second.description
    place = cell.root / "vault" / "files" / "offsite"
    assert {path.name for path in place.iterdir()} >= {str(first.id), str(second.id)}
    target = tmp_path / "target"
    done = cell.wait(
        frontdoor.run_restore(
            cell.home, second.id, to=str(target), copy=None, path_globs=[], overwrite=False, by="t"
        )
    )
    assert done.state == "completed"
    assert look(cell.restored(target)) == look(cell.source)


def test_copies_may_be_compressed_once_more(cell: BackupCell, tmp_path: Path):
    cell.configure(
        'volume_size = "2MiB"',
        '[policies.files.copies.packed]\nlibrary = "shelf"\ncompression = "zstd"\n',
    )
    job = cell.back_up()
    cell.copy_all()
    shutil.rmtree(cell.on_primary(job.id))
    cell.home.index(job.id).unlink()
    target = tmp_path / "target"
    done = cell.wait(
        frontdoor.run_restore(
            cell.home,
            job.id,
            to=str(target),
            copy="packed",
            path_globs=[],
            overwrite=False,
            by="test",
        )
    )
    assert done.state == "completed", cell.errors(done.id)
    assert look(cell.restored(target)) == look(cell.source)


def test_what_is_not_on_the_media_any_more_does_not_become_the_primary(cell: BackupCell):
    job = cell.back_up()
    cell.copy_all()
    shutil.rmtree(cell.root / "vault" / "files" / "offsite" / str(job.id))

    with pytest.raises(UsageError, match=f"not in library vault: {job.id}"):
        frontdoor.promote(cell.home, "files", "offsite", by="test")

    (cell.root / "vault").rename(cell.root / "elsewhere")
    with pytest.raises(AuxError, match="vault"):
        frontdoor.promote(cell.home, "files", "offsite", by="test")
    assert cell.lines(job.id)["primary"].state == "available"
