"""What is durable at each step of a publication, by what was called alone.

A power cut on a real file system shows one of the states that may be left. Here every call counts as
lost until something synced it, in whatever order a file system writes: so nothing may be renamed into
its place, or journaled, while anything that it speaks of is not synced.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.library import syscalls
from engine.library.local import LocalLibrary
from tests.library.local import copy_path
from tests.library.samples import (
    PLACE,
    Job,
    check_copy,
    copy_job,
    followed_job,
    header,
    sample_job,
)
from tests.library.test_local_crashes import (
    big_batch_job,
    new_job,
    replaced,
    write_behind,
    write_in_batches,
)

Inode = int


class Unsynced:
    """The files and directories of a library that have been changed since they were synced.

    Args:
        copy: where its job copies lie.
    """

    def __init__(self, copy: Path) -> None:
        self._copy = os.fsencode(copy)
        self._libc = syscalls._libc
        self.inodes: dict[Inode, bytes] = {}
        """With the path that each had when it was changed."""
        self.checked: list[str] = []
        self.is_first_try = True
        """Else directories may be found that were never synced: what lies in one that is lost is
        not there, and not believed."""

    def below(self, path: bytes, *, but: tuple[bytes, ...] = ()) -> list[bytes]:
        """What is not synced at a path and below it."""
        found = []
        for base, directories, files in os.walk(path):
            for name in (b"", *directories, *files):
                full = os.path.join(base, name) if name else base
                if os.path.lexists(full) and os.lstat(full).st_ino in self.inodes:
                    found.append(os.path.relpath(full, path))
        return sorted({one for one in found if one not in but})

    def __getattr__(self, name: str) -> Callable[..., int]:
        """Stands for the C library."""
        real = getattr(self._libc, name)

        def call(*args: Any) -> int:
            if name == "renameat2" and args[4] == 1:
                self._before_rename(args[1], args[0])
            result: int = real(*args)
            if not result and name == "renameat2":
                self._touch(_path_of(args[0]), _path_of(args[2]))
            elif not result and name == "fallocate64":
                self._touch(_path_of(args[0]))
            elif not result and name == "syncfs":
                self.inodes.clear()
            return result

        return call

    def wrapped(self, name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            if name == "rename":
                self._before_rename(args[0], kwargs["src_dir_fd"])
            elif name == "unlink" and args[0] == b"journal":
                self._before_the_journal_goes(_path_of(kwargs["dir_fd"]))
            elif name == "pwrite" and _path_of(args[0]).endswith(b"/journal"):
                self._before_journaling(bytes(args[1]))
            gone = _number_of(args[0], kwargs["dir_fd"]) if name in ("unlink", "rmdir") else None
            result = real(*args, **kwargs)
            if gone is not None:
                self.inodes.pop(gone, None)  # its number is given to another
            self._after(name, args, kwargs, result)
            return result

        return call

    def _after(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        if name in ("fsync", "fdatasync"):
            self.inodes.pop(os.fstat(args[0]).st_ino, None)
        elif name == "open":
            if args[1] & os.O_CREAT:
                self._touch(_path_of(result), _path_of(kwargs["dir_fd"]))
        elif name == "rename":
            self._touch(_path_of(kwargs["src_dir_fd"]), _path_of(kwargs["dst_dir_fd"]))
        elif name == "link":
            self._touch(_path_of(kwargs["dst_dir_fd"]))
        elif isinstance(args[0], int):
            self._touch(_path_of(args[0]))
        elif name in ("mkdir", "symlink", "unlink", "rmdir"):
            self._touch(_path_of(kwargs["dir_fd"]))

    def _touch(self, *paths: bytes) -> None:
        for path in paths:
            if path.startswith(self._copy) and os.path.lexists(path):
                self.inodes[os.lstat(path).st_ino] = path

    def _before_rename(self, name: bytes, parent: int) -> None:
        where = _path_of(parent)
        if name == b"manifest.jsonl.zst.new":
            self.checked.append("manifest")
            assert self.below(where, but=(b".",)) == []
        elif name == b"journal.new":
            self.checked.append("journal")
            assert where + b"/journal.new" not in self.inodes.values()
        elif where.endswith(b"/.partial"):
            self.checked.append("job copy")
            assert self.below(where + b"/" + name) == []

    def _before_the_journal_goes(self, where: bytes) -> None:
        if os.path.lexists(where + b"/manifest.jsonl.zst"):
            self.checked.append("end of journal")
            assert where not in self.inodes.values()

    def _before_journaling(self, lines: bytes) -> None:
        for line in lines.splitlines():
            record = json.loads(line.partition(b" ")[2] or b"{}")
            if "chunk" in record:
                self.checked.append("chunk")
                path = self._copy + b"/.partial/7/data/" + os.fsencode(record["path"])
                assert os.lstat(path).st_ino not in self.inodes, path
                while self.is_first_try and not path.endswith(b"/7"):
                    assert os.lstat(path).st_ino not in self.inodes, path
                    path = os.path.dirname(path)


def _number_of(name: bytes, parent: int) -> Inode | None:
    """Of what is gone when its name is."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except OSError:
        return None
    return found.st_ino if found.st_nlink == 1 or stat.S_ISDIR(found.st_mode) else None


def _path_of(fd: int) -> bytes:
    return os.readlink(b"/proc/self/fd/%d" % fd)


CALLS = (
    "open",
    "mkdir",
    "rename",
    "link",
    "symlink",
    "unlink",
    "rmdir",
    "pwrite",
    "fsync",
    "fdatasync",
    "ftruncate",
    "fchmod",
    "fchown",
    "chown",
    "utime",
    "setxattr",
)


@contextmanager
def followed(copy: Path) -> Iterator[Unsynced]:
    unsynced = Unsynced(copy)
    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, unsynced.wrapped(name))
        patch.setattr(syscalls, "_libc", unsynced)
        yield unsynced


def bare_job() -> Job:
    """No directories: an empty file is the last that is made, at its publication."""
    job = Job()
    job.file(b"content", b"content")
    job.file(b"empty", b"")
    return job


@pytest.mark.parametrize("is_honest", [True, False])
@pytest.mark.parametrize(
    ("work", "make"),
    [
        (copy_job, sample_job),
        (copy_job, bare_job),
        (write_in_batches, sample_job),
        (write_in_batches, big_batch_job),
        (write_behind, followed_job),
    ],
)
def test_nothing_is_journaled_or_published_before_it_is_durable(
    root: Path,
    library: LocalLibrary,
    monkeypatch: pytest.MonkeyPatch,
    work: Callable[[LocalLibrary, Job], object],
    make: Callable[[], Job],
    is_honest: bool,
):
    monkeypatch.setattr(syscalls, "_reports_lost_writes", lambda: is_honest)
    job = make()

    with followed(copy_path(root)) as unsynced:
        work(library, job)

    assert unsynced.checked[-3:] == ["manifest", "end of journal", "job copy"]
    assert unsynced.checked.count("chunk") == len(job.dones)
    assert unsynced.below(bytes(copy_path(root)), but=(b".partial",)) == []
    check_copy(library, job)


@pytest.mark.parametrize("is_honest", [True, False])
def test_what_takes_the_place_of_another_is_durable_before_that(
    root: Path, library: LocalLibrary, monkeypatch: pytest.MonkeyPatch, is_honest: bool
):
    monkeypatch.setattr(syscalls, "_reports_lost_writes", lambda: is_honest)
    copy_job(library, sample_job())

    with followed(copy_path(root)) as unsynced:
        replaced(library, new_job())

    assert unsynced.checked[-3:] == ["manifest", "end of journal", "job copy"]
    assert unsynced.below(bytes(copy_path(root)), but=(b".partial",)) == []
    check_copy(library, new_job())


def test_what_an_earlier_try_made_is_synced_before_it_is_published(
    root: Path, library: LocalLibrary
):
    """Killed before anything was synced, in the same boot: this try finds files and directories."""
    job = sample_job()
    with followed(copy_path(root)) as unsynced:
        first = library.write_job(PLACE, header(), source_key="source")
        for file in job.files:
            first.open_file(file).close()
        first.close()
        unsynced.is_first_try = False
        copy_job(library, job)

    assert "job copy" in unsynced.checked
    assert unsynced.below(bytes(copy_path(root)), but=(b".partial",)) == []
