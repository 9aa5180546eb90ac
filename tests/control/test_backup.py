"""The backup operation in a real service: what it makes, what it goes on from, what it refuses."""

from __future__ import annotations

import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest

from engine.control import frontdoor
from engine.model.errors import NotFoundError, UsageError
from tests.archive.trees import look, make_tree
from tests.control.backups import NAME, BackupCell

pytestmark = pytest.mark.skipif(
    shutil.which("tar") is None or shutil.which("zstd") is None, reason="needs tar and zstd"
)


@pytest.fixture
def cell(backup_cell: BackupCell) -> BackupCell:
    return backup_cell


def test_a_full_is_restored_by_the_systems_own_tools(cell: BackupCell, tmp_path: Path):
    make_tree(cell.source)
    cell.configure('volume_size = "1MiB"')
    job = cell.back_up()
    assert (job.state, job.errors) == ("completed", 0), cell.errors(job.id)
    assert "it is the first backup" in job.description
    data = cell.on_primary(job.id) / "data"
    names = sorted(path.name for path in data.iterdir())
    assert names[0] == "backup.tar.zst.000001"
    assert names[-1] == "backup.tar.zst.index"
    assert len(names) > 5
    assert {path.stat().st_size for path in sorted(data.iterdir())[:-2]} == {1024**2}
    target = tmp_path / "target"
    target.mkdir()
    subprocess.run(
        [
            "sh",
            "-c",
            "cat data/* | zstd -dq | tar x --xattrs '--xattrs-include=*' --acls -C \"$0\"",
            str(target),
        ],
        check=True,
        cwd=data.parent,
    )
    assert look(cell.restored(target)) == look(cell.source)


def test_levels_cycles_and_their_reasons(cell: BackupCell):
    (cell.source / "a").write_bytes(b"1")
    cell.configure()
    first, second = cell.back_up(), cell.back_up()
    assert "incremental" in second.description
    assert cell.lines(first.id)["primary"].cycle == cell.lines(second.id)["primary"].cycle == 1
    third = cell.back_up("full")
    assert cell.lines(third.id)["primary"].cycle == 2
    cell.configure('exclude = ["*.tmp"]')
    fourth = cell.back_up()
    assert f"configured otherwise than for {third.id}" in fourth.description
    for path in (cell.home.index(fourth.id), cell.on_primary(fourth.id)):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    fifth = cell.back_up()
    assert f"the index of backup job {fourth.id} is not there" in fifth.description
    cell.home.index(fifth.id).unlink()  # it is on the media too
    sixth = cell.back_up()
    assert "incremental" in sixth.description
    assert cell.home.index(fifth.id).exists()


def test_content_that_vanished_or_shrank(cell: BackupCell):
    for number in range(10):
        (cell.source / f"{number}").write_bytes(b"1")
    cell.configure()
    first = cell.back_up()
    away = cell.root / "away"
    cell.source.rename(away)
    gone = cell.back_up()
    assert gone.state == "failed"
    assert "absence never means deleted" in gone.reason
    assert not cell.on_primary(gone.id).exists()
    assert not cell.home.index(gone.id).exists()
    assert cell.subclient().state == "offline"
    cell.source.mkdir()
    empty = cell.back_up()
    assert empty.state == "failed"
    assert "its content is empty, and had 10 files" in empty.reason
    (cell.source / "left").write_bytes(b"1")
    shrunk = cell.back_up()
    assert shrunk.state == "completed_with_errors"
    assert "90 % of its files are gone" in shrunk.reason
    assert cell.subclient().state == "offline"
    assert cell.lines(shrunk.id)["primary"].state == "available"
    accepted = cell.back_up(accept=True)
    assert accepted.state == "completed"
    assert cell.subclient().state == "online"
    assert first.state == "completed"


def test_it_is_refused(cell: BackupCell):
    cell.configure()
    with pytest.raises(NotFoundError, match="no subclient web/ww"):
        frontdoor.run_backup(cell.home, "web/ww", by="test")
    with pytest.raises(UsageError, match="no level"):
        frontdoor.run_backup(cell.home, NAME, level="weekly", by="test")


def test_browsing_as_of_times(cell: BackupCell):
    (cell.source / "sub").mkdir()
    (cell.source / "sub" / "old").write_bytes(b"1")
    (cell.source / "kept").write_bytes(b"333")
    cell.configure()
    first = cell.back_up()
    (cell.source / "sub" / "old").unlink()
    (cell.source / "sub" / "new").write_bytes(b"22")
    second = cell.back_up()
    path = bytes(cell.source.relative_to("/") / "sub")
    then = cell.lines(first.id)["primary"].completed_at
    found = frontdoor.browse(cell.home, subclient=NAME, as_of=then, path=path)
    assert [(one.name, one.size, one.job_id) for one in found] == [(b"old", 1, first.id)]
    found = frontdoor.browse(cell.home, subclient=NAME, path=path)
    assert [(one.name, one.size, one.job_id) for one in found] == [(b"new", 2, second.id)]
    assert frontdoor.browse(cell.home, job_id=first.id, path=path)[0].name == b"old"
    top = frontdoor.browse(cell.home, subclient=NAME)
    assert [(one.kind, one.name) for one in top] == [("directory", path.split(b"/")[0])]
    with pytest.raises(NotFoundError, match="no such directory"):
        frontdoor.browse(cell.home, subclient=NAME, path=path + b"/new")

    # What comes back is the tree as it was then, not what the newest backup job itself holds.
    ask = partial(frontdoor.preview_restore, cell.home, None, to="/nowhere", copy=None)
    whole = ask(subclient=NAME)
    assert whole.backup_job_id == second.id
    assert whole.coming == frontdoor.ComingBack(2, 5)
    assert (whole.copies, whole.not_on) == (("primary",), ("offsite", "second"))
    assert ask(subclient=NAME, paths=[path]).coming == frontdoor.ComingBack(1, 2)
    assert ask(subclient=NAME, path_globs=["*/kept"]).coming == frontdoor.ComingBack(1, 3)
    cell.home.index(second.id).unlink()
    assert ask(subclient=NAME).coming is None
