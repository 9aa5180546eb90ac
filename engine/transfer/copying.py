"""What a stream does with one piece of work, in threads: read, check, write to whoever lacks it.

A failing destination is noted and left out. A failing source is raised, with the file it failed on.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import wait
from contextlib import closing
from functools import partial
from itertools import repeat
from typing import TypeVar

from blake3 import blake3

from engine.library.interface import Done, JobReader, ReadsWhole
from engine.model.entries import Chunk, FileEntry
from engine.model.errors import (
    DAMAGED_HINT,
    AuxError,
    Cancelled,
    SourceChanged,
    SourceCorrupt,
)
from engine.model.names import shown
from engine.transfer.cancel import CancelToken
from engine.transfer.copied_file import Target, Written, span_of
from engine.transfer.encoded_file import EncodedFile
from engine.transfer.flow import FileRead, Lane, Pace, Sink, flow_range
from engine.transfer.open_destination import OpenDestination
from engine.transfer.opened import OpenOrder
from engine.transfer.shared import drop_differing, read_shared, share_chunk, untold
from engine.transfer.throttle import Throttle
from engine.transfer.work import BatchWork, ChunkWork, SmallFile

F = TypeVar("F")
Moved = Callable[[int], None]


class SourceFailed(Exception):
    """The source of an order failed on one file.

    Args:
        error: what happened.
        path: on which file.
    """

    def __init__(self, error: AuxError, path: bytes) -> None:
        super().__init__(error.message)
        self.error = error
        self.path = path


def copy_chunk(work: ChunkWork, lane: Lane, throttle: Throttle, moved: Moved) -> list[Written]:
    """Copies one chunk to every destination that lacks it and still works.

    Returns:
        What was written, to be synced and journaled.

    Raises:
        SourceFailed: unreadable, changed, or not what its digest says.
        Cancelled: stopped at a piece.
    """
    try:
        return _copy_chunk(work, lane, throttle, moved)
    except Cancelled:
        raise
    except AuxError as err:
        raise SourceFailed(err, work.file.entry.path) from err
    finally:
        work.file.settle()


def _copy_chunk(work: ChunkWork, lane: Lane, throttle: Throttle, moved: Moved) -> list[Written]:
    order, entry = work.order, work.file.entry
    order.stop.raise_if_cancelled()
    alive = [dest for dest in work.needs if dest.is_alive]
    if not alive:
        return []
    targets = [work.file.targets[dest] for dest in alive if dest.encoded is None]
    encoded = {dest: work.file.encoded[dest] for dest in alive if dest.encoded is not None}
    source = work.file.source()
    check_unchanged(source)
    limits = [dest.spec.throttle for dest in alive]
    pace = Pace(
        throttles=(throttle, *(limit for limit in limits if limit is not None)),
        cancel=order.stop,
        moved=moved,
    )
    for file in encoded.values():
        file.begin(work.chunk)
    shared = [target for target in targets if share_chunk(target, source, work.chunk)]
    sinks = [_sink(target, order.stop) for target in targets if target not in shared]
    sinks += [_encoded_sink(dest, file) for dest, file in encoded.items()]
    digest = _digest_of(work, lane, pace, source, shared, sinks)
    order.add_read(work.chunk.length)
    check_digest(entry, work.chunk, digest)
    order.set_digest(work.number, digest)
    done = [Done(entry.path, work.chunk._replace(digest=digest))]
    written = [Written(target.destination, target, done) for target in targets]
    for dest, file in encoded.items():
        handed = file.end(digest)
        if handed.done:
            written.append(Written(dest, file, handed.done, handed.pieces))
    return [one for one in written if one.destination.is_alive]


def _digest_of(
    work: ChunkWork,
    lane: Lane,
    pace: Pace,
    source: FileRead,
    shared: Sequence[Target],
    sinks: Sequence[Sink],
) -> bytes:
    """Feeds the sinks and reads what shares its blocks; the source only where that is needed."""
    entry, chunk, span = work.file.entry, work.chunk, span_of(work.chunk)
    check_unchanged(source)  # since the sharing, before what is shared is believed
    digest = flow_range(lane, pace, source, span, sinks) if sinks or not shared else b""
    if shared:
        found = read_shared(lane, untold(pace) if digest else pace, entry, shared, chunk)
        agreed = set(found.values())
        if not digest and len(agreed) == 1 and agreed <= {chunk.digest or min(agreed)}:
            digest = min(agreed)
        elif not digest:  # whose fault it is only the source can tell
            digest = flow_range(lane, untold(pace), source, span, ())
        drop_differing(found, digest, entry, chunk)
    check_unchanged(source)
    return digest


def _sink(target: Target, stop: CancelToken) -> Sink:
    throttle = target.destination.spec.throttle
    if throttle is None:
        return target.write

    def write(view: memoryview, offset: int) -> None:
        if target.destination.is_alive:
            throttle.take(len(view), stop)
            target.write(view, offset)

    return write


def _encoded_sink(dest: OpenDestination, file: EncodedFile) -> Sink:
    def write(view: memoryview, offset: int) -> None:
        if dest.is_alive:
            file.write(view, offset)

    return write


def copy_batch(work: BatchWork, lane: Lane, throttle: Throttle, moved: Moved) -> list[Written]:
    """Copies small files whole; what is returned is synced when it is recorded.

    Raises:
        SourceFailed: unreadable, changed, or not what its digest says.
        Cancelled: stopped between files.
    """
    order = work.order
    order.stop.raise_if_cancelled()
    pace = Pace(throttles=(throttle,), cancel=order.stop, moved=moved)
    buffer = lane.buffers.get(order.stop)
    try:
        written: list[Written] = []
        for files in fitting(work.files, lambda file: file.entry.size, len(buffer)):
            if not order.alive:
                break
            written += _copy_group(order, files, lane, buffer, pace)
            moved(sum(file.entry.size for file in files))
        return written
    finally:
        lane.buffers.put(buffer)


def fitting(files: Sequence[F], size_of: Callable[[F], int], most_bytes: int) -> Iterator[list[F]]:
    """Groups that fit into one buffer, which may have shrunk since the batch was made."""
    group: list[F] = []
    size = 0
    for file in files:
        if group and size + size_of(file) > most_bytes:
            yield group
            group, size = [], 0
        group.append(file)
        size += size_of(file)
    yield group


def _copy_group(
    order: OpenOrder,
    files: Sequence[SmallFile],
    lane: Lane,
    buffer: memoryview,
    pace: Pace,
) -> list[Written]:
    views: list[memoryview] = []
    at = 0
    for file in files:
        views.append(buffer[at : at + file.entry.size])
        at += file.entry.size
    chunks = _read_small(order, files, views, pace)
    order.add_read(at)
    write = partial(_write_small, order, files, views, chunks)
    needing = [dest for dest in order.alive if any(dest in file.needs for file in files)]
    if len(needing) == 1:
        return [one for one in [write(needing[0])] if one is not None]
    pumps = [lane.threads.submit(write, dest) for dest in needing]
    wait(pumps)
    return [one for pump in pumps if (one := pump.result()) is not None]


def _read_small(
    order: OpenOrder, files: Sequence[SmallFile], views: Sequence[memoryview], pace: Pace
) -> list[Chunk]:
    """Reads a group of small files and keeps their digests."""
    chunks: list[Chunk] = []
    pairs = [(file.entry, view) for file, view in zip(files, views, strict=True)]
    try:
        with closing(read_at_once(order.reader, pairs, pace)) as reads:
            for file, view, is_read in zip(files, views, reads, strict=True):
                entry = file.entry
                if is_read:
                    digest = blake3(view).digest()
                else:
                    digest = read_whole(order.reader, entry, view, pace)
                if file.expected:
                    check_digest(entry, Chunk(0, len(view), file.expected), digest)
                if file.number >= 0:
                    order.set_digest(file.number, digest)
                chunks.append(Chunk(0, len(view), digest))
    except Cancelled:
        raise
    except AuxError as err:
        raise SourceFailed(err, files[len(chunks)].entry.path) from err
    return chunks


def read_at_once(
    reader: JobReader, files: Sequence[tuple[FileEntry, memoryview]], pace: Pace
) -> Generator[bool, None, None]:
    """Fills buffers with small files as their reader does it with many; one after the other.

    Yields:
        True for a file that is read; False for one that is still to be read, by `read_whole`.

    Raises:
        SourceError: the next one is unreadable or changed.
        Cancelled: stopped between files.
    """
    size = sum(len(view) for _, view in files)
    reads = None
    if isinstance(reader, ReadsWhole) and pace.piece_bytes(size) == size:
        reads = reader.read_each(files)
    if reads is None:
        yield from repeat(False, len(files))
        return
    for _, view in files:
        pace.take(len(view))
        next(reads)
        yield True


def read_whole(reader: JobReader, entry: FileEntry, view: memoryview, pace: Pace) -> bytes:
    """Fills `view` with a small file and returns its BLAKE3.

    Raises:
        SourceError: unreadable or changed.
        Cancelled: stopped at a piece.
    """
    if isinstance(reader, ReadsWhole) and pace.piece_bytes(len(view)) == len(view):
        pace.take(len(view))
        if reader.read_whole(entry, view):
            return blake3(view).digest()
    handle = reader.open_file(entry)
    try:
        source = FileRead(entry.path, handle)
        at = 0
        while at < len(view):
            count = min(pace.piece_bytes(len(view)), len(view) - at)
            pace.take(count)
            source.fill(view[at : at + count], at)
            at += count
        check_unchanged(source)
    finally:
        handle.close()
    return blake3(view).digest()


def _write_small(
    order: OpenOrder,
    files: Sequence[SmallFile],
    views: Sequence[memoryview],
    chunks: Sequence[Chunk],
    dest: OpenDestination,
) -> Written | None:
    """Writes what one destination lacks of a group; None when it dropped out."""
    mine = [index for index, file in enumerate(files) if dest in file.needs]
    counts = [chunks[index] for index in mine if views[index]]
    batch: list[tuple[FileEntry, memoryview]] = []
    done: list[Done] = []
    try:
        for index in mine:
            entry, view, chunk = files[index].entry, views[index], chunks[index]
            if dest.encoded is not None:
                small = dest.encoded.small(entry, files[index].file_number, view, chunk.digest)
                batch.append((small.entry, small.content))
                done.append(small.done)
            else:
                batch.append((entry, view))
                done += [Done(entry.path, chunk)] if view else []
        if dest.spec.throttle is not None:
            dest.spec.throttle.take(sum(len(view) for _, view in batch), order.stop)
        dest.writer.write_batch(batch)
    except Cancelled:
        raise
    except AuxError as err:
        dest.fail(err)
        return None
    return Written(dest, None, done, counts, [files[index].file_number for index in mine])


def check_unchanged(source: FileRead) -> None:
    """Raises:
    SourceChanged: the file is not the one that was adopted or opened any more.
    """
    if not source.handle.unchanged():
        raise SourceChanged(
            f"{shown(source.path)} changed since it was adopted",
            hint="scan again when nothing writes to it any more",
        )


def check_digest(entry: FileEntry, chunk: Chunk, digest: bytes) -> None:
    """Raises:
    SourceCorrupt: there is an expected digest, and this is not it.
    """
    if chunk.digest and chunk.digest != digest:
        raise SourceCorrupt(
            f"{shown(entry.path)}: bytes {chunk.offset} to {chunk.offset + chunk.length} have the"
            f" digest {digest.hex()[:16]}, the manifest says {chunk.digest.hex()[:16]}",
            hint=DAMAGED_HINT,
        )
