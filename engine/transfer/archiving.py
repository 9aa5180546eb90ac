"""From a tar stream to zstd frames in volumes: reading, compressing and writing overlap.

Frames are made by themselves, so that one file can be read back without those before it, and are
written in order. Memory: a few frames, whatever the size of the backup.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future

import zstandard
from blake3 import blake3

from engine.archive.index import ArchiveFrame
from engine.archive.stream import FRAME_BYTES
from engine.model.errors import AuxError
from engine.transfer.cancel import CancelToken
from engine.transfer.progress import ReadProgress
from engine.transfer.threads import DaemonThreads
from engine.transfer.throttle import Throttle
from engine.transfer.volumes import Volumes

MAX_THREADS = 16
_LOOK_S = 0.2  # how soon a reader that waits for room notices a stop

_Packed = tuple[bytes, bytes, bytearray]
"""A frame, its digest, and the buffer that it was made from."""


class Archiving:
    """Takes the frames of a `TarStream`, in its thread.

    Args:
        volumes: where to.
        level: of zstd.
        threads: frames that are compressed at once.
        cancel: stops it.
        throttle: of what is read.
        progress: told what is read.
    """

    def __init__(
        self,
        volumes: Volumes,
        *,
        level: int,
        threads: int,
        cancel: CancelToken,
        throttle: Throttle,
        progress: ReadProgress,
    ) -> None:
        self.frames: list[ArchiveFrame] = []
        self._volumes = volumes
        self._level = level
        self._cancel = cancel
        self._throttle = throttle
        self._progress = progress
        self._pool = DaemonThreads("backup", is_bulk=True)
        self._local = threading.local()
        self._buffers: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        for _ in range(threads + 1):
            self._buffers.put(bytearray(FRAME_BYTES))
        self._packed: queue.SimpleQueue[Future[_Packed] | None] = queue.SimpleQueue()
        self._failed: AuxError | None = None
        self._written = self._pool.submit(self._write)

    def deliver(self, buffer: bytearray, filled: int) -> bytearray:
        """Takes a frame of the tar stream; gives another buffer when there is one.

        Raises:
            Cancelled: stopped.
            DestinationError, LibraryOffline: writing failed.
        """
        taken = 0
        while taken < filled:
            piece = self._throttle.piece_bytes(filled - taken)
            self._throttle.take(piece, self._cancel)
            taken += piece
        self._progress.add(filled)
        self._packed.put(self._pool.submit(self._compress, buffer, filled))
        while True:
            self._cancel.raise_if_cancelled()
            if self._failed is not None:
                raise self._failed
            try:
                return self._buffers.get(timeout=_LOOK_S)
            except queue.Empty:
                continue

    def finish(self) -> None:
        """Waits until everything is written.

        Raises:
            DestinationError, LibraryOffline: writing failed.
        """
        self._packed.put(None)
        self._written.result()
        self._pool.shutdown(wait=False)
        if self._failed is not None:
            raise self._failed
        self._volumes.finish()

    def abandon(self) -> None:
        """Ends the threads, after a failure; what is under way is finished first."""
        self._packed.put(None)
        self._written.result()
        self._pool.shutdown(wait=False)

    def _compress(self, buffer: bytearray, filled: int) -> _Packed:
        compressor = getattr(self._local, "compressor", None)
        if compressor is None:
            compressor = zstandard.ZstdCompressor(level=self._level, write_checksum=True)
            self._local.compressor = compressor
        with memoryview(buffer) as whole, whole[:filled] as view:
            packed = compressor.compress(view)
        return packed, blake3(packed).digest(), buffer

    def _write(self) -> None:
        """Writes frames in the order in which they were read, until there are no more."""
        while (future := self._packed.get()) is not None:
            packed, digest, buffer = future.result()
            self._buffers.put(buffer)
            if self._failed is not None:
                continue
            try:
                self.frames.append(ArchiveFrame(self._volumes.size, len(packed), digest))
                self._volumes.write(packed)
            except AuxError as err:
                self._failed = err
