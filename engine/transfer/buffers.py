"""Reusable page-aligned buffers, and the pieces of a range that travel in them."""

from __future__ import annotations

import contextlib
import mmap
import queue
import threading
from collections.abc import Callable
from types import TracebackType

from engine.transfer.cancel import CancelToken

BUFFER_BYTES = 8 * 1024 * 1024  # 1 MiB is 1.35 times slower, 16 MiB hardly faster
MIN_BUFFER_BYTES = 1024 * 1024  # holds the largest small file
BUFFERS_PER_STREAM = 3  # one being read, one hashed, one written
PAGE_BYTES = mmap.PAGESIZE
LOOK_S = 0.05  # a reader that waits for a buffer looks for a cancel this often


def buffer_bytes_for(memory_bytes: int, streams: int) -> int:
    """Size of each buffer so that all streams together stay within `memory_bytes`."""
    share = memory_bytes // (max(streams, 1) * BUFFERS_PER_STREAM)
    return max(MIN_BUFFER_BYTES, min(BUFFER_BYTES, share - share % PAGE_BYTES))


class Buffers:
    """The buffers of one stream, made at first use and then reused.

    Args:
        each_bytes: size of one, whole pages.
        count: how many there are at most.
    """

    def __init__(self, each_bytes: int, count: int = BUFFERS_PER_STREAM) -> None:
        self.each_bytes = each_bytes
        self._free: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        self._unmade = count

    def get(self, cancel: CancelToken) -> memoryview:
        """A free buffer; waits for one. For one thread at a time.

        Raises:
            Cancelled: while waiting.
        """
        while True:
            with contextlib.suppress(queue.Empty):
                return self._free.get_nowait()
            if self._unmade:
                self._unmade -= 1
                return _new_buffer(self.each_bytes)
            with contextlib.suppress(queue.Empty):
                return self._free.get(timeout=LOOK_S)
            cancel.raise_if_cancelled()

    def put(self, buffer: memoryview) -> None:
        """Gives a buffer back; from any thread."""
        self._free.put(buffer)


def _new_buffer(size_bytes: int) -> memoryview:
    area = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a kernel without huge pages: slower, not wrong
        area.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(area)


class Piece:
    """What was read of a range into one buffer; freed when every consumer has left it.

    Args:
        view: the bytes.
        offset: where they lie in the file.
        consumers: how many will enter and leave it.
        free: called once, by the last.
    """

    __slots__ = ("_consumers", "_free", "_lock", "offset", "view")

    def __init__(
        self, view: memoryview, offset: int, consumers: int, free: Callable[[], None]
    ) -> None:
        self.view = view
        self.offset = offset
        self._consumers = consumers
        self._free = free
        self._lock = threading.Lock()

    def __enter__(self) -> Piece:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def release(self) -> None:
        """One consumer is done with it."""
        with self._lock:
            self._consumers -= 1
            is_last = self._consumers == 0
        if is_last:
            self._free()
