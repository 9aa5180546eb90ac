"""An order cut into pieces of work: a chunk of a large file, or a batch of small files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.model.entries import DIGEST_BYTES, Chunk, FileEntry
from engine.transfer.opened import CopiedFile, OpenDestination, OpenOrder, spans_of

SMALL_BYTES = 1024 * 1024  # a file below this travels in a batch
BATCH_FILES = 256  # one thread hop, one sync and one journal record for this many

Needs = tuple[OpenDestination, ...]


class SmallFile(NamedTuple):
    """A file of a batch, whole."""

    entry: FileEntry
    number: int
    """Of its chunk within the order; -1 for an empty file, which has none."""
    expected: bytes
    """Digest that it must have; empty while it is not known."""
    needs: Needs


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkWork:
    """One chunk of a large file."""

    order: OpenOrder
    file: CopiedFile
    number: int
    chunk: Chunk
    """Its digest is the one it must have; empty while it is not known."""
    needs: Needs


@dataclass(slots=True, kw_only=True)
class BatchWork:
    """Small files of one order."""

    order: OpenOrder
    files: list[SmallFile] = field(default_factory=list)
    size_bytes: int = 0


Work = ChunkWork | BatchWork


def split(
    order: OpenOrder, batch_bytes: Callable[[], int], reused: Callable[[int], None]
) -> Iterator[Work]:
    """Walks the entries once and yields what has to be read; counts everything on the way.

    Args:
        order: opened; its counters and digests are filled in.
        batch_bytes: most bytes of a batch just now.
        reused: told the bytes that every destination has already.

    Raises:
        ManifestError: the source's manifest is damaged.
    """
    batch = BatchWork(order=order)
    for entry in order.reader.entries():
        order.entry_count += 1
        if not isinstance(entry, FileEntry):
            continue
        order.file_count += 1
        order.size_bytes += entry.size
        chunks = spans_of(entry)
        number = order.chunk_count
        order.chunk_count += len(chunks)
        order.digests.extend(bytes(DIGEST_BYTES * len(chunks)))
        wanted = _wanted(order, entry, chunks, number, reused)
        if entry.size >= SMALL_BYTES or len(chunks) > 1:
            yield from _chunk_works(order, entry, number, wanted)
        elif wanted or not chunks:
            if batch.files and (
                len(batch.files) >= BATCH_FILES or batch.size_bytes + entry.size > batch_bytes()
            ):
                yield batch
                batch = BatchWork(order=order)
            batch.files.append(_small_file(order, entry, number, wanted))
            batch.size_bytes += entry.size
    if batch.files:
        yield batch


class _Wanted(NamedTuple):
    """A chunk that some destination lacks."""

    at: int
    """Which chunk of its file."""
    chunk: Chunk
    needs: Needs


def _wanted(
    order: OpenOrder,
    entry: FileEntry,
    chunks: Sequence[Chunk],
    number: int,
    reused: Callable[[int], None],
) -> list[_Wanted]:
    """The chunks to read; those that every destination has are counted and their digests kept."""
    proven = [
        (dest, {(have.offset, have.length): have.digest for have in resumed})
        for dest in order.destinations
        if (resumed := dest.writer.resumed.get(entry.path))
    ]
    if not proven:
        return [_Wanted(at, chunk, order.destinations) for at, chunk in enumerate(chunks)]
    wanted = []
    for at, chunk in enumerate(chunks):
        digest = chunk.digest or _agreed(proven, chunk)
        having = {
            dest
            for dest, digests in proven
            if digest and digests.get((chunk.offset, chunk.length)) == digest
        }
        for dest in having:
            dest.count([chunk])
        needs = tuple(dest for dest in order.destinations if dest not in having)
        if needs:
            wanted.append(_Wanted(at, chunk._replace(digest=digest), needs))
        else:
            order.set_digest(number + at, digest)
            order.bytes_reused += chunk.length
            reused(chunk.length)
    return wanted


def _agreed(
    proven: Sequence[tuple[OpenDestination, dict[tuple[int, int], bytes]]], chunk: Chunk
) -> bytes:
    """The digest that all journals with this chunk state; empty when they disagree: read it anew."""
    stated = {digests.get((chunk.offset, chunk.length)) for _, digests in proven} - {None}
    return stated.pop() or b"" if len(stated) == 1 else b""


def _chunk_works(
    order: OpenOrder, entry: FileEntry, number: int, wanted: Sequence[_Wanted]
) -> Iterator[ChunkWork]:
    if not wanted:
        return
    lacking: dict[OpenDestination, int] = {}
    for want in wanted:
        for dest in want.needs:
            lacking[dest] = lacking.get(dest, 0) + 1
    file = CopiedFile(
        entry,
        order.reader,
        lacking,
        chunks=len(wanted),
        bytes_done=entry.size - sum(want.chunk.length for want in wanted),
        done=order.files.discard,
    )
    order.files.add(file)
    for want in wanted:
        yield ChunkWork(
            order=order, file=file, number=number + want.at, chunk=want.chunk, needs=want.needs
        )


def _small_file(
    order: OpenOrder, entry: FileEntry, number: int, wanted: Sequence[_Wanted]
) -> SmallFile:
    if not wanted:
        return SmallFile(entry, -1, b"", order.destinations)
    return SmallFile(entry, number, wanted[0].chunk.digest, wanted[0].needs)
