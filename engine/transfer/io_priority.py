"""The I/O priority of a thread: bulk data goes behind what else the host does with its disks.

Only I/O, not the processor: a thread of low priority that holds the interpreter's lock would hold up
the event loop too. The processor's share of the whole service is set by its unit (`Nice=`).
"""

from __future__ import annotations

import ctypes
import platform

_CALLS = {"x86_64": (251, 252), "aarch64": (30, 31)}
"""Numbers of `ioprio_set` and `ioprio_get`: the C library has neither."""
_WHO_THREAD = 1
_CLASS_SHIFT = 13
_BEST_EFFORT = 2
LOW = _BEST_EFFORT << _CLASS_SHIFT | 6
"""Best effort, 6 of 0 to 7, as in the unit of the service."""

_libc = ctypes.CDLL(None, use_errno=True)


def io_priority() -> int | None:
    """That of the calling thread, class and level; None where it cannot be told."""
    calls = _CALLS.get(platform.machine())
    if calls is None:
        return None
    found = int(_libc.syscall(calls[1], _WHO_THREAD, 0))
    return None if found < 0 else found


def lower_io_priority() -> None:
    """Lowers that of the calling thread; a class that somebody chose for the process stays.

    Only schedulers that know priorities (bfq, mq-deadline) act on it; elsewhere nothing changes.
    """
    found = io_priority()
    if found is not None and found >> _CLASS_SHIFT == 0:  # none was chosen
        _libc.syscall(_CALLS[platform.machine()][0], _WHO_THREAD, 0, LOW)
