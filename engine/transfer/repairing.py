"""Makes a job copy anew from several sources: each chunk from the first that has it right."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from engine.library.interface import Done, JobReader, JobWriter
from engine.model.entries import Chunk, Entry, FileEntry, ManifestHeader
from engine.model.errors import SourceCorrupt, SourceError
from engine.model.names import shown
from engine.transfer.cancel import CancelToken
from engine.transfer.copied_file import spans_of
from engine.transfer.flow import Lane
from engine.transfer.pool import in_thread, work_off
from engine.transfer.progress import ReadProgress
from engine.transfer.reading import (
    READ_STREAMS,
    ReadBatch,
    ReadChunk,
    Reading,
    cut,
    read_batch,
    read_chunk,
)
from engine.transfer.throttle import Throttle
from engine.transfer.verifying import PastCache


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """A job copy that was made anew."""

    manifest_digest: bytes
    chunks: int
    reused_bytes: int
    """Journaled by an earlier try."""
    taken: tuple[int, ...]
    """Chunks that came from each source, in their order."""


class Rebuild:
    """One job copy in the making.

    Args:
        entries: what it consists of; each file with all its chunks and digests.
        sources: readers of the same backup job, in the order in which they are asked.
        writer: of the job copy.
        cancel: stops it.
        throttle: of all its streams together.
        progress: told what is read.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        sources: Sequence[JobReader],
        writer: JobWriter,
        *,
        cancel: CancelToken,
        throttle: Throttle,
        progress: ReadProgress,
    ) -> None:
        self._entries = entries
        self._readings = [
            Reading(reader=PastCache(one), cancel=cancel, throttle=throttle, progress=progress)
            for one in sources
        ]
        self._writer = writer
        self._cancel = cancel
        self._lock = threading.Lock()
        self._taken = [0] * len(sources)
        self._reused_bytes = 0
        self._chunks = 0

    async def run(self, header: ManifestHeader, streams: int = READ_STREAMS) -> Rebuilt:
        """Writes what no earlier try has written, then publishes.

        Raises:
            SourceCorrupt: no source has some chunk right.
            DestinationError, LibraryOffline, ManifestError: see `JobWriter`.
            Cancelled: stopped; what is journaled stays.
        """
        await work_off(cut(self._missing()), self._make, streams=streams, cancel=self._cancel)
        digest = await in_thread(lambda: self._writer.publish(header, self._entries), self._cancel)
        return Rebuilt(
            manifest_digest=digest,
            chunks=self._chunks,
            reused_bytes=self._reused_bytes,
            taken=tuple(self._taken),
        )

    def _missing(self) -> Iterator[FileEntry]:
        """The files with the chunks that an earlier try has not journaled."""
        for entry in self._entries:
            if not isinstance(entry, FileEntry):
                continue
            self._chunks += len(entry.chunks)
            proven = set(self._writer.resumed.get(entry.path, ()))
            left = tuple(chunk for chunk in entry.chunks if chunk not in proven)
            self._reused_bytes += entry.size - sum(chunk.length for chunk in left)
            if left or not entry.chunks:
                yield replace(entry, chunks=left)

    def _make(self, work: ReadChunk | ReadBatch, lane: Lane) -> None:
        if isinstance(work, ReadBatch):
            self._make_batch(work, lane)
        else:
            self._make_chunk(work, lane)

    def _make_chunk(self, work: ReadChunk, lane: Lane) -> None:
        errors: list[SourceError] = []
        handle = self._writer.open_file(work.entry)
        try:
            for number, reading in enumerate(self._readings):
                try:
                    read_chunk(reading, work, lane, [handle.write])
                except SourceError as err:
                    errors.append(err)
                    continue
                handle.sync()
                self._writer.record([Done(work.entry.path, work.chunk)])
                self._count(number, 1)
                return
        finally:
            handle.close()
        raise _nowhere(work.entry, work.chunk, errors)

    def _make_batch(self, work: ReadBatch, lane: Lane) -> None:
        left = list(work.entries)
        errors: list[SourceError] = []

        for number, reading in enumerate(self._readings):
            bad: list[FileEntry] = []

            def keep(files: Sequence[tuple[FileEntry, memoryview]], source: int = number) -> None:
                self._writer.write_batch(files)
                done = [Done(entry.path, chunk) for entry, _ in files for chunk in entry.chunks]
                self._writer.record(done)
                self._count(source, len(done))

            def note(entry: FileEntry, error: Exception, into: list[FileEntry] = bad) -> None:
                into.append(entry)
                if isinstance(error, SourceError):
                    errors.append(error)

            size_bytes = sum(entry.size for entry in left)
            read_batch(reading, ReadBatch(left, size_bytes), lane, good=keep, bad=note)
            left = bad
            if not left:
                return
        chunk = next(iter(spans_of(left[0])), Chunk(0, 0, b""))
        raise _nowhere(left[0], chunk, errors)

    def _count(self, source: int, chunks: int) -> None:
        with self._lock:
            self._taken[source] += chunks


def _nowhere(entry: FileEntry, chunk: Chunk, errors: Sequence[SourceError]) -> SourceCorrupt:
    end = chunk.offset + chunk.length
    why = f": {errors[-1].message}" if errors else ""
    return SourceCorrupt(
        f"no copy has bytes {chunk.offset} to {end} of {shown(entry.path)} right{why}",
        hint="bring a library that is offline back, or restore what can be restored",
    )
