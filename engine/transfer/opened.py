"""An order while it is being copied: its source, its destinations, and its files in flight."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import overload

from engine.library.interface import Done, JobReader, JobWriter, WriteHandle
from engine.model.entries import (
    DIGEST_BYTES,
    Chunk,
    Entry,
    FileEntry,
    chunk_bytes_for,
    with_chunks,
)
from engine.model.errors import AuxError
from engine.transfer.cancel import CancelToken
from engine.transfer.direct import DirectFile, reserve
from engine.transfer.encoded import EncodedSide
from engine.transfer.encoded_file import EncodedFile
from engine.transfer.flow import FileRead, Span
from engine.transfer.orders import OrderDestination, TransferOrder
from engine.transfer.progress import InFlight
from engine.transfer.settled import Settled


def spans_of(entry: FileEntry) -> list[Chunk]:
    """The chunks of a file: those that its manifest states, or those that its size makes."""
    if entry.chunks or not entry.size:
        return list(entry.chunks)
    step = chunk_bytes_for(entry.size)
    return [Chunk(at, min(step, entry.size - at), b"") for at in range(0, entry.size, step)]


class OpenDestination:
    """One destination of an order; its first error drops it out, from any thread.

    Args:
        spec: what the order says of it.
        writer: the job copy that is being made.
    """

    def __init__(self, spec: OrderDestination, writer: JobWriter) -> None:
        self.spec = spec
        self.writer = writer
        self.encoded: EncodedSide | None = None
        """Set when the files are encoded on the way to this destination."""
        self.error: AuxError | None = None
        self.path = b""
        self.manifest_digest: bytes | None = None
        self.settled = Settled()
        """Its files that are committed."""
        self.chunks_done = 0
        self.bytes_done = 0
        self._lock = threading.Lock()

    @property
    def is_alive(self) -> bool:
        """False once it has failed."""
        return self.error is None

    def fail(self, error: AuxError, path: bytes = b"") -> None:
        """Drops out; the first error stays."""
        with self._lock:
            if self.error is None:
                self.error, self.path = error, path
        self.settled.stop()

    def count(self, done: Sequence[Chunk]) -> None:
        """Counts journaled chunks."""
        with self._lock:
            self.chunks_done += len(done)
            self.bytes_done += sum(chunk.length for chunk in done)


class Target:
    """A file on one destination, shared by the streams that write its chunks.

    Args:
        destination: where it is.
        entry: the file.
        number: of the file within the order.
        chunks: how many chunks will be written there.
        done: called when all of them are committed.
    """

    def __init__(
        self,
        destination: OpenDestination,
        entry: FileEntry,
        number: int,
        chunks: int,
        done: Callable[[], None],
    ) -> None:
        self.destination = destination
        self._entry = entry
        self._number = number
        self._left = chunks
        self._done = done
        self._lock = threading.Lock()
        self._handle: WriteHandle | None = None
        self._direct: DirectFile | None = None
        self._read: FileRead | None = None

    def fileno(self) -> int | None:
        """Descriptor of the file, made if it is not there; None for what is not a local file.

        Raises:
            DestinationError: it cannot be opened.
        """
        return self._open()[0].fileno()

    def read(self) -> FileRead:
        """The file, open for reading what was written to it.

        Raises:
            SourceError: it cannot be opened.
        """
        with self._lock:
            if self._read is None:
                handle = self.destination.writer.read_back(self._entry)
                direct = DirectFile(handle.fileno(), os.O_RDONLY)
                self._read = FileRead(self._entry.path, handle, direct)
            return self._read

    def write(self, view: memoryview, offset: int) -> None:
        """A sink; a failure drops the destination."""
        if not self.destination.is_alive:
            return
        try:
            handle, direct = self._open()
            count = direct.write(view, offset) if direct is not None else 0
            if count < len(view):
                handle.write(view[count:], offset + count)
        except AuxError as err:
            self.destination.fail(err, self._entry.path)

    def _open(self) -> tuple[WriteHandle, DirectFile | None]:
        with self._lock:
            if self._handle is None:
                self._handle = self.destination.writer.open_file(self._entry)
                if not self._entry.sparse:  # the library makes the holes
                    self._direct = DirectFile(self._handle.fileno(), os.O_WRONLY)
                    if self._left > 1 and not self.destination.spec.reflink:
                        reserve(self._handle.fileno(), self._entry.size)
            return self._handle, self._direct

    def sync(self) -> None:
        """Makes what was written durable; a failure drops the destination."""
        try:
            self._open()[0].sync()
        except AuxError as err:
            self.destination.fail(err, self._entry.path)

    def settle(self, chunks: int) -> None:
        """Closes the file when its last chunk is committed, or its destination has failed."""
        with self._lock:
            self._left -= chunks
            is_last = self._left == 0
        if is_last:
            self.close()
            if self.destination.is_alive:
                self.destination.settled.add((self._number,))
            self._done()

    def close(self) -> None:
        """Closes the file if it is open."""
        with self._lock:
            handle, self._handle = self._handle, None
            direct, self._direct = self._direct, None
            read, self._read = self._read, None
        if read is not None:
            read.close()
        if direct is not None:
            direct.close()
        if handle is not None:
            handle.close()


class CopiedFile:
    """A file of several pieces of work: one handle to read it, one per destination to write it.

    Args:
        entry: the file.
        number: of the file within the order.
        reader: of its backup job.
        needs: chunks that each destination lacks.
        encoded: makes the file for each destination that it is encoded for; given what to call
            when it is done.
        chunks: pieces of work in all.
        bytes_done: what every destination has already.
        done: called when everything is committed and closed.
    """

    def __init__(
        self,
        entry: FileEntry,
        number: int,
        reader: JobReader,
        needs: dict[OpenDestination, int],
        *,
        encoded: Mapping[OpenDestination, Callable[[Callable[[], None]], EncodedFile]],
        chunks: int,
        bytes_done: int,
        done: Callable[[CopiedFile], None],
    ) -> None:
        self.entry = entry
        self.bytes_done = bytes_done
        self.targets = {
            dest: Target(dest, entry, number, count, self._part_done)
            for dest, count in needs.items()
            if dest not in encoded
        }
        self.encoded = {dest: make(self._part_done) for dest, make in encoded.items()}
        self._parts = 1 + len(self.targets) + len(self.encoded)
        self._done = done
        self._reader = reader
        self._left = chunks
        self._lock = threading.Lock()
        self._read: FileRead | None = None

    def source(self) -> FileRead:
        """The file, opened at the first call.

        Raises:
            SourceError: it cannot be opened, or is not what was adopted.
        """
        with self._lock:
            if self._read is None:
                self._read = opened_for_reading(self._reader, self.entry)
            return self._read

    def add(self, count_bytes: int) -> None:
        """Counts bytes as moved; for display, so a lost update does no harm."""
        self.bytes_done += count_bytes

    def settle(self) -> None:
        """One piece of work has read all it needs; the last closes the source."""
        with self._lock:
            self._left -= 1
            is_last = self._left == 0
        if is_last:
            self._close_source()
            self._part_done()

    def _part_done(self) -> None:
        with self._lock:
            self._parts -= 1
            is_last = self._parts == 0
        if is_last:
            self._done(self)

    def close(self) -> None:
        """Closes everything that is still open."""
        self._close_source()
        for target in self.targets.values():
            target.close()
        for encoded in self.encoded.values():
            encoded.close()

    def _close_source(self) -> None:
        with self._lock:
            read, self._read = self._read, None
        if read is not None:
            read.close()


def opened_for_reading(reader: JobReader, entry: FileEntry) -> FileRead:
    """Opens a large file both ways.

    Raises:
        SourceError: it cannot be opened, or is not what was adopted.
    """
    handle = reader.open_file(entry)
    return FileRead(entry.path, handle, DirectFile(handle.fileno(), os.O_RDONLY))


class Written:
    """What one piece of work leaves on one destination, to be synced and journaled.

    Args:
        destination: where.
        target: the file to sync; None for a batch, which is synced when it is recorded.
        done: the chunks.
        counts: chunks of the original that are there with them; None: they are the same.
        files: of a batch, by their number within the order, also those without a chunk.
    """

    __slots__ = ("counts", "destination", "done", "files", "target")

    def __init__(
        self,
        destination: OpenDestination,
        target: Target | EncodedFile | None,
        done: Sequence[Done],
        counts: Sequence[Chunk] | None = None,
        files: Sequence[int] = (),
    ) -> None:
        self.destination = destination
        self.target = target
        self.done = done
        self.counts = [one.chunk for one in done] if counts is None else counts
        self.files = files


class OpenOrder:
    """One order being copied. Its counters are set by the thread that splits it, one at a time.

    Args:
        order: what was asked.
        reader: its source.
        destinations: those that could be opened.
        refused: why the others, by copy id, could not.
        cancel: of the run.
    """

    def __init__(
        self,
        order: TransferOrder,
        reader: JobReader,
        destinations: Sequence[OpenDestination],
        refused: Mapping[int, AuxError],
        cancel: CancelToken,
    ) -> None:
        self.order = order
        self.reader = reader
        self.destinations = tuple(destinations)
        self.refused = refused
        self.warnings: list[str] = []
        self.stop = CancelToken(cancel)
        self._leave = _follow(self.stop, order.cancel)
        self.digests = bytearray()
        self.files: set[CopiedFile] = set()
        self.entry_count = self.file_count = self.chunk_count = 0
        self.original_chunks = self.original_bytes = 0
        self.size_bytes = self.bytes_read = self.bytes_reused = self.bytes_moved = 0
        self.source_error: AuxError | None = None
        self.source_path = b""
        self._lock = threading.Lock()

    @property
    def is_encoded(self) -> bool:
        """True when files are encoded on the way to some destination."""
        return any(dest.encoded is not None for dest in self.destinations)

    def detach(self) -> None:
        """Leaves the tokens that can stop it: they outlive many orders."""
        self.stop.detach()
        self._leave()

    @property
    def alive(self) -> list[OpenDestination]:
        """The destinations that have not failed."""
        return [dest for dest in self.destinations if dest.is_alive]

    def fail(self, error: AuxError, path: bytes = b"") -> None:
        """The source failed: this ends the order for every destination; the first error stays."""
        with self._lock:
            if self.source_error is None:
                self.source_error, self.source_path = error, path
        self.stop.cancel("the source failed")

    def digest_of(self, number: int) -> bytes:
        """Digest of the chunk with this number; zeros while it is not known."""
        return bytes(self.digests[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES])

    def set_digest(self, number: int, digest: bytes) -> None:
        """Keeps the digest of the chunk with this number."""
        self.digests[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES] = digest

    def add_read(self, count_bytes: int) -> None:
        """Counts bytes that were read of the source."""
        with self._lock:
            self.bytes_read += count_bytes

    def in_flight(self) -> Iterator[InFlight]:
        """How far each destination is."""
        for dest in self.destinations:
            moved = min(self.order.size_bytes, self.bytes_reused + self.bytes_moved)
            yield InFlight(
                self.order.backup_job_id,
                dest.spec.copy_name,
                dest.chunks_done,
                dest.bytes_done,
                max(dest.bytes_done, moved) if dest.is_alive else dest.bytes_done,
            )


class EntriesWithDigests(Sequence[Entry]):
    """The entries of a backup job as they go into a manifest, made anew at each pass.

    Only the digests are kept in memory, 32 bytes a chunk: a job of a million files takes 32 MB,
    and about 150 MB more for each copy that it is encoded for.

    Args:
        order: completely read and hashed.
        encoded: of the destination that the manifest is for; None for the originals.
    """

    def __init__(self, order: OpenOrder, encoded: EncodedSide | None = None) -> None:
        self._order = order
        self._encoded = encoded

    def __len__(self) -> int:
        return self._order.entry_count

    @overload
    def __getitem__(self, index: int) -> Entry: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry]: ...

    def __getitem__(self, index: int | slice) -> Entry | Sequence[Entry]:
        if isinstance(index, slice):
            return list(self)[index]
        at = index + len(self) if index < 0 else index
        for entry in islice(self, at, at + 1):
            return entry
        raise IndexError(index)

    def __iter__(self) -> Iterator[Entry]:
        if self._encoded is not None:
            return self._encoded.published(originals(self._order))
        return originals(self._order)


def originals(order: OpenOrder, wait: Callable[[FileEntry], None] | None = None) -> Iterator[Entry]:
    """The entries of an order with the digests that are known; not as they are encoded.

    Args:
        wait: called before the digests of a file are looked up.
    """
    number = 0
    for entry in order.reader.entries():
        if not isinstance(entry, FileEntry):
            yield entry
            continue
        if wait is not None:
            wait(entry)
        if 0 < entry.size <= chunk_bytes_for(entry.size) and len(entry.chunks) <= 1:
            chunk = Chunk(0, entry.size, order.digest_of(number))
            yield with_chunks(entry, (chunk,), entry.identity)
            number += 1
            continue
        spans = spans_of(entry)
        yield with_chunks(
            entry,
            tuple(
                Chunk(span.offset, span.length, order.digest_of(number + at))
                for at, span in enumerate(spans)
            ),
            entry.identity,
        )
        number += len(spans)


def _follow(stop: CancelToken, other: CancelToken | None) -> Callable[[], None]:
    """Lets another token cancel `stop`; returns what takes that back."""
    if other is None:
        return lambda: None
    return other.on_cancel(lambda: stop.cancel(other.reason))


def span_of(chunk: Chunk) -> Span:
    """The byte range of a chunk."""
    return Span(chunk.offset, chunk.length)
