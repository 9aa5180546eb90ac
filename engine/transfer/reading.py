"""Verified reading of parts of a backup job: every byte is hashed and compared before it is believed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

from blake3 import blake3

from engine.library.interface import JobReader
from engine.model.entries import Chunk, FileEntry
from engine.model.errors import AuxError, SourceError
from engine.transfer.buffers import BUFFER_BYTES
from engine.transfer.cancel import CancelToken
from engine.transfer.copied_file import opened_for_reading, span_of, spans_of
from engine.transfer.copying import (
    check_digest,
    check_unchanged,
    fitting,
    read_at_once,
    read_whole,
)
from engine.transfer.flow import FileRead, Lane, Pace, Sink, flow_range
from engine.transfer.progress import ReadProgress
from engine.transfer.throttle import Throttle
from engine.transfer.work import BATCH_FILES, SMALL_BYTES

READ_STREAMS = 2  # more gave nothing on one disk
STEP_BYTES = (
    256 * 1024
)  # of small files that come without a wait: throttle and progress are asked so often

SmallContent = tuple[FileEntry, memoryview]
Bad = Callable[[FileEntry, AuxError], None]


@runtime_checkable
class ProvingReader(Protocol):
    """A `JobReader` whose bytes are proven before it gives them: they need no digest of their own."""

    def fill(self, entry: FileEntry, view: memoryview) -> None:
        """Fills a buffer with all of a small file.

        Raises:
            SourceError: no copy could give it.
        """
        ...


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


def cut(
    entries: Iterator[FileEntry], at_once: int = BATCH_FILES
) -> Iterator[ReadChunk | ReadBatch]:
    """Files as pieces of work: the chunks of large ones, batches of small ones, `at_once` at most."""
    for work in cut_in_order(entries, at_once):
        if isinstance(work, ReadFile):
            yield from (ReadChunk(work.entry, chunk) for chunk in work.chunks)
        else:
            yield work


def cut_in_order(
    entries: Iterator[FileEntry], at_once: int = BATCH_FILES
) -> Iterator[ReadFile | ReadBatch]:
    """Files as pieces of work, where the chunks of one cannot be read apart from each other."""
    batch = ReadBatch()
    for entry in entries:
        if entry.size >= SMALL_BYTES or len(entry.chunks) > 1:
            yield ReadFile(entry, tuple(spans_of(entry)))
            continue
        if len(batch.entries) >= at_once or batch.size_bytes + entry.size > BUFFER_BYTES:
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
    good: Callable[[Sequence[SmallContent]], None],
    bad: Bad,
) -> None:
    """Reads small files whole and hands over those that are right, a buffer full at a time.

    Raises:
        Cancelled: stopped between files.
    """
    buffer = lane.buffers.get(reading.cancel)
    proving = reading.reader if isinstance(reading.reader, ProvingReader) else None
    try:
        for entries in fitting(work.entries, lambda entry: entry.size, len(buffer)):
            if proving is not None:
                good(_read_proven(reading, proving, entries, buffer, bad))
            else:
                good(_read_each(reading, entries, buffer, bad))
            reading.progress.add_files(len(entries))
    finally:
        lane.buffers.put(buffer)


def _read_each(
    reading: Reading, entries: Sequence[FileEntry], buffer: memoryview, bad: Bad
) -> list[SmallContent]:
    """Every file read, hashed and compared."""
    pace = reading.pace()
    right: list[SmallContent] = []
    left = _with_views(entries, buffer)
    while left:
        done = 0
        try:
            with closing(read_at_once(reading.reader, left, pace)) as reads:
                for (entry, view), is_read in zip(left, reads, strict=True):
                    reading.progress.begin(entry.path)
                    if is_read:
                        digest = blake3(view).digest()
                    else:
                        digest = read_whole(reading.reader, entry, view, pace)
                    for chunk in entry.chunks:
                        check_digest(entry, chunk, digest)
                    right.append((entry, view))
                    reading.progress.add(entry.size)
                    done += 1
        except SourceError as err:
            entry, _ = left[done]
            bad(entry, err)
            reading.progress.add(entry.size)
            done += 1
        left = left[done:]
    return right


def _with_views(entries: Sequence[FileEntry], buffer: memoryview) -> list[SmallContent]:
    files: list[SmallContent] = []
    at = 0
    for entry in entries:
        files.append((entry, buffer[at : at + entry.size]))
        at += entry.size
    return files


def _read_proven(
    reading: Reading,
    reader: ProvingReader,
    entries: Sequence[FileEntry],
    buffer: memoryview,
    bad: Bad,
) -> list[SmallContent]:
    """Every file as its reader has proved it; throttle and progress are asked for some at a time."""
    pace = reading.pace()
    right: list[SmallContent] = []
    at = taken = 0
    for entry in entries:
        end = at + entry.size
        if end - taken > pace.piece_bytes(STEP_BYTES):
            pace.take(end - taken)
            reading.progress.begin(entry.path)
            reading.progress.add(end - taken)
            taken = end
        view = buffer[at:end]
        try:
            reader.fill(entry, view)
        except SourceError as err:
            bad(entry, err)
        else:
            right.append((entry, view))
        at = end
    pace.take(at - taken)
    reading.progress.add(at - taken)
    return right


def progress_of(reading: Reading, work: ReadChunk) -> None:
    """Notes that a chunk is begun; the last of a file counts the file."""
    reading.progress.begin(work.entry.path)
    if work.chunk.offset + work.chunk.length == work.entry.size:
        reading.progress.add_files(1)
