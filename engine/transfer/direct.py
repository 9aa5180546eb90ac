"""I/O past the page cache, where it is possible and pays.

Cold data goes direct: less CPU, and a busy host keeps its cache. Data that is in the page cache
already, such as a backup that was just written, is read from there. Whatever direct I/O cannot or
will not do is left to the handle of the library, which also gives an error its right name; so
nothing here ever fails.
"""

from __future__ import annotations

import contextlib
import ctypes
import os

BLOCK_BYTES = 4096  # offsets, lengths and addresses are multiples of it
CACHED_RATIO = 0.5  # of a range in the page cache: from here on it is read through the cache
ROOM_FACTOR = 2  # free bytes for each byte that is reserved
_SYS_CACHESTAT = 451  # the same on every architecture since it came with Linux 6.5

_libc = ctypes.CDLL(None, use_errno=True)


class _Range(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_uint64), ("length", ctypes.c_uint64))


class _CacheStat(ctypes.Structure):
    _fields_ = (
        ("cached", ctypes.c_uint64),
        ("dirty", ctypes.c_uint64),
        ("writeback", ctypes.c_uint64),
        ("evicted", ctypes.c_uint64),
        ("recently_evicted", ctypes.c_uint64),
    )


def cached_ratio(fd: int, offset: int, length: int) -> float:
    """The share of a range of a file that is in the page cache; 0 where the kernel cannot tell."""
    which, found = _Range(offset, length), _CacheStat()
    if _libc.syscall(_SYS_CACHESTAT, fd, ctypes.byref(which), ctypes.byref(found), 0):
        return 0.0
    return float(found.cached) * os.sysconf("SC_PAGE_SIZE") / max(length, 1)


def reserve(fd: int | None, size_bytes: int) -> None:
    """Gives a file its blocks before it is written: streams then need not wait for each other.

    Only where there is room in plenty, so that an attempt never fills the disk up.
    """
    if fd is None or not hasattr(_libc, "fallocate64"):
        return
    room = os.fstatvfs(fd)
    if room.f_bavail * room.f_frsize > ROOM_FACTOR * size_bytes:
        _libc.fallocate64(fd, 0, ctypes.c_int64(0), ctypes.c_int64(size_bytes))


class DirectFile:
    """A second, direct way to a file that a handle holds open; thread-safe.

    Args:
        fd: the descriptor of the handle; None for what is not a local file.
        flags: `os.O_RDONLY` or `os.O_WRONLY`.
    """

    def __init__(self, fd: int | None, flags: int) -> None:
        self._fd = -1
        if fd is not None:
            with contextlib.suppress(OSError):  # no direct I/O here: tmpfs, some network shares
                self._fd = os.open(f"/proc/self/fd/{fd}", flags | os.O_DIRECT | os.O_CLOEXEC)

    def read(self, view: memoryview, offset: int) -> int:
        """Reads whole blocks from the begin of `view`; returns how many bytes are right."""
        done, wanted = 0, self._whole_blocks(view, offset)
        with contextlib.suppress(OSError):
            while done < wanted:
                count = os.preadv(self._fd, [view[done:wanted]], offset + done)
                done += count
                if not count or count % BLOCK_BYTES:
                    break
        return done

    def write(self, view: memoryview, offset: int) -> int:
        """Writes whole blocks from the begin of `view`; returns how many bytes are written."""
        done, wanted = 0, self._whole_blocks(view, offset)
        with contextlib.suppress(OSError):
            while done < wanted:
                count = os.pwrite(self._fd, view[done:wanted], offset + done)
                done += count
                if not count or count % BLOCK_BYTES:
                    break
        return done - done % BLOCK_BYTES

    def _whole_blocks(self, view: memoryview, offset: int) -> int:
        if self._fd < 0 or offset % BLOCK_BYTES:
            return 0
        return len(view) - len(view) % BLOCK_BYTES

    def close(self) -> None:
        """Closes this way to the file; the handle stays open."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
