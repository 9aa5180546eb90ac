"""What a service of the fault rounds finds in its way. Runs inside the service, before it starts.

Calls are counted over all threads in the order in which they happen, which strace cannot do; what
is not a call of the `os` module (SQLite, buffered files) is left to strace.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import signal
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from engine.control import joblife, outbox, service
from engine.library import beneath, local_partial, local_publish, local_writer, marker, syscalls
from engine.library.objects import parts
from engine.model import entries
from engine.model.clock import Clock, system_clock
from engine.transfer import aside, target

DURABLE_CALLS = (
    "pwrite",
    "fsync",
    "fdatasync",
    "rename",
    "unlink",
    "rmdir",
    "mkdir",
    "link",
    "symlink",
    "ftruncate",
)
"""Calls that change a destination; with those of `syscalls` these are all of them."""
_C_CALLS = {"rename_new": "renameat2", "sync_file_system": "syncfs", "name_nameless": "linkat"}
_IMPORTERS = (aside, beneath, local_partial, local_publish, local_writer, marker, syscalls, target)


def apply(spec: dict[str, Any]) -> None:
    """Puts in place what the round asks for.

    Args:
        spec: `chunk_bytes`: smallest chunk, so that a small file has many; `part_bytes`: smallest
            part of an upload; `retry_delays_s`: how
            long a failed attempt waits; `tick_s`, `outbox_s`: how often it looks for what is due;
            `reads_log`: file that gets a line for each read of a file below `landing`; `kill`: {"nth": n, "after": bool}
            ends the service at the n-th changing call below `below`, or of `calls`; `fail`:
            {"call", "nth", "errno", "for_ever"} lets it fail; `count_log`: file that gets a line
            for each changing call below `below`; `clock_offset`: see `clock_of`.
    """
    if "chunk_bytes" in spec:
        entries.MIN_CHUNK_BYTES = spec["chunk_bytes"]
    if "part_bytes" in spec:
        parts.PART_BYTES = parts.WHOLE_BYTES = spec["part_bytes"]
    if "retry_delays_s" in spec:
        joblife.RETRY_DELAYS_S = tuple(spec["retry_delays_s"])
    if "tick_s" in spec:
        service.TICK_S, outbox.POLL_S = spec["tick_s"], spec["outbox_s"]
    if "reads_log" in spec:
        _log_reads(spec["reads_log"], os.fsencode(spec["landing"]))
    if "kill" in spec or "fail" in spec or "count_log" in spec:
        _Stage(spec).set()


def clock_of(spec: dict[str, Any]) -> Clock:
    """The system's clock, or one that is wrong by the seconds that the file `clock_offset` says."""
    if "clock_offset" not in spec:
        return system_clock
    offset = Path(spec["clock_offset"])

    def wrong_clock() -> datetime:
        return system_clock() + timedelta(seconds=int(offset.read_text() or 0))

    return wrong_clock


def _log_reads(log: str, landing: bytes) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    read = os.preadv

    def preadv(fd: int, buffers: Any, offset: int, *flags: int) -> int:
        count = read(fd, buffers, offset, *flags)
        name = os.readlink(b"/proc/self/fd/%d" % fd)
        if name.startswith(landing + b"/"):
            os.write(descriptor, b"%s %d %d\n" % (name.hex().encode(), offset, count))
        return count

    os.preadv = preadv  # type: ignore[assignment]


class _Stage:
    """Counts the changing calls, and interferes with the one that was asked for."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._below = os.fsencode(spec.get("below", "/"))
        self._kill: dict[str, Any] = spec.get("kill", {})
        self._fail: dict[str, Any] = spec.get("fail", {})
        self._log = -1
        if "count_log" in spec:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            self._log = os.open(spec["count_log"], flags, 0o600)
        self._counter = itertools.count(1)
        self._fail_counter = itertools.count(1)
        self._lock = threading.Lock()

    def set(self) -> None:
        """Wraps every changing call."""
        for name in DURABLE_CALLS:
            setattr(os, name, self._wrapped(name, getattr(os, name)))
        for name, call in _C_CALLS.items():
            wrapped = self._wrapped(call, getattr(syscalls, name))
            for module in _IMPORTERS:
                if hasattr(module, name):
                    setattr(module, name, wrapped)
        if self._fail.get("call") == "openat":
            os.open = self._wrapped("openat", os.open)  # type: ignore[assignment]

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def staged(*args: Any, **kwargs: Any) -> Any:
            if not self._is_below(args, kwargs):
                return call(*args, **kwargs)
            with self._lock:
                number = next(self._counter)
                self._note(name, number)
                self._fail_if_asked(name)
            if number == self._kill.get("nth") and not self._kill.get("after"):
                _die()
            try:
                return call(*args, **kwargs)
            finally:
                if number == self._kill.get("nth"):  # also when the call has failed
                    _die()

        return staged

    def _note(self, name: str, number: int) -> None:
        if self._log >= 0:
            os.write(self._log, b"%d %s\n" % (number, name.encode()))

    def _fail_if_asked(self, name: str) -> None:
        if name != self._fail.get("call"):
            return
        number, nth = next(self._fail_counter), self._fail["nth"]
        if number == nth or (self._fail.get("for_ever") and number > nth):
            code = int(self._fail["errno"])
            raise OSError(code, os.strerror(code))

    def _is_below(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """True when a descriptor or a path of the call lies below the place that is watched."""
        descriptors = [arg for arg in args[:1] if isinstance(arg, int)]
        descriptors += [
            value
            for key, value in kwargs.items()
            if key.endswith(("dir_fd", "_dir")) and isinstance(value, int)
        ]
        for descriptor in descriptors:
            place = _place(descriptor)
            if place == self._below or place.startswith(self._below.rstrip(b"/") + b"/"):
                return True
        if descriptors or not args or not isinstance(args[0], (str, bytes, os.PathLike)):
            return False
        place = os.path.abspath(os.fsencode(args[0]))
        return place == self._below or place.startswith(self._below.rstrip(b"/") + b"/")


def _place(descriptor: int) -> bytes:
    try:
        return os.readlink(b"/proc/self/fd/%d" % descriptor)
    except OSError as err:
        if err.errno == errno.ENOENT:
            return b""
        raise


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    ctypes.CDLL(None).pause()
