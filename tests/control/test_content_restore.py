"""Restores of what auxtui backed up: as of a time, some paths, from what is whole, after a loss of everything."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.catalog.opening import open_catalog
from engine.control import frontdoor
from engine.model.errors import NotFoundError, UsageError
from tests.archive.trees import look, make_tree
from tests.control.backups import NAME, BackupCell


@pytest.fixture
def cell(backup_cell: BackupCell) -> BackupCell:
    return backup_cell


def restore(cell: BackupCell, target: Path, job_id: int | None = None, **options):
    """Runs a restore to its end."""
    given = {"copy": None, "path_globs": [], "overwrite": False, **options}
    if job_id is None:
        given.setdefault("subclient", NAME)
    return cell.wait(frontdoor.run_restore(cell.home, job_id, to=str(target), by="test", **given))


def test_everything_is_lost_and_comes_back_as_of_both_times(cell: BackupCell, tmp_path: Path):
    make_tree(cell.source)
    cell.configure('volume_size = "2MiB"')
    first = cell.back_up()
    then = look(cell.source)
    (cell.source / "plain" / "3.txt").write_bytes(b"changed")
    (cell.source / "plain" / "4.txt").unlink()
    shutil.rmtree(cell.source / "odd" / ("d" * 60))
    (cell.source / "new").mkdir()
    (cell.source / "new" / "file").write_bytes(b"new")
    second = cell.back_up()
    now = look(cell.source)
    assert cell.copy_all().state == "completed"
    times = [cell.lines(job.id)["primary"].completed_at for job in (first, second)]

    cell.close()
    shutil.rmtree(cell.home.path)
    shutil.rmtree(cell.root / "fast")
    shutil.rmtree(cell.source)
    (cell.root / "fast").mkdir()
    cell.configure('volume_size = "2MiB"')
    report = frontdoor.rebuild(cell.home, ["vault", "shelf"])
    assert (report["backup_jobs"], report["job_copies"], report["damaged"]) == (2, 4, [])
    assert cell.lines(first.id)["primary"].state == "aged"
    assert cell.home.index(second.id).exists()
    assert cell.subclient().believed_files == sum(1 for seen in now.values() if seen[5])

    for number, (time, tree) in enumerate(zip(times, (then, now), strict=True)):
        target = tmp_path / f"target{number}"
        job = restore(cell, target, as_of=time)
        assert job.state == "completed", cell.errors(job.id)
        assert look(cell.restored(target)) == tree
    with pytest.raises(NotFoundError, match="no copy has a backup"):
        restore(cell, tmp_path / "no", as_of=times[0].replace(year=2000))


def test_some_paths_read_only_the_frames_that_hold_them(cell: BackupCell, tmp_path: Path):
    (cell.source / "sub").mkdir()
    for name in ("a", "b", "sub/c", "sub/d"):
        (cell.source / name).write_bytes(name.encode())
    large = cell.source / "large"
    large.write_bytes(bytes(range(256)) * 64 * 1024)  # 16 MiB: four frames between a and sub
    cell.configure()
    job = cell.back_up()
    volume = next(cell.on_primary(job.id).glob("data/*.000001"))
    whole = volume.read_bytes()
    middle = whole.rindex(b"\x28\xb5\x2f\xfd", 0, len(whole) - 400)
    volume.write_bytes(whole[: middle - 20] + b"\0" * 10 + whole[middle - 10 :])

    top = str(cell.source)
    done = restore(cell, tmp_path / "globs", job.id, path_globs=[f"{top}/sub/[c]", f"{top}/a"])
    assert done.state == "completed"
    found = {p.name for p in cell.restored(tmp_path / "globs").rglob("*") if p.is_file()}
    assert found == {"a", "c"}
    marked = bytes(cell.source.relative_to("/")) + b"/sub"
    done = restore(cell, tmp_path / "marked", job.id, paths=[marked])
    found = {p.name for p in cell.restored(tmp_path / "marked").rglob("*") if p.is_file()}
    assert (done.state, found) == ("completed", {"c", "d"})
    done = restore(cell, tmp_path / "nothing", job.id, path_globs=["/nowhere/*"])
    assert "nothing in the backup job matches" in done.reason
    done = restore(cell, tmp_path / "damaged", job.id)
    assert done.state == "completed_with_errors"
    assert "has another digest" in cell.errors(done.id)[0]
    restored = cell.restored(tmp_path / "damaged")
    assert (restored / "a").read_bytes() == b"a"
    assert not (restored / "large").exists()


def test_a_damaged_frame_comes_from_another_copy(cell: BackupCell, tmp_path: Path):
    make_tree(cell.source)
    cell.configure()
    job = cell.back_up()
    cell.copy_all()
    volume = next(cell.on_primary(job.id).glob("data/*.000001"))
    content = bytearray(volume.read_bytes())
    content[len(content) // 2] ^= 1
    volume.write_bytes(content)
    done = restore(cell, tmp_path / "one", job.id)
    assert done.state == "completed"
    assert "from another copy" in done.description
    assert look(cell.restored(tmp_path / "one")) == look(cell.source)
    only = restore(cell, tmp_path / "two", job.id, copy="primary")
    assert only.state in ("failed", "completed_with_errors")
    shutil.rmtree(cell.root / "fast")
    gone = restore(cell, tmp_path / "three", job.id)
    assert gone.state == "completed"
    assert look(cell.restored(tmp_path / "three")) == look(cell.source)


def test_what_is_there_is_kept_unless_told(cell: BackupCell, tmp_path: Path):
    (cell.source / "a").write_bytes(b"old")
    cell.configure()
    job = cell.back_up()
    target = tmp_path / "target"
    mine = cell.restored(target) / "a"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    done = restore(cell, target, job.id)
    assert (done.state, done.exit_code, done.errors) == ("failed", 2, 1)
    assert cell.errors(done.id) == [f"{mine.relative_to(target)}: it is there already"]
    assert mine.read_bytes() == b"mine"
    assert restore(cell, target, job.id, overwrite=True).state == "completed"
    assert mine.read_bytes() == b"old"
    with pytest.raises(UsageError, match="in library"):
        restore(cell, cell.root / "vault" / "x", job.id)


def test_a_link_planted_in_the_target_leads_nowhere(cell: BackupCell, tmp_path: Path):
    (cell.source / "sub").mkdir()
    (cell.source / "sub" / "a").write_bytes(b"1")
    cell.configure()
    job = cell.back_up()
    outside = tmp_path / "outside"
    outside.mkdir()
    target = tmp_path / "target"
    parent = cell.restored(target)
    parent.mkdir(parents=True)
    (parent / "sub").symlink_to(outside)
    done = restore(cell, target, job.id, overwrite=True)
    assert done.state == "failed"
    assert list(outside.iterdir()) == []


def test_nothing_is_aged_while_a_source_that_shrank_is_in_doubt(cell: BackupCell):
    for number in range(10):
        (cell.source / f"{number}").write_bytes(b"1")
    cell.configure(primary='retain = "0s"\nretain_cycles = 1\nfuse_percent = 70')
    first = cell.back_up()
    for number in range(1, 10):
        (cell.source / f"{number}").unlink()
    shrunk = cell.back_up("full")
    assert shrunk.state == "completed_with_errors"
    cell.copy_all()
    stopped = cell.wait(frontdoor.run_aging(cell.home, dry_run=False, by="test"))
    assert "90 % of its files are gone" in stopped.reason
    assert cell.lines(first.id)["primary"].state == "available"
    assert cell.back_up("full", accept=True).state == "completed"
    cell.copy_all()
    done = cell.wait(frontdoor.run_aging(cell.home, dry_run=False, by="test"))
    assert done.state == "completed"
    assert cell.lines(first.id)["primary"].state == "aged"
    assert cell.lines(first.id)["offsite"].state == "available"


def test_aging_leaves_what_a_later_state_needs(cell: BackupCell):
    (cell.source / "a").write_bytes(b"1")
    cell.configure()
    first = cell.back_up()
    (cell.source / "b").write_bytes(b"1")
    second = cell.back_up()
    cell.copy_all()
    assert {line.cycle for job in (first, second) for line in cell.lines(job.id).values()} == {1}
    catalog = open_catalog(cell.home)
    catalog.close()
    done = cell.wait(frontdoor.run_aging(cell.home, dry_run=False, by="test"))
    assert done.state == "completed"
    for job in (first, second):
        assert {line.state for line in cell.lines(job.id).values()} == {"available"}
