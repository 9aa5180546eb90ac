"""An order while it is being copied: its source, its destinations, its digests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import overload

from engine.library.interface import JobReader
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
from engine.transfer.copied_file import CopiedFile, spans_of
from engine.transfer.encoded import EncodedSide
from engine.transfer.open_destination import OpenDestination
from engine.transfer.orders import TransferOrder
from engine.transfer.progress import InFlight


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
