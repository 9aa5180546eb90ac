"""Which files and directories were changed and not synced since, by what was called alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from engine.library import syscalls

Inode = int

_CALLS = (
    "open",
    "mkdir",
    "rename",
    "replace",
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
    "utime",
    "setxattr",
)


class Unsynced:
    """Counts every change as lost until something has synced it, in whatever order that comes.

    Links have no sync of their own; what is set of them counts as synced with their names.

    Args:
        root: of what is looked at.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.fsencode(root)
        self._libc = syscalls._libc
        self.inodes: dict[Inode, bytes] = {}
        """With the path that each had when it was changed."""

    def before(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Called before each call of the `os` module, and before `renameat2`."""

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
            if name == "renameat2":
                self.before(name, args, {})
            result: int = real(*args)
            if result:
                return result
            if name == "renameat2":
                self._touch(args[0], args[2])
            elif name == "linkat":
                self._touch(args[2])
            elif name == "fallocate64":
                self._touch(args[0])
            elif name == "syncfs":
                self.inodes.clear()
            return result

        return call

    def wrapped(self, name: str) -> Callable[..., Any]:
        """A call of the `os` module."""
        real = getattr(os, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.before(name, args, kwargs)
            gone = _number_of(args[0], kwargs) if name in ("unlink", "rmdir") else None
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
            if args[1] & os.O_TMPFILE == os.O_TMPFILE:
                self._touch(result)
            elif args[1] & os.O_CREAT:
                self._touch(result, kwargs["dir_fd"])
        elif isinstance(args[0], int):
            self._touch(args[0])
        elif name != "utime":
            self._touch(*(v for k, v in kwargs.items() if k.endswith("dir_fd")))

    def _touch(self, *fds: int) -> None:
        for fd in fds:
            path = path_of(fd)
            if path.startswith(self.root):
                self.inodes[os.fstat(fd).st_ino] = path


Kind = TypeVar("Kind", bound=Unsynced)


@contextmanager
def followed(unsynced: Kind) -> Iterator[Kind]:
    """Follows every call for a block."""
    with pytest.MonkeyPatch.context() as patch:
        for name in _CALLS:
            patch.setattr(os, name, unsynced.wrapped(name))
        patch.setattr(syscalls, "_libc", unsynced)
        yield unsynced


def path_of(fd: int) -> bytes:
    """Where an open file is."""
    return os.readlink(b"/proc/self/fd/%d" % fd)


def _number_of(name: bytes, kwargs: dict[str, Any]) -> Inode | None:
    """Of what is gone when its name is."""
    try:
        found = os.stat(name, dir_fd=kwargs.get("dir_fd"), follow_symlinks=False)
    except OSError:
        return None
    return found.st_ino if found.st_nlink == 1 or stat.S_ISDIR(found.st_mode) else None
