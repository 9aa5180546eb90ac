"""Verified reading of parts of a backup job: every byte is hashed and compared before it is believed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.library.interface import JobReader
from engine.model.entries import Chunk, FileEntry
from engine.model.errors import AuxError, SourceError
from engine.transfer.buffers import BUFFER_BYTES
from engine.transfer.cancel import CancelToken
from engine.transfer.copying import check_digest, check_unchanged, fitting, read_whole
from engine.transfer.flow import FileRead, Lane, Pace, Sink, flow_range
from engine.transfer.opened import opened_for_reading, span_of, spans_of
from engine.transfer.progress import ReadProgress
from engine.transfer.throttle import Throttle
from engine.transfer.work import BATCH_FILES, SMALL_BYTES

READ_STREAMS = 2  # more gave nothing on one disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How one backup job is read."""

    reader: JobReader
    cancel: CancelToken
    throttle: Throttle
    progress: ReadProgress

    def pace(self) -> Pace:
        """The pace of one flow."""
        return Pace(throttles=(self.throttle,), cancel=self.cancel, moved=self.progress.add)


class ReadChunk(NamedTuple):
    """One chunk of a large file."""

    entry: FileEntry
    chunk: Chunk


class ReadFile(NamedTuple):
    """A large file that is read in its order only."""

    entry: FileEntry
    chunks: tuple[Chunk, ...]


@dataclass(slots=True)
class ReadBatch:
    """Small files."""

    entries: list[FileEntry] = field(default_factory=list)
    size_bytes: int = 0


def cut(entries: Iterator[FileEntry]) -> Iterator[ReadChunk | ReadBatch]:
    """Files as pieces of work: the chunks of large ones, batches of small ones."""
    for work in cut_in_order(entries):
        if isinstance(work, ReadFile):
            yield from (ReadChunk(work.entry, chunk) for chunk in work.chunks)
        else:
            yield work


def cut_in_order(entries: Iterator[FileEntry]) -> Iterator[ReadFile | ReadBatch]:
    """Files as pieces of work, where the chunks of one cannot be read apart from each other."""
    batch = ReadBatch()
    for entry in entries:
        chunks = spans_of(entry)
        if entry.size >= SMALL_BYTES or len(chunks) > 1:
            yield ReadFile(entry, tuple(chunks))
            continue
        if len(batch.entries) >= BATCH_FILES or batch.size_bytes + entry.size > BUFFER_BYTES:
            yield batch
            batch = ReadBatch()
        batch.entries.append(entry)
        batch.size_bytes += entry.size
    if batch.entries:
        yield batch


def read_chunk(reading: Reading, work: ReadChunk, lane: Lane, sinks: Sequence[Sink]) -> None:
    """Reads one chunk through the sinks and compares its digest.

    Raises:
        SourceError: unreadable, changed or corrupt; the sinks have bytes that must not be kept.
        Cancelled: stopped at a piece.
    """
    source = opened_for_reading(reading.reader, work.entry)
    try:
        read_opened(reading, source, work, lane, sinks)
    finally:
        source.close()


def read_opened(
    reading: Reading, source: FileRead, work: ReadChunk, lane: Lane, sinks: Sequence[Sink]
) -> None:
    """`read_chunk` of a file that is open."""
    digest = flow_range(lane, reading.pace(), source, span_of(work.chunk), sinks)
    check_unchanged(source)
    check_digest(work.entry, work.chunk, digest)


def read_batch(
    reading: Reading,
    work: ReadBatch,
    lane: Lane,
    *,
    good: Callable[[Sequence[tuple[FileEntry, memoryview]]], None],
    bad: Callable[[FileEntry, AuxError], None],
) -> None:
    """Reads small files whole and hands over those that are right, a buffer full at a time.

    Raises:
        Cancelled: stopped between files.
    """
    buffer = lane.buffers.get(reading.cancel)
    pace = reading.pace()
    try:
        for entries in fitting(work.entries, lambda entry: entry.size, len(buffer)):
            right: list[tuple[FileEntry, memoryview]] = []
            at = 0
            for entry in entries:
                view = buffer[at : at + entry.size]
                try:
                    _read_right(reading, entry, view, pace)
                except SourceError as err:
                    bad(entry, err)
                else:
                    right.append((entry, view))
                at += entry.size
                reading.progress.add(entry.size)
            good(right)
            reading.progress.add_files(len(entries))
    finally:
        lane.buffers.put(buffer)


def _read_right(reading: Reading, entry: FileEntry, view: memoryview, pace: Pace) -> None:
    reading.progress.begin(entry.path)
    digest = read_whole(reading.reader, entry, view, pace)
    for chunk in entry.chunks:
        check_digest(entry, chunk, digest)


def progress_of(reading: Reading, work: ReadChunk) -> None:
    """Notes that a chunk is begun; the last of a file counts the file."""
    reading.progress.begin(work.entry.path)
    if work.chunk.offset + work.chunk.length == work.entry.size:
        reading.progress.add_files(1)
