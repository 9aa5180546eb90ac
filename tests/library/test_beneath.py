"""Nothing is opened, written or removed outside, and no link is followed."""

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.library.beneath import (
    Parents,
    create_file,
    is_at,
    make_durable_directory,
    open_directory,
    open_for_reading,
    open_own_directory,
    open_own_file,
    remove_tree,
)
from engine.library.shared_parents import SharedParents
from engine.model.errors import UnsafeName
from engine.model.names import RelPath, rel_path
from tests.library.broken_calls import watched


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "victim").write_text("precious")
    return root


@pytest.fixture
def fd(root: Path) -> Iterator[int]:
    fd = os.open(root, os.O_RDONLY)
    yield fd
    os.close(fd)


def test_a_link_to_a_directory_is_not_walked(root: Path, fd: int):
    (root / "link").symlink_to(root.parent / "outside")

    with pytest.raises(OSError, match="Not a directory"):
        open_directory(b"link", parent=fd)
    for make in (False, True):
        with Parents(fd, make=make) as parents, pytest.raises(OSError, match="Not a directory"):
            parents.of(rel_path(b"link/victim"))


@pytest.mark.parametrize(
    "path", [b"../outside/victim", b"/etc/passwd", b"a/../../outside/victim", b"", b"a//b", b"."]
)
def test_a_path_that_leads_out_is_refused_even_if_somebody_let_it_pass(fd: int, path: bytes):
    with Parents(fd, make=True) as parents, pytest.raises(UnsafeName):
        parents.of(RelPath(path))


def test_a_link_to_a_file_is_not_opened(root: Path, fd: int):
    (root / "link").symlink_to(root.parent / "outside" / "victim")

    for opening in (
        lambda: open_for_reading(b"link", parent=fd),
        lambda: open_own_file(b"link", parent=fd, write=True),
        lambda: open_own_file(b"link", parent=fd, write=False),
        lambda: create_file(b"link", parent=fd),
    ):
        with pytest.raises(OSError, match=r"symbolic link|File exists"):
            opening()


def test_a_fifo_is_not_waited_for(root: Path, fd: int):
    os.mkfifo(root / "fifo")

    with pytest.raises(OSError, match="not a regular file"):
        open_for_reading(b"fifo", parent=fd)
    with pytest.raises(OSError, match="not a regular file"):
        open_own_file(b"fifo", parent=fd, write=True)


def test_what_is_made_is_private(root: Path, fd: int):
    old = os.umask(0)
    os.close(create_file(b"file", parent=fd))
    os.close(make_durable_directory(b"directory", parent=fd))
    os.umask(old)

    assert stat.S_IMODE((root / "file").stat().st_mode) == 0o600
    assert stat.S_IMODE((root / "directory").stat().st_mode) == 0o700


def test_a_directory_that_was_there_is_synced_all_the_same(root: Path, fd: int):
    (root / "directory").mkdir()

    with watched(lambda *_: None) as calls:
        os.close(make_durable_directory(b"directory", parent=fd))

    assert calls.log == ["mkdir", "open", "fsync"]


def test_a_directory_of_ours_without_permissions_is_made_usable(root: Path, fd: int):
    (root / "closed").mkdir(mode=0o555)

    os.close(open_own_directory(b"closed", parent=fd))

    assert stat.S_IMODE((root / "closed").stat().st_mode) == 0o755


def test_parents_stay_open_for_neighbours(root: Path, fd: int):
    with Parents(fd, make=True) as parents:
        parents.of(rel_path(b"a/b/one"))
        with watched(lambda *_: None) as calls:
            parents.of(rel_path(b"a/b/two"))
    assert calls.log == []
    assert (root / "a" / "b").is_dir()


def test_parents_say_what_they_made(fd: int):
    made: list[bytes] = []

    with Parents(fd, make=True, made=made.append) as parents:
        parents.of(rel_path(b"a/b/file"))
        parents.of(rel_path(b"a/c/file"))

    assert made == [b"", b"a", b"a"]


def test_removing_a_tree_spares_what_links_point_to(root: Path, fd: int):
    tree = root / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "file").write_text("x")
    (tree / "sub" / "out").symlink_to(root.parent / "outside")
    (tree / "sub").chmod(0o500)

    remove_tree(b"tree", parent=fd)

    assert os.listdir(root) == []
    assert (root.parent / "outside" / "victim").read_text() == "precious"
    remove_tree(b"tree", parent=fd)


def test_removing_a_link_removes_the_link(root: Path, fd: int):
    (root / "link").symlink_to(root.parent / "outside")

    remove_tree(b"link", parent=fd)

    assert os.listdir(root) == []
    assert (root.parent / "outside" / "victim").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT PROVEN HERE: mounting needs root")
def test_removing_a_tree_stops_at_a_mount(root: Path, fd: int):
    (root / "tree" / "mounted").mkdir(parents=True)
    mounting = ["mount", "-t", "tmpfs", "none", str(root / "tree" / "mounted")]
    if subprocess.run(mounting, check=False, capture_output=True).returncode:
        pytest.skip("NOT PROVEN HERE: no tmpfs can be mounted")
    try:
        (root / "tree" / "mounted" / "file").write_text("x")
        with pytest.raises(OSError, match=r"[Cc]ross-device"):
            remove_tree(b"tree", parent=fd)
        assert (root / "tree" / "mounted" / "file").exists()
    finally:
        subprocess.run(["umount", "-l", str(root / "tree" / "mounted")], check=True)


def test_a_swapped_directory_is_noticed(root: Path, fd: int):
    (root / "one").mkdir()
    (root / "two").mkdir()
    held = open_directory(b"one", parent=fd)
    assert is_at(b"one", held, parent=fd)

    (root / "one").rename(root / "three")
    assert not is_at(b"one", held, parent=fd)
    (root / "two").rename(root / "one")
    assert not is_at(b"one", held, parent=fd)
    os.close(held)


@pytest.fixture
def shared(root: Path, fd: int) -> Iterator[SharedParents]:
    """Of a directory with the files f0 to f39."""
    for number in range(40):
        (root / f"f{number}").write_bytes(b"%d" % number * 3)
    shared = SharedParents(fd)
    yield shared
    shared.close()


def wanted(count: int = 40) -> list[tuple[RelPath, memoryview]]:
    """So many of them, with room for their content."""
    return [
        (rel_path(b"f%d" % number), memoryview(bytearray(3 * len(b"%d" % number))))
        for number in range(count)
    ]


def is_open(directory: Path) -> set[str]:
    """The files of a directory that this process has open."""
    links = (os.path.join("/proc/self/fd", fd) for fd in os.listdir("/proc/self/fd"))
    found = (os.readlink(link) for link in links if os.path.islink(link))
    return {path for path in found if os.path.dirname(path) == str(directory)}


def cold(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Nothing is in the page cache; returns how many bytes the device was asked for ahead."""
    read, asked = os.preadv, []

    def late(fd: int, buffers: list[memoryview], at: int, flags: int = 0) -> int:
        if flags & os.RWF_NOWAIT:
            raise BlockingIOError
        return read(fd, buffers, at)

    monkeypatch.setattr(os, "preadv", late)
    monkeypatch.setattr(os, "posix_fadvise", lambda _, at, count, how: asked.append(count))
    return asked


def test_what_is_cached_is_read_with_one_file_open(
    root: Path, shared: SharedParents, monkeypatch: pytest.MonkeyPatch
):
    asked: list[int] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda *args: asked.append(args[2]))
    files = wanted()
    for number, (count, found) in enumerate(shared.read_each(files)):
        assert is_open(root) == set()
        assert count == found.st_size == len(files[number][1])
        assert bytes(files[number][1]) == b"%d" % number * 3
    assert number == 39
    assert asked == []


def test_what_is_not_cached_is_asked_for_many_at_once(
    root: Path, shared: SharedParents, monkeypatch: pytest.MonkeyPatch
):
    asked = cold(monkeypatch)
    files = wanted()

    reads = shared.read_each(files)
    next(reads)
    assert len(asked) == 32
    assert len(is_open(root)) == 31
    for _ in reads:
        pass

    assert [bytes(view) for _, view in files] == [b"%d" % number * 3 for number in range(40)]
    assert len(asked) == 40
    assert is_open(root) == set()


def test_who_reads_no_further_leaves_nothing_open(
    root: Path, shared: SharedParents, monkeypatch: pytest.MonkeyPatch
):
    cold(monkeypatch)
    reads = shared.read_each(wanted())
    next(reads)

    reads.close()  # type: ignore[attr-defined]

    assert is_open(root) == set()


@pytest.mark.parametrize("is_cold", [True, False])
def test_a_file_that_cannot_be_opened_is_told_when_it_is_its_turn(
    root: Path, shared: SharedParents, monkeypatch: pytest.MonkeyPatch, is_cold: bool
):
    if is_cold:
        cold(monkeypatch)
    (root / "f5").unlink()
    (root / "f5").symlink_to("/etc/passwd")
    files = wanted()
    reads = shared.read_each(files)

    for number in range(5):
        next(reads)
        assert bytes(files[number][1]) == b"%d" % number * 3
    with pytest.raises(OSError, match="symbolic links"):
        next(reads)

    assert is_open(root) == set()


def test_what_is_cached_in_part_is_read_whole(
    shared: SharedParents, monkeypatch: pytest.MonkeyPatch
):
    read = os.preadv

    def part(fd: int, buffers: list[memoryview], at: int, flags: int = 0) -> int:
        return read(fd, [buffers[0][:1]] if flags else buffers, at)

    monkeypatch.setattr(os, "preadv", part)
    files = wanted()

    counts = [count for count, _ in shared.read_each(files)]

    assert counts == [len(view) for _, view in files]
    assert [bytes(view) for _, view in files] == [b"%d" % number * 3 for number in range(40)]


def test_streams_in_two_directories_walk_once_each(
    root: Path, fd: int, monkeypatch: pytest.MonkeyPatch
):
    for directory in ("one", "other"):
        (root / directory).mkdir()
        (root / directory / "f").write_bytes(b"")
    walks: list[bytes] = []
    walk, of = Parents._walk, Parents.of
    shared = SharedParents(fd)

    def noted(self: Parents, path: bytes) -> int:
        walks.append(path)
        return walk(self, path)

    def while_another_opens(self: Parents, path: RelPath) -> tuple[int, bytes]:
        monkeypatch.setattr(Parents, "of", of)
        os.close(shared.open_file(rel_path(b"one/f"))[0])
        return of(self, path)

    monkeypatch.setattr(Parents, "_walk", noted)
    monkeypatch.setattr(Parents, "of", while_another_opens)
    try:
        os.close(shared.open_file(rel_path(b"other/f"))[0])
        for path in (b"one/f", b"other/f", b"one/f"):
            os.close(shared.open_file(rel_path(path))[0])
    finally:
        shared.close()

    assert walks == [b"one", b"other"]
