"""The tar stream as it is filled: cut into frames of one size, which go on as soon as they are full."""

from __future__ import annotations

import os
from collections.abc import Callable

from engine.archive.tar import BLOCK, END, padding

FRAME_BYTES = 4 * 1024 * 1024
"""Of the tar stream in one zstd frame: what one small file costs to read back."""
_RECORD = 20 * BLOCK
_ZEROS = memoryview(bytes(64 * 1024))

Deliver = Callable[[bytearray, int], bytearray]
"""Takes a frame and how many bytes of it are filled; gives the next buffer, whatever is in it."""


class TarStream:
    """What is written becomes frames of `frame_bytes`; the last one is shorter.

    Args:
        deliver: takes each frame.
        frame_bytes: whole blocks.
    """

    def __init__(self, deliver: Deliver, frame_bytes: int = FRAME_BYTES) -> None:
        self._deliver = deliver
        self._frame_bytes = frame_bytes
        self._buffer = bytearray(frame_bytes)
        self._view = memoryview(self._buffer)
        self._at = 0
        self._before = 0
        self._offered = 0

    @property
    def position(self) -> int:
        """Bytes of the stream so far."""
        return self._before + self._at

    def add(self, data: bytes) -> None:
        """Appends bytes."""
        end = self._at + len(data)
        if end < self._frame_bytes:
            self._buffer[self._at : end] = data
            self._at = end
            return
        rest = memoryview(data)
        while len(rest):
            some = rest[: self._frame_bytes - self._at]
            self._view[self._at : self._at + len(some)] = some
            self._advance(len(some))
            rest = rest[len(some) :]

    def offer(self, header: bytes, fd: int, size_bytes: int) -> bool:
        """Puts a small file behind what is in the stream, where it becomes a member by `accept`.

        Returns:
            False when it does not go into this frame, or has fewer bytes now.

        Raises:
            OSError: it cannot be read.
        """
        start = self._at + len(header)
        end = start + size_bytes
        self._offered = end + padding(size_bytes)
        if self._offered >= self._frame_bytes:
            return False
        if size_bytes and os.preadv(fd, [self._view[start:end]], 0) != size_bytes:
            return False
        self._buffer[self._at : start] = header
        self._buffer[end : self._offered] = _ZEROS[: self._offered - end]
        return True

    def accept(self) -> None:
        """Makes a member of what was offered last."""
        self._at = self._offered

    def fill(self, fd: int, offset: int, length: int) -> int:
        """Appends bytes of a file; returns how many there were, fewer at its end.

        Raises:
            OSError: it cannot be read; what was read before is in the stream, and in `position`.
        """
        done = 0
        while done < length:
            end = min(self._frame_bytes, self._at + length - done)
            got = os.preadv(fd, [self._view[self._at : end]], offset + done)
            if not got:
                break
            done += got
            self._advance(got)
        return done

    def zeros(self, count: int) -> None:
        """Appends zeros."""
        while count:
            some = _ZEROS[: min(count, len(_ZEROS), self._frame_bytes - self._at)]
            self._view[self._at : self._at + len(some)] = some
            self._advance(len(some))
            count -= len(some)

    def pad(self, size_bytes: int) -> None:
        """Fills the last block of a member's data."""
        self.zeros(padding(size_bytes))

    def finish(self) -> int:
        """Ends the archive; returns the length of the stream in bytes."""
        self.add(END)
        self.zeros(-self.position % _RECORD)
        total = self.position
        if self._at:
            self._hand_over()
        return total

    def _advance(self, count: int) -> None:
        self._at += count
        if self._at == self._frame_bytes:
            self._hand_over()

    def _hand_over(self) -> None:
        self._before += self._at
        self._view.release()
        self._buffer = self._deliver(self._buffer, self._at)
        self._view = memoryview(self._buffer)
        self._at = 0
