"""Reads back what was written, from the medium, before it is published."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence

from engine.library.digesting import DigestsThere, Piece
from engine.library.interface import Done, JobWriter, ReadHandle, WriteHandle
from engine.model.entries import Chunk, Entry, FileEntry, ManifestHeader, PieceEnd
from engine.model.errors import DestinationWrite
from engine.model.names import RelPath, shown
from engine.transfer.cancel import CancelToken
from engine.transfer.throttle import Throttle
from engine.transfer.verifying import DamagedChunk, Verifier


class ReadBack:
    """A `JobWriter` that publishes only what it has read back; thread-safe as the one it has.

    Args:
        writer: which writes and publishes.
        cancel: stops the reading.
        throttle: limit of the reading.
    """

    def __init__(
        self, writer: JobWriter, *, cancel: CancelToken, throttle: Throttle | None = None
    ) -> None:
        self._writer = writer
        self._cancel = cancel
        self._throttle = throttle or Throttle()

    @property
    def resumed(self) -> Mapping[RelPath, Sequence[Chunk]]:
        """See `JobWriter`."""
        return self._writer.resumed

    @property
    def ended(self) -> Mapping[RelPath, Sequence[PieceEnd]]:
        """See `JobWriter`."""
        return self._writer.ended

    @property
    def warnings(self) -> Sequence[str]:
        """See `JobWriter`."""
        return self._writer.warnings

    def open_file(self, entry: FileEntry) -> WriteHandle:
        """See `JobWriter`."""
        return self._writer.open_file(entry)

    def open_growing(self, path: RelPath, at: int) -> WriteHandle:
        """See `JobWriter`."""
        return self._writer.open_growing(path, at)

    def write_batch(self, files: Sequence[tuple[FileEntry, memoryview]]) -> None:
        """See `JobWriter`."""
        self._writer.write_batch(files)

    def record(self, done: Iterable[Done]) -> None:
        """See `JobWriter`."""
        self._writer.record(done)

    def read_back(self, entry: FileEntry) -> ReadHandle:
        """See `JobWriter`."""
        return self._writer.read_back(entry)

    def distrust(self, path: RelPath) -> None:
        """See `JobWriter`."""
        self._writer.distrust(path)

    def publish(self, header: ManifestHeader, entries: Iterable[Entry]) -> bytes:
        """See `JobWriter`; every file with bytes is read back before.

        Raises:
            DestinationWrite: what was read back is not what was written; the next try copies
                those files anew.
            Cancelled: stopped.
        """
        every = entries if isinstance(entries, Sequence) else list(entries)
        damaged: list[DamagedChunk] = []
        verifier = Verifier(
            _Written(self._writer, header, every),
            cancel=self._cancel,
            throttle=self._throttle,
            found=damaged.append,
        )
        asyncio.run(verifier.run())
        if damaged:
            for path in {one.path for one in damaged}:
                self._writer.distrust(path)
            first = damaged[0]
            raise DestinationWrite(
                f"{len(damaged)} chunks read back differ from what was written, the first in "
                f"{shown(first.path)}: {first.error.message}",
                hint="the device or the way to it damages data: look at the system log; "
                "the next try copies these files anew",
            )
        return self._writer.publish(header, every)

    def discard(self) -> None:
        """See `JobWriter`."""
        self._writer.discard()

    def close(self) -> None:
        """See `JobWriter`."""
        self._writer.close()


class _Written:
    """What a writer has written, as a `JobReader`; empty files are made at the publication only."""

    def __init__(self, writer: JobWriter, header: ManifestHeader, entries: Sequence[Entry]) -> None:
        self._writer = writer
        self.header = header
        self.has_digests = True
        self._entries = entries

    def entries(self) -> Iterator[Entry]:
        """See `JobReader`."""
        return (e for e in self._entries if isinstance(e, FileEntry) and e.size)

    def open_file(self, entry: FileEntry) -> ReadHandle:
        """See `JobReader`."""
        return self._writer.read_back(entry)

    def far_digests(self, pieces: Sequence[Piece]) -> Sequence[bytes] | None:
        """See `DigestsThere`."""
        writer = self._writer
        return writer.far_digests(pieces) if isinstance(writer, DigestsThere) else None

    def close(self) -> None:
        """The writer stays open."""
