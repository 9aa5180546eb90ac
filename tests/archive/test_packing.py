"""Backups of real trees: unpacked by GNU tar they are the originals, and increments add up."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.archive.packs import Pack, members, pack
from tests.archive.trees import look, make_tree

needs_tar = pytest.mark.skipif(shutil.which("tar") is None, reason="needs GNU tar")


def unpack(made: Pack, target: Path) -> None:
    target.mkdir(exist_ok=True)
    subprocess.run(
        ["tar", "x", "--xattrs", "--xattrs-include=*", "--acls", "-C", str(target)],
        input=made.tar,
        check=True,
    )


@needs_tar
def test_a_full_unpacked_by_gnu_tar_is_the_original(tmp_path: Path):
    source, target = tmp_path / "source", tmp_path / "target"
    make_tree(source)
    made = pack(source)
    assert made.result.problems == []
    unpack(made, target)
    assert look(target / source.relative_to("/")) == look(source)
    restored = target / source.relative_to("/") / "odd" / "sparse"
    assert restored.stat().st_blocks * 512 < 1_000_000


def test_the_standard_library_reads_it_and_the_index_points_at_the_bytes(tmp_path: Path):
    source = tmp_path / "source"
    make_tree(source)
    made = pack(source)
    entries = made.entries()
    assert {os.fsencode(member.name) for member in members(made.tar)} == set(entries)
    for entry in entries.values():
        if entry.kind == "file" and entry.segments is None:
            content = (Path("/") / os.fsdecode(entry.path)).read_bytes()
            assert made.tar[entry.at : entry.at + entry.size] == content


@needs_tar
def test_increments_over_a_full_are_the_tree_as_it_was(tmp_path: Path):
    source, target = tmp_path / "source", tmp_path / "target"
    make_tree(source)
    first = pack(source)
    (source / "plain" / "3.txt").write_bytes(b"changed")
    (source / "plain" / "4.txt").unlink()
    shutil.rmtree(source / "odd" / ("d" * 60))
    (source / "new" / "below").mkdir(parents=True)
    (source / "new" / "below" / "file").write_bytes(b"new")
    (source / "plain" / "5.txt").chmod(0o600)
    shutil.rmtree(source / "odd" / "empty")
    (source / "odd" / "empty").write_bytes(b"a file now")
    (source / "plain" / "7.txt").unlink()
    (source / "plain" / "7.txt").mkdir()
    (source / "odd" / "first").unlink()  # its other names go on
    (source / "plain" / "6.txt").rename(source / "plain" / "renamed")
    second = pack(source, job_id=2, base=first)
    assert second.result.archived == 7  # 3, 5, empty, new, renamed, and both names that are left
    deleted = {e.path for e in second.index().entries() if e.kind == "deleted"}
    top = os.fsencode(source.relative_to("/"))
    assert deleted == {
        top + name
        for name in (
            b"/plain/4.txt",
            b"/odd/" + b"d" * 60,
            b"/odd/first",
            b"/plain/6.txt",
            b"/odd/empty",
            b"/plain/7.txt",
        )
    }
    unpack(first, target)
    for path in sorted(deleted):
        gone = target / os.fsdecode(path)
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    unpack(second, target)
    assert look(target / source.relative_to("/")) == look(source)


def test_nothing_changed_archives_nothing_and_the_index_is_whole(tmp_path: Path):
    source = tmp_path / "source"
    make_tree(source)
    first = pack(source)
    second = pack(source, job_id=2, base=first)
    third = pack(source, job_id=3, base=second)
    assert second.result.archived == third.result.archived == 0
    before, after = first.entries(), third.entries()
    assert before.keys() == after.keys()
    files = [entry for entry in before.values() if entry.kind != "directory"]
    assert files == [after[entry.path] for entry in files]
    assert third.index().end.jobs == (1,)


def test_what_changes_while_it_is_read_is_noted_and_read_again(tmp_path: Path):
    source = tmp_path / "source"
    source.mkdir()
    growing, shrinking = source / "growing", source / "shrinking"
    growing.write_bytes(b"a" * 1000)
    shrinking.write_bytes(b"b" * (3 * 64 * 1024))
    (source / "later").write_bytes(b"c")
    (source / "once").write_bytes(b"d" * 1000)
    real = os.preadv
    seen: list[str] = []

    def preadv(fd, buffers, offset):
        path = os.readlink(f"/proc/self/fd/{fd}")
        seen.append(path)
        if path == str(growing):
            growing.write_bytes(b"A" * 1000 * (1 + seen.count(path)))
        if path == str(source / "once") and seen.count(path) == 1:
            (source / "once").write_bytes(b"D" * 1500)
        if path == str(shrinking) and offset:
            os.truncate(shrinking, 64 * 1024)
        return real(fd, buffers, offset)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "preadv", preadv)
        first = pack(source)
    names = {os.path.basename(problem.path): problem.why for problem in first.result.problems}
    assert names == dict.fromkeys((b"growing", b"shrinking"), "changed while it was read")
    entries = first.entries()
    assert {os.path.basename(e.path) for e in entries.values() if e.unsure} == set(names)
    sizes = {m.name.rpartition("/")[2]: m.size for m in members(first.tar) if m.isfile()}
    assert sizes == {
        "growing": 2000,  # read once more, and changed again
        "shrinking": 3 * 64 * 1024,
        "later": 1,
        "once": 1500,
    }
    second = pack(source, job_id=2, base=first)
    assert second.result.archived == 2
    assert not any(entry.unsure for entry in second.entries().values())


def test_what_cannot_be_read_stays_as_it_was_known(tmp_path: Path):
    source = tmp_path / "source"
    (source / "closed" / "inner").mkdir(parents=True)
    (source / "closed" / "inner" / "file").write_bytes(b"x")
    (source / "broken").write_bytes(b"y")
    first = pack(source)
    (source / "broken").write_bytes(b"other")
    (source / "closed" / "inner" / "file").write_bytes(b"z")
    real_open, real_list, real_preadv = os.open, os.listdir, os.preadv

    def refuse(fd):
        if isinstance(fd, int) and os.readlink(f"/proc/self/fd/{fd}").endswith("/closed"):
            raise PermissionError(13, "Permission denied")
        return real_list(fd)

    def preadv(fd, buffers, offset):
        if os.readlink(f"/proc/self/fd/{fd}").endswith("/broken"):
            raise OSError(5, "Input/output error")
        return real_preadv(fd, buffers, offset)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "listdir", refuse)
        patch.setattr(os, "preadv", preadv)
        second = pack(source, job_id=2, base=first)
    assert real_open is os.open
    whys = {os.path.basename(p.path): p.why for p in second.result.problems}
    assert "permission denied" in whys[b"closed"]
    assert "input/output error" in whys[b"broken"]
    entries = {os.path.basename(e.path): e for e in second.entries().values()}
    for name in (b"broken", b"file"):
        assert entries[name].unsure
        assert entries[name].job == 1
    third = pack(source, job_id=3, base=second)
    assert {os.path.basename(e.path) for e in third.entries().values() if e.job == 3} >= {
        b"broken",
        b"file",
    }
    assert not any(entry.unsure for entry in third.entries().values())


def test_excludes_other_content_and_our_own_places(tmp_path: Path):
    source = tmp_path / "source"
    for name in ("keep/a.txt", "keep/b.tmp", "cache/x", "one/cache/y", "vault/data", "last"):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1")
    vault = (source / "vault").stat()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(source / "socket"))
    listener.close()
    made = pack(
        source / "keep",
        source / "last",
        source / "one",
        source / "vault",
        source / "not there",
        exclude=("*.tmp", "one/cache"),
        left_out=frozenset({(vault.st_dev, vault.st_ino)}),
    )
    top = os.fsencode(source.relative_to("/"))
    below = {path[len(top) + 1 :] for path in made.entries() if path.startswith(top + b"/")}
    assert below == {b"keep", b"keep/a.txt", b"last", b"one", b"vault"}
    assert made.result.missing_roots == [top + b"/not there"]
    whole = pack(source)
    assert whole.result.left_out["sockets"] == 1


def test_a_path_that_cannot_be_restored_is_said(tmp_path: Path):
    source = tmp_path / "source"
    deep = source
    for _ in range(70):
        deep = deep / "d"
    deep.mkdir(parents=True)
    made = pack(source)
    assert [p.why for p in made.result.problems] == ["its path is too long or too deep"]
