"""Lets the n-th system call of the local library fail, or be its last."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine.library import syscalls

OS_CALLS = (
    "open",
    "mkdir",
    "rename",
    "link",
    "symlink",
    "unlink",
    "rmdir",
    "pwrite",
    "preadv",
    "pread",
    "fsync",
    "fdatasync",
    "ftruncate",
    "fchmod",
    "utime",
    "listdir",
)
LIBC_CALLS = ("renameat2", "syncfs", "fallocate64")


class Calls:
    """Counts system calls; acts on one of them.

    Args:
        act: called with the number and the name of each call, before it is made.
    """

    def __init__(self, act: Callable[[int, str], None]) -> None:
        self.count = 0
        self.log: list[str] = []
        self._act = act
        self._libc = syscalls._libc

    def passing(self, name: str) -> None:
        self.count += 1
        self.log.append(name)
        self._act(self.count, name)

    def wrapped(self, name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.passing(name)
            return real(*args, **kwargs)

        return call

    def __getattr__(self, name: str) -> Callable[..., int]:
        """Stands for the C library."""
        real = getattr(self._libc, name)

        def call(*args: Any) -> int:
            try:
                self.passing(name)
            except OSError as err:
                ctypes.set_errno(err.errno or 0)
                return -1
            return real(*args)

        return call


@contextmanager
def watched(act: Callable[[int, str], None]) -> Iterator[Calls]:
    """Watches every system call that changes or opens something."""
    calls = Calls(act)
    with pytest.MonkeyPatch.context() as patch:
        for name in OS_CALLS:
            patch.setattr(os, name, calls.wrapped(name))
        patch.setattr(syscalls, "_libc", calls)
        yield calls


def failing(number: int, code: int, *, for_ever: bool = False) -> Callable[[int, str], None]:
    """Lets one call, or it and all after it, fail with an error number."""

    def act(count: int, _: str) -> None:
        if count == number or (for_ever and count > number):
            raise OSError(code, os.strerror(code))

    return act


def in_child(work: Callable[[], None], *, die_at: int, dying: Callable[[], None]) -> bool:
    """Runs work in a forked process that is gone at its n-th call; True when it came to its end.

    Args:
        dying: runs in the child just before its end, e.g. to cut the power.
    """

    def act(count: int, _: str) -> None:
        if count == die_at:
            dying()
            os._exit(9)

    child = os.fork()
    if child == 0:
        status = 1
        try:
            with watched(act):
                work()
            dying()
            status = 0
        finally:
            os._exit(status)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9)
    return code == 0
