"""Landing directories: what is adopted, what is left and why, and when they are offline."""

import errno
import os
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.library.landing import (
    LandingReader,
    LandingScan,
    look_at_landing,
    observe,
    settled,
    walk_entry,
)
from engine.model.errors import LibraryOffline, SourceRead
from tests.library.broken_calls import failing, watched
from tests.library.landing import look, tree
from tests.library.samples import header, read_all

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="NOT PROVEN HERE: needs root")


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
