"""What one entry of a landing directory is: all that is in it, what is left out and why, and how a change is known."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from engine.library.landing import fingerprint, walk_entry
from engine.model.entries import DirectoryEntry, FileEntry, HardlinkEntry, SymlinkEntry
from engine.model.errors import SourceChanged, SourceError
from engine.model.names import rel_path
from tests.library.broken_calls import failing, watched
from tests.library.landing import look, tree
from tests.library.samples import meta

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="NOT PROVEN HERE: needs root")


def test_a_file_is_one_entry(landing: Path, fd: int):
    path = landing / "a.dump"
    path.write_bytes(b"content")
    path.chmod(0o640)
    os.utime(path, ns=(1, 1_600_000_000_123_456_789))
    found = path.stat()

    walk = walk_entry(fd, b"a.dump")

    [entry] = walk.entries
    assert isinstance(entry, FileEntry)
    assert (entry.path, entry.size, entry.chunks, entry.sparse) == (b"a.dump", 7, (), False)
    assert entry.meta.mode == 0o640
    assert entry.meta.mtime_ns == 1_600_000_000_123_456_789
    assert (entry.meta.uid, entry.meta.gid) == (found.st_uid, found.st_gid)
    assert entry.identity == (
        found.st_dev,
        found.st_ino,
        7,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )
    assert walk.newest_change_ns == found.st_ctime_ns
    assert (walk.size_bytes, walk.files, walk.left) == (7, 1, [])


def test_a_directory_is_all_that_is_in_it(landing: Path, fd: int):
    tree(landing)

    walk = walk_entry(fd, b"job1")

    assert [(type(entry), entry.path) for entry in walk.entries] == [
        (DirectoryEntry, b"job1"),
        (FileEntry, b"job1/a"),
        (DirectoryEntry, b"job1/sub"),
        (SymlinkEntry, b"job1/sub/link"),
        (HardlinkEntry, b"job1/sub/z"),
    ]
    assert walk.entries[3].target == b"/etc/passwd"
    assert walk.entries[4].to == b"job1/a"
    assert [(left.path, left.reason) for left in walk.left] == [
        (b"job1/fifo", "a FIFO cannot be copied")
    ]
    assert (walk.size_bytes, walk.files) == (7, 2)


def test_the_order_is_that_of_a_manifest(landing: Path, fd: int):
    for name in ("j/a", "j/a.b", "j/a/x", "j/a-b", "j/\x01"):
        path = landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.mkdir if name == "j/a" else path.touch)()

    paths = [entry.path for entry in walk_entry(fd, b"j").entries]

    assert paths == [b"j", b"j/\x01", b"j/a", b"j/a/x", b"j/a-b", b"j/a.b"]


def test_sparse_files_are_known(landing: Path, fd: int):
    with (landing / "sparse").open("wb") as stream:
        stream.truncate(10 * 1024**2)
    with (landing / "full").open("wb") as stream:
        stream.write(b"x" * 1024**2)
        stream.flush()
        os.fsync(stream.fileno())  # before, it has no blocks

    assert walk_entry(fd, b"sparse").entries[0].sparse
    assert not walk_entry(fd, b"full").entries[0].sparse


def test_extended_attributes_are_taken_along(landing: Path, fd: int):
    (landing / "a").write_text("x")
    try:
        os.setxattr(landing / "a", "user.note", b"\0\xff")
    except OSError:
        pytest.skip("NOT PROVEN HERE: no extended attributes on this file system")

    assert walk_entry(fd, b"a").entries[0].meta.xattrs == ((b"user.note", b"\0\xff"),)


@needs_root
def test_another_file_system_is_left(landing: Path, fd: int):
    (landing / "job" / "mounted").mkdir(parents=True)
    mounted = str(landing / "job" / "mounted")
    if subprocess.run(["mount", "-t", "tmpfs", "none", mounted], check=False).returncode:
        pytest.skip("NOT PROVEN HERE: no tmpfs can be mounted")
    try:
        (landing / "job" / "mounted" / "file").write_text("x")

        walk = walk_entry(fd, b"job")

        assert [entry.path for entry in walk.entries] == [b"job"]
        assert "another file system" in walk.left[0].reason
    finally:
        subprocess.run(["umount", "-l", mounted], check=True)


def test_what_goes_away_meanwhile_is_a_change(landing: Path, fd: int):
    with pytest.raises(SourceChanged, match="went away"):
        walk_entry(fd, b"gone")


@pytest.mark.parametrize("number", range(1, 5))
def test_a_directory_that_cannot_be_listed_is_an_error(landing: Path, fd: int, number: int):
    tree(landing)

    with watched(failing(number, errno.EIO)), pytest.raises(SourceError):
        walk_entry(fd, b"job1")


def fingerprint_of(landing: Path) -> str:
    [seen] = look(landing).entries
    return seen.fingerprint


def test_the_same_content_has_the_same_fingerprint(landing: Path):
    tree(landing)
    before = fingerprint_of(landing)

    (landing / "job1" / "a").chmod(0o600)  # no change of a backup job
    os.link(landing / "job1" / "a", landing.parent / "kept")

    assert fingerprint_of(landing) == before


def test_changes_have_another_fingerprint(landing: Path):
    tree(landing)
    job = landing / "job1"
    seen = [fingerprint_of(landing)]

    for change in (
        lambda: os.utime(job / "a", ns=(1, 1)),
        lambda: os.truncate(job / "a", 3),
        (job / "new").mkdir,
        lambda: (job / "new").rename(job / "newer"),
        lambda: ((job / "sub" / "link").unlink(), (job / "sub" / "link").symlink_to("x")),
        (job / "sub" / "z").unlink,
    ):
        change()
        seen.append(fingerprint_of(landing))

    assert len(set(seen)) == len(seen)


def test_a_fingerprint_is_what_it_always_was():
    """Catalogs and journals keep it."""
    kept = meta(mtime_ns=5)
    entries = [
        DirectoryEntry(path=rel_path(b"x"), meta=kept),
        FileEntry(path=rel_path(b"x/a"), size=7, meta=kept),
        SymlinkEntry(path=rel_path(b"x/b"), target=b"a/c", meta=kept),
        HardlinkEntry(path=rel_path(b"x/c"), to=rel_path(b"x/a")),
    ]

    assert fingerprint(iter(entries)) == (
        "98e82c9739067640b36252ad9a6aaef09446942473fd023920b4efa2e805a4fe"
    )


def test_names_cannot_imitate_each_other(landing: Path, fd: int):
    (landing / "x").mkdir()
    (landing / "x" / "a").write_text("")
    os.utime(landing / "x" / "a", ns=(0, 0))
    one = fingerprint(walk_entry(fd, b"x").entries)
    (landing / "x" / "a").rename(landing / "x" / "af0,0;1:b")

    assert fingerprint(walk_entry(fd, b"x").entries) != one
