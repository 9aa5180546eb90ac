"""An order cut into pieces of work: a chunk of a large file, or a batch of small files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from engine.model.entries import DIGEST_BYTES, Chunk, FileEntry, chunk_bytes_for
from engine.model.errors import AuxError
from engine.transfer.copied_file import CopiedFile, spans_of
from engine.transfer.decoding import reads_in_order
from engine.transfer.encoded import EncodedSide
from engine.transfer.encoded_file import EncodedFile
from engine.transfer.open_destination import OpenDestination
from engine.transfer.opened import OpenOrder
from engine.transfer.resume_point import pieces_of

SMALL_BYTES = 1024 * 1024  # a file below this travels in a batch
BATCH_FILES = 256  # one thread hop for this many; several batches share a sync and a record

Needs = tuple[OpenDestination, ...]
_NO_DIGEST = bytes(DIGEST_BYTES)


class SmallFile(NamedTuple):
    """A file of a batch, whole."""

    entry: FileEntry
    file_number: int
    """Of the file within the order."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FileWork:
    """Chunks of one large file that one stream takes in their order: it is encoded, or decoded."""

    order: OpenOrder
    chunks: tuple[ChunkWork, ...]


Work = ChunkWork | BatchWork | FileWork
Step = ChunkWork | BatchWork


def steps_of(work: Work) -> Sequence[Step]:
    """What a stream does one after the other."""
    return work.chunks if isinstance(work, FileWork) else (work,)


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
    is_afresh = all(dest.encoded is None and not dest.writer.resumed for dest in order.destinations)
    one_chunk_bytes = min(SMALL_BYTES - 1, chunk_bytes_for(0)) if is_afresh else -1
    for entry in order.reader.entries():
        order.entry_count += 1
        if not isinstance(entry, FileEntry):
            continue
        if entry.size <= one_chunk_bytes and len(entry.chunks) < 2 and entry.plain is None:
            if _is_full(batch, entry, batch_bytes):
                yield batch
                batch = BatchWork(order=order)
            batch.files.append(_counted(order, entry))
            batch.size_bytes += entry.size
            continue
        order.file_count += 1
        order.size_bytes += entry.size
        chunks = spans_of(entry)
        order.original_bytes += entry.size if entry.plain is None else entry.plain.size
        order.original_chunks += len(chunks if entry.plain is None else entry.plain.chunks)
        file_number, number = order.file_count - 1, order.chunk_count
        order.chunk_count += len(chunks)
        order.digests.extend(bytes(DIGEST_BYTES * len(chunks)))
        having = _journaled(order, entry, chunks, file_number)
        wanted = _wanted(order, chunks, number, having, reused)
        if entry.size >= SMALL_BYTES or len(chunks) > 1:
            works = _chunk_works(order, entry, file_number, number, wanted)
            if works and (order.is_encoded or reads_in_order(order.reader)):
                yield FileWork(order=order, chunks=tuple(works))
            else:
                yield from works
        elif (small := _small_file(order, entry, file_number, number, wanted, having)).needs:
            if _is_full(batch, entry, batch_bytes):
                yield batch
                batch = BatchWork(order=order)
            batch.files.append(small)
            batch.size_bytes += entry.size
    if batch.files:
        yield batch


def _is_full(batch: BatchWork, entry: FileEntry, batch_bytes: Callable[[], int]) -> bool:
    """True where a file has no room in a batch that is not empty."""
    if not batch.files:
        return False
    return len(batch.files) >= BATCH_FILES or batch.size_bytes + entry.size > batch_bytes()


def _counted(order: OpenOrder, entry: FileEntry) -> SmallFile:
    """A small file that every destination lacks: what the long way below comes to for it."""
    file_number = order.file_count
    order.file_count += 1
    order.size_bytes += entry.size
    order.original_bytes += entry.size
    if not entry.size:
        return SmallFile(entry, file_number, -1, b"", order.destinations)
    number = order.chunk_count
    order.chunk_count += 1
    order.original_chunks += 1
    order.digests.extend(_NO_DIGEST)
    expected = entry.chunks[0].digest if entry.chunks else b""
    return SmallFile(entry, file_number, number, expected, order.destinations)


class _Wanted(NamedTuple):
    """A chunk that some destination lacks."""

    at: int
    """Which chunk of its file."""
    chunk: Chunk
    needs: Needs


_Journaled = tuple[OpenDestination, dict[tuple[int, int], bytes]]
"""A destination, and the digests of the chunks that an earlier try has there."""


def _journaled(
    order: OpenOrder, entry: FileEntry, chunks: Sequence[Chunk], file_number: int
) -> list[_Journaled]:
    """What each destination has of a file already; one whose journal is of no use drops out."""
    proven: list[_Journaled] = []
    for dest in order.destinations:
        if dest.encoded is None:
            resumed = dest.writer.resumed.get(entry.path, ())
            having = {(have.offset, have.length): have.digest for have in resumed}
        else:
            having = _encoded_before(dest, dest.encoded, entry, chunks, file_number)
        if having:
            proven.append((dest, having))
    return proven


def _encoded_before(
    dest: OpenDestination,
    encoded: EncodedSide,
    entry: FileEntry,
    chunks: Sequence[Chunk],
    file_number: int,
) -> dict[tuple[int, int], bytes]:
    try:
        digests = encoded.resume(entry, file_number, chunks)
        for chunk, digest in zip(chunks, digests, strict=False):
            if chunk.digest not in (b"", digest):
                raise encoded.distrusted(entry.path)
    except AuxError as err:
        dest.fail(err, entry.path)
        return {}
    pieces = zip(pieces_of(chunks), digests, strict=False)
    return {(piece.offset, piece.length): digest for piece, digest in pieces}


def _wanted(
    order: OpenOrder,
    chunks: Sequence[Chunk],
    number: int,
    proven: Sequence[_Journaled],
    reused: Callable[[int], None],
) -> list[_Wanted]:
    """The chunks to read; those that every destination has are counted and their digests kept."""
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


def _agreed(proven: Sequence[_Journaled], chunk: Chunk) -> bytes:
    """The digest that all journals with this chunk state; empty when they disagree: read it anew."""
    stated = {digests.get((chunk.offset, chunk.length)) for _, digests in proven} - {None}
    return stated.pop() or b"" if len(stated) == 1 else b""


def _chunk_works(
    order: OpenOrder, entry: FileEntry, file_number: int, number: int, wanted: Sequence[_Wanted]
) -> list[ChunkWork]:
    if not wanted:
        return []
    lacking: dict[OpenDestination, int] = {}
    for want in wanted:
        for dest in want.needs:
            lacking[dest] = lacking.get(dest, 0) + 1
    file = CopiedFile(
        entry,
        file_number,
        order.reader,
        lacking,
        encoded={
            dest: partial(_encoded_file, order, dest, dest.encoded, entry, file_number)
            for dest in lacking
            if dest.encoded is not None
        },
        chunks=len(wanted),
        bytes_done=entry.size - sum(want.chunk.length for want in wanted),
        done=order.files.discard,
    )
    order.files.add(file)
    return [
        ChunkWork(order=order, file=file, number=number + at, chunk=chunk, needs=needs)
        for at, chunk, needs in wanted
    ]


def _encoded_file(
    order: OpenOrder,
    dest: OpenDestination,
    encoded: EncodedSide,
    entry: FileEntry,
    file_number: int,
    done: Callable[[], None],
) -> EncodedFile:
    throttle = dest.spec.throttle

    def take(count_bytes: int) -> None:
        if throttle is not None:
            throttle.take(count_bytes, order.stop)

    return encoded.file(entry, file_number, spans_of(entry), take=take, failed=dest.fail, done=done)


def _small_file(
    order: OpenOrder,
    entry: FileEntry,
    file_number: int,
    number: int,
    wanted: Sequence[_Wanted],
    proven: Sequence[_Journaled],
) -> SmallFile:
    """A file of a batch; nobody needs it when it was there before."""
    if wanted:
        return SmallFile(entry, file_number, number, wanted[0].chunk.digest, wanted[0].needs)
    if entry.size:
        return SmallFile(entry, file_number, number, b"", ())
    having = {dest for dest, digests in proven if digests}  # of nothing, an encoded file
    needs = tuple(dest for dest in order.destinations if dest not in having)
    return SmallFile(entry, file_number, -1, b"", needs)
