"""Landing directories: what is adopted, what is left and why, and what is noticed when it is read."""

import errno
import os
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.library.landing import (
    LandingReader,
    LandingScan,
    fingerprint,
    look_at_landing,
    observe,
    settled,
    walk_entry,
)
from engine.model.entries import DirectoryEntry, FileEntry, HardlinkEntry, SymlinkEntry
from engine.model.errors import LibraryOffline, SourceChanged, SourceError, SourceRead
from engine.model.names import rel_path
from tests.library.broken_calls import failing, watched
from tests.library.samples import header, meta, read_all

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="NOT PROVEN HERE: needs root")


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    landing = tmp_path / "landing"
    landing.mkdir()
    return landing


@pytest.fixture
def fd(landing: Path) -> Iterator[int]:
    fd = os.open(landing, os.O_RDONLY)
    yield fd
    os.close(fd)


def look(landing: Path, pattern: str = "*") -> LandingScan:
    return look_at_landing(bytes(landing), pattern, identity={}, expects_entries=False)


def tree(landing: Path) -> None:
    """A directory as a backup program would leave it, and some odd things in it."""
    job = landing / "job1"
    (job / "sub").mkdir(parents=True)
    (job / "a").write_bytes(b"content")
    os.link(job / "a", job / "sub" / "z")
    (job / "sub" / "link").symlink_to("/etc/passwd")
    os.mkfifo(job / "fifo")


# --- candidates -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*", [b"\xff.dump", b"a.dump", b"b.DUMP", b"c", b"n\nl.dump"]),
        ("*.dump", [b"\xff.dump", b"a.dump", b"n\nl.dump"]),
        ("?", [b"c"]),
        ("[ab].*", [b"a.dump", b"b.DUMP"]),
        (".*", [b".hidden.dump"]),
        ("nothing", []),
    ],
)
def test_patterns(landing: Path, fd: int, pattern: str, found: list[bytes]):
    for name in (b"a.dump", b"b.DUMP", b"c", b"\xff.dump", b"n\nl.dump", b".hidden.dump"):
        (landing / os.fsdecode(name)).write_text("x")

    assert sorted(c.name for c in observe(fd, pattern)) == sorted(found)


def test_only_files_and_directories_are_candidates(landing: Path, fd: int, tmp_path: Path):
    (landing / "directory").mkdir()
    (landing / "file").write_text("x")
    (landing / "link").symlink_to(landing / "file")
    (landing / "dangling").symlink_to("nowhere")
    os.mkfifo(landing / "fifo")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(landing / "socket"))
    server.close()

    left = {c.name: c.left_because for c in observe(fd, "*")}

    assert left.pop(b"directory") == left.pop(b"file") == ""
    assert "symbolic link" in left.pop(b"link")
    assert "symbolic link" in left.pop(b"dangling")
    assert set(left) == {b"fifo", b"socket"}
    assert all(left.values())


def test_a_listing_that_fails_is_not_empty(landing: Path, fd: int):
    with watched(failing(1, errno.EIO)), pytest.raises(SourceRead):
        observe(fd, "*")


# --- walking --------------------------------------------------------------------------------


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


@pytest.mark.parametrize(("name", "levels"), [("d", 70), ("n" * 250, 17)])
def test_an_entry_that_could_not_be_kept_whole_is_not_adopted(
    landing: Path, name: str, levels: int
):
    (landing / "good").write_text("x")
    fd = os.open(landing, os.O_RDONLY)
    for _ in range(levels):  # step by step: no single call takes so long a path
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open("lost", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)

    scan = look(landing)

    assert [seen.name for seen in scan.entries] == [b"good"]
    [(left, reason)] = scan.left
    assert left == os.fsencode(name)
    assert "could not be kept whole" in reason
    assert "levels deep" in reason


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


def test_looking_leaves_no_trace(landing: Path):
    tree(landing)
    (landing / "file").write_text("x")
    paths = [landing, *landing.rglob("*")]
    for path in paths:
        os.utime(path, ns=(1, 2), follow_symlinks=False)
    before = [path.lstat() for path in paths if not path.is_dir()]

    look(landing)
    file = next(e for s in look(landing).entries for e in s.entries if e.path == b"file")
    reader = LandingReader(str(landing), header(), [file], has_digests=False)
    read_all(reader, file)
    reader.close()

    assert [path.lstat() for path in paths if not path.is_dir()] == before


# --- fingerprints ---------------------------------------------------------------------------


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


# --- settling -------------------------------------------------------------------------------


def wait(*, changed_s_ago: float, seen_s_ago: float = 0, settle_s: float = 300) -> str:
    return settled(
        now=NOW,
        newest_change_ns=int((NOW.timestamp() - changed_s_ago) * 1e9),
        settle_s=settle_s,
        first_seen_at=NOW - timedelta(seconds=seen_s_ago),
    )


def test_what_was_left_alone_has_settled():
    assert wait(changed_s_ago=300) == ""
    assert wait(changed_s_ago=299) == "unchanged for 299 s, it settles after 300 s"
    assert wait(changed_s_ago=0, settle_s=0) == ""


def test_times_in_the_future_do_not_block_for_ever():
    year = 365 * 86400

    assert "future" in wait(changed_s_ago=-year, seen_s_ago=299)
    assert wait(changed_s_ago=-year, seen_s_ago=300) == ""
    assert wait(changed_s_ago=-400 * year, seen_s_ago=300) == ""
    assert "future" in wait(changed_s_ago=-1, seen_s_ago=-100)  # the clock went back


# --- the whole look -------------------------------------------------------------------------


def test_a_look_says_everything(landing: Path):
    tree(landing)
    (landing / "b.dump").write_bytes(b"x" * 100)
    (landing / "link").symlink_to("b.dump")

    scan = look(landing)

    assert [(s.name, s.size_bytes, s.files, s.chunks) for s in scan.entries] == [
        (b"b.dump", 100, 1, 1),
        (b"job1", 7, 2, 1),
    ]
    assert dict(scan.left).keys() == {b"link", b"job1/fifo"}
    assert scan.entries[0].entries == walk_of(landing, b"b.dump")
    mtime = (landing / "b.dump").stat().st_mtime_ns
    assert scan.entries[0].newest_mtime_ns == scan.entries[0].oldest_mtime_ns == mtime


def walk_of(landing: Path, name: bytes) -> list[object]:
    fd = os.open(landing, os.O_RDONLY)
    try:
        return list(walk_entry(fd, name).entries)
    finally:
        os.close(fd)


def test_one_bad_entry_does_not_stop_the_others(landing: Path):
    tree(landing)
    (landing / "b.dump").write_text("x")

    def act(_: int, name: str) -> None:
        if name == "listdir":
            calls.append(name)
            if len(calls) == 3:  # landing directory twice, then the directory in it
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    calls: list[str] = []
    with watched(act):
        scan = look(landing)

    assert [seen.name for seen in scan.entries] == [b"b.dump"]
    assert scan.left == [(b"job1", "cannot look at job1: input/output error")]


def test_odd_times_are_held_within_dates(landing: Path):
    (landing / "old").write_text("x")
    os.utime(landing / "old", ns=(0, -5_000_000_000))

    [seen] = look(landing).entries

    assert seen.newest_mtime_ns == 0
    assert seen.entries[0].meta.mtime_ns == -5_000_000_000
    assert datetime.fromtimestamp(seen.newest_mtime_ns / 1e9, UTC).year == 1970


def test_a_directory_without_files_has_its_own_time(landing: Path):
    (landing / "empty").mkdir()
    os.utime(landing / "empty", ns=(0, 5_000_000_000))

    [seen] = look(landing).entries

    assert (seen.newest_mtime_ns, seen.files, seen.chunks) == (5_000_000_000, 0, 0)


def test_a_missing_landing_directory_is_offline(landing: Path):
    with pytest.raises(LibraryOffline, match="no such file") as offline:
        look(landing / "unmounted\x1b")
    assert offline.value.hint
    assert offline.value.message.isprintable()


def test_a_suddenly_empty_one_is_offline(landing: Path):
    identity = look(landing).identity

    def again(*, expects: bool) -> LandingScan:
        return look_at_landing(bytes(landing), "*", identity=identity, expects_entries=expects)

    assert again(expects=False).entries == []
    with pytest.raises(LibraryOffline, match="suddenly empty"):
        again(expects=True)


@needs_root
def test_another_file_system_is_offline(landing: Path):
    (landing / "a").write_text("x")
    identity = look(landing).identity
    if subprocess.run(["mount", "-t", "tmpfs", "none", str(landing)], check=False).returncode:
        pytest.skip("NOT PROVEN HERE: no tmpfs can be mounted")
    try:
        (landing / "b").write_text("x")
        with pytest.raises(LibraryOffline, match="another file system"):
            look_at_landing(bytes(landing), "*", identity=identity, expects_entries=True)
        assert look(landing).entries[0].name == b"b"  # accepted
    finally:
        subprocess.run(["umount", "-l", str(landing)], check=True)


@pytest.mark.parametrize("change", [{"device": -1}, {"fsid": "other"}, {"inode": -1}])
def test_one_number_that_changes_is_still_the_same(landing: Path, change: dict[str, object]):
    (landing / "a").write_text("x")
    identity = look(landing).identity
    if "device" in change and not identity["fsid"]:
        pytest.skip("NOT PROVEN HERE: this file system has no id")

    look_at_landing(bytes(landing), "*", identity=identity | change, expects_entries=True)


# --- reading --------------------------------------------------------------------------------


def reader_of(landing: Path, *, has_digests: bool = False) -> LandingReader:
    entries = [entry for seen in look(landing).entries for entry in seen.entries]
    return LandingReader(str(landing), header(), entries, has_digests=has_digests)


def first_file(reader: LandingReader) -> FileEntry:
    return next(entry for entry in reader.entries() if isinstance(entry, FileEntry))


def test_reading_what_was_adopted(landing: Path):
    tree(landing)
    reader = reader_of(landing)

    assert reader.header == header()
    assert not reader.has_digests
    assert len(list(reader.entries())) == len(list(reader.entries())) == 5
    assert read_all(reader, first_file(reader)) == b"content"
    reader.close()


def replaced(path: Path) -> None:
    """Another file with the same size and times."""
    found = path.stat()
    path.unlink()
    path.write_bytes(b"tnetnoc")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def rewritten(path: Path) -> None:
    """The same file with other bytes and its times set back."""
    found = path.stat()
    path.write_bytes(b"tnetnoc")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda path: os.truncate(path, 3), "3 bytes, 7 were adopted"),
        (lambda path: os.utime(path, ns=(1, 1)), "modified"),
        (replaced, "another file has its name|attributes"),
        (rewritten, "attributes were changed"),
        (lambda path: path.chmod(0o600), "attributes were changed"),
    ],
)
def test_before_the_first_copy_any_change_is_noticed(landing: Path, change, why: str):
    path = landing / "a.dump"
    path.write_bytes(b"content")
    reader = reader_of(landing)
    change(path)

    with pytest.raises(SourceChanged, match=why) as changed:
        reader.open_file(first_file(reader))
    with pytest.raises(SourceChanged, match=why):
        reader.read_whole(first_file(reader), memoryview(bytearray(7)))

    assert changed.value.retryable
    assert changed.value.hint
    reader.close()


def test_with_digests_a_change_of_attributes_is_no_change(landing: Path):
    path = landing / "a.dump"
    path.write_bytes(b"content")
    reader = reader_of(landing, has_digests=True)

    path.chmod(0o600)
    os.link(path, landing.parent / "kept")
    whole = bytearray(7)
    assert reader.read_whole(first_file(reader), memoryview(whole))
    assert read_all(reader, first_file(reader)) == bytes(whole) == b"content"
    os.truncate(path, 3)
    with pytest.raises(SourceChanged):
        reader.open_file(first_file(reader))
    with pytest.raises(SourceChanged):
        reader.read_whole(first_file(reader), memoryview(whole))
    reader.close()


@pytest.mark.parametrize("change", [rewritten, lambda path: path.chmod(0o600), os.remove])
def test_a_change_during_a_read_in_one_go_is_noticed(
    landing: Path, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
):
    """At its worst instant: all was read, nothing was looked at."""
    path = landing / "a.dump"
    path.write_bytes(b"content")
    reader = reader_of(landing)
    look = os.fstat

    def late(fd: int) -> os.stat_result:
        monkeypatch.undo()
        change(path)
        return look(fd)

    monkeypatch.setattr(os, "fstat", late)
    with pytest.raises(SourceChanged, match="attributes were changed"):
        reader.read_whole(first_file(reader), memoryview(bytearray(7)))
    reader.close()


def test_a_short_read_in_one_go_is_no_content(landing: Path, monkeypatch: pytest.MonkeyPatch):
    """A file system on which the attributes are behind the content."""
    (landing / "a.dump").write_bytes(b"content")
    reader = reader_of(landing)
    read = os.preadv
    monkeypatch.setattr(
        os, "preadv", lambda fd, into, at, *_: 0 if at else read(fd, [into[0][:3]], at)
    )

    with pytest.raises(SourceChanged, match="ended at byte 3 of 7"):
        reader.read_whole(first_file(reader), memoryview(bytearray(7)))
    reader.close()


def test_what_nothing_proves_is_not_read_in_one_go(landing: Path):
    """Without an identity and without a digest, only a look before the read and one after it can tell."""
    (landing / "a.dump").write_bytes(b"content")
    found = look(landing).entries[0].entries
    bare = [replace(entry, identity=None) for entry in found if isinstance(entry, FileEntry)]
    reader = LandingReader(str(landing), header(), bare, has_digests=False)
    whole = bytearray(7)

    assert not reader.read_whole(bare[0], memoryview(whole))
    assert whole == bytes(7)
    reader.close()


def test_a_change_while_reading_is_noticed(landing: Path):
    path = landing / "a.dump"
    path.write_bytes(b"content")
    reader = reader_of(landing)
    handle = reader.open_file(first_file(reader))
    assert handle.unchanged()

    rewritten(path)

    assert not handle.unchanged()
    handle.close()
    reader.close()


def test_links_and_odd_things_in_its_place_are_not_read(landing: Path):
    path = landing / "a.dump"
    path.write_bytes(b"content")
    reader = reader_of(landing)
    entry = first_file(reader)
    path.unlink()

    with pytest.raises(SourceRead, match="no such file"):
        reader.open_file(entry)
    path.symlink_to("/etc/passwd")
    with pytest.raises(SourceRead, match="symbolic link"):
        reader.open_file(entry)
    path.unlink()
    os.mkfifo(path)
    for call in (reader.open_file, lambda e: reader.read_whole(e, memoryview(bytearray(7)))):
        with pytest.raises(SourceRead, match="not a regular file"):
            call(entry)
    path.unlink()
    path.mkdir()
    with pytest.raises(SourceRead):
        reader.open_file(entry)
    reader.close()


def test_an_unreadable_file_is_an_error_of_the_source(landing: Path):
    (landing / "a.dump").write_bytes(b"content")
    reader = reader_of(landing)

    with watched(failing(1, errno.EIO)), pytest.raises(SourceRead, match="input/output error"):
        reader.open_file(first_file(reader))
    handle = reader.open_file(first_file(reader))
    with watched(failing(1, errno.EIO)), pytest.raises(SourceRead, match=r"read a\.dump"):
        handle.read_into(memoryview(bytearray(7)), 0)
    handle.close()
    reader.close()


def test_a_reader_of_a_missing_directory_is_offline(landing: Path):
    with pytest.raises(LibraryOffline):
        LandingReader(str(landing / "none"), header(), [], has_digests=False)


def test_the_landing_directory_may_itself_be_a_link(landing: Path, tmp_path: Path):
    (landing / "a").write_text("x")
    (tmp_path / "alias").symlink_to(landing)

    assert [seen.name for seen in look(tmp_path / "alias").entries] == [b"a"]
    assert stat.S_ISLNK((tmp_path / "alias").lstat().st_mode)
