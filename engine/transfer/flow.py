"""One range of one file on its way: read once, hashed once, taken by every sink, all at the same time.

The caller's thread reads; the hash and each sink have a thread of their own, with queues of
buffers between. A slow sink holds up the reading once the stream's buffers are full. What is in the
page cache is hashed by the reader: it does not wait for a device, and the bytes are still in the
processor's cache.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from blake3 import blake3

from engine.library.interface import ReadHandle
from engine.model.errors import SourceChanged
from engine.model.names import RelPath, shown
from engine.transfer.buffers import Buffers, Piece
from engine.transfer.cancel import CancelToken
from engine.transfer.direct import CACHED_RATIO, DirectFile, cached_ratio
from engine.transfer.threads import DaemonThreads
from engine.transfer.throttle import Throttle

Sink = Callable[[memoryview, int], None]
"""Takes the bytes of one piece and their offset in the file; pieces come in order."""
SLOW_PIECE_S = 0.1  # a piece that takes longer makes the next ones smaller
QUICK_PIECE_S = 0.03
HASHED_AT_ONCE_BYTES = 1024 * 1024  # of what is cached: a part of the processor's cache
LEAST_PIECE_BYTES = 256 * 1024  # below that, small pieces are what is slow

PieceQueue = queue.SimpleQueue[Piece | None]


class Span(NamedTuple):
    """A byte range of a file."""

    offset: int
    length: int


class PieceSize:
    """Keeps pieces so small that each takes a moment only, on slow devices too: a stop is quick.

    Args:
        most_bytes: size of a buffer; where it starts.
    """

    def __init__(self, most_bytes: int) -> None:
        self.now_bytes = self._most_bytes = most_bytes

    def took(self, seconds: float) -> None:
        """Learns from how long the last piece took, waiting for a free buffer included."""
        if seconds > SLOW_PIECE_S:
            self.now_bytes = max(self.now_bytes // 2, min(LEAST_PIECE_BYTES, self._most_bytes))
        elif seconds < QUICK_PIECE_S:
            self.now_bytes = min(self.now_bytes * 2, self._most_bytes)


class Lane:
    """What one stream moves data with.

    Args:
        buffers: its own.
        threads: for the pumps.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        buffers: Buffers,
        threads: DaemonThreads,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.buffers = buffers
        self.threads = threads
        self.clock = clock
        self.piece_size = PieceSize(buffers.each_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What may slow a flow down or stop it, and who is told how far it is."""

    throttles: tuple[Throttle, ...]
    """The first is the one of the reading side; the others only make the pieces smaller."""
    cancel: CancelToken
    moved: Callable[[int], None]
    """Told the bytes of each piece that every sink has taken; from any thread."""

    def piece_bytes(self, most_bytes: int) -> int:
        """Size of the next piece: small enough for an even rate and a quick stop."""
        for throttle in self.throttles:
            most_bytes = throttle.piece_bytes(most_bytes)
        return most_bytes

    def take(self, count_bytes: int) -> None:
        """Waits until this many bytes may be read.

        Raises:
            Cancelled: while waiting or before.
        """
        self.cancel.raise_if_cancelled()
        if self.throttles:
            self.throttles[0].take(count_bytes, self.cancel)


class FileRead(NamedTuple):
    """A file of a source, as a flow reads it."""

    path: RelPath
    handle: ReadHandle
    direct: DirectFile | None = None
    """Past the page cache, for cold data."""
    is_cached: bool = False
    """The range that is read is in the page cache."""

    def for_range(self, span: Span) -> FileRead:
        """The better way to read this range: through the page cache when it is there already."""
        fd = self.handle.fileno()
        if fd is None or self.direct is None:
            return self
        if cached_ratio(fd, span.offset, span.length) < CACHED_RATIO:
            return self
        return self._replace(direct=None, is_cached=True)

    def fill(self, view: memoryview, offset: int) -> None:
        """Reads all of `view`.

        Raises:
            SourceRead: the read failed.
            SourceChanged: the file is shorter than it was.
        """
        count = self.direct.read(view, offset) if self.direct is not None else 0
        if count < len(view):
            count += self.handle.read_into(view[count:], offset + count)
        if count < len(view):
            raise SourceChanged(
                f"{shown(self.path)} ends at byte {offset + count}: it became shorter",
                hint="scan again when nothing writes to it any more",
            )

    def fill_and_hash(self, hasher: blake3, view: memoryview, offset: int) -> None:
        """As `fill`, hashing on the way."""
        for at in range(0, len(view), HASHED_AT_ONCE_BYTES):
            part = view[at : at + HASHED_AT_ONCE_BYTES]
            self.fill(part, offset + at)
            hasher.update(part)

    def close(self) -> None:
        """Closes the file."""
        if self.direct is not None:
            self.direct.close()
        self.handle.close()


def flow_range(
    lane: Lane, pace: Pace, source: FileRead, span: Span, sinks: Sequence[Sink]
) -> bytes:
    """Moves one range and returns the BLAKE3 of what was read.

    Raises:
        SourceError: from reading; the sinks have a part of the range.
        Cancelled: at a piece boundary.
    """
    hasher = blake3()
    source = source.for_range(span)
    fill, consumers = source.fill, list(sinks)
    if source.is_cached:
        fill = partial(source.fill_and_hash, hasher)
    else:
        consumers.insert(0, lambda view, _: _discard(hasher.update(view)))
    queues: list[PieceQueue] = [queue.SimpleQueue() for _ in consumers]
    pumps = [
        lane.threads.submit(_pump, pieces, consume, pace.cancel)
        for pieces, consume in zip(queues, consumers, strict=True)
    ]
    try:
        _read_pieces(lane, pace, fill, span, queues)
    finally:
        for pieces in queues:
            pieces.put(None)
        wait(pumps)
    for pump in pumps:
        pump.result()
    pace.cancel.raise_if_cancelled()  # the pumps may have let pieces go
    return hasher.digest()


def _discard(_: object) -> None:
    """A sink returns nothing."""


def _read_pieces(
    lane: Lane, pace: Pace, fill: Sink, span: Span, queues: Sequence[PieceQueue]
) -> None:
    at, end = span.offset, span.offset + span.length
    while at < end:
        count = min(pace.piece_bytes(lane.piece_size.now_bytes), end - at)
        pace.take(count)
        began_s = lane.clock()
        buffer = lane.buffers.get(pace.cancel)
        view = buffer[:count]
        is_filled = False
        try:
            fill(view, at)
            is_filled = True
        finally:
            if not is_filled:
                lane.buffers.put(buffer)
        piece = Piece(view, at, 1 + len(queues), partial(_free, lane, pace, buffer, count))
        for pieces in queues:
            pieces.put(piece)
        piece.release()  # there may be no sink
        at += count
        lane.piece_size.took(lane.clock() - began_s)


def _free(lane: Lane, pace: Pace, buffer: memoryview, count: int) -> None:
    lane.buffers.put(buffer)
    pace.moved(count)


def _pump(pieces: PieceQueue, consume: Sink, cancel: CancelToken) -> None:
    """Feeds a consumer to the end; after a stop or a failure the rest is let go, nobody waits."""
    ended = False
    try:
        while (piece := pieces.get()) is not None:
            with piece:
                if not cancel.is_cancelled:
                    consume(piece.view, piece.offset)
        ended = True
    finally:
        while not ended:
            left = pieces.get()
            ended = left is None
            if left is not None:
                left.release()
