"""Verification of one job copy: every byte read from the medium, hashed and compared."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from blake3 import blake3

from engine.library.digesting import DigestsThere, Piece
from engine.library.interface import JobReader, ReadHandle
from engine.library.structure import check_structure, strangers_in
from engine.model.entries import Chunk, Entry, FileEntry, ManifestHeader
from engine.model.errors import AuxError, SourceError
from engine.model.names import RelPath
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
    progress_of,
    read_batch,
    read_chunk,
)
from engine.transfer.throttle import Throttle

_OF_NOTHING = blake3().digest()
NO_CHUNK = Chunk(0, 0, b"")  # of what has no bytes: an empty file, a link, a directory


class DamagedChunk(NamedTuple):
    """A part of a job copy that is not what its manifest says, or cannot be read."""

    path: RelPath
    chunk: Chunk
    error: AuxError


class PastCache:
    """A job copy read from its medium: what the page cache has of a file is let go first.

    Args:
        reader: of the job copy.
    """

    def __init__(self, reader: JobReader) -> None:
        self.reader = reader

    @property
    def header(self) -> ManifestHeader:
        """See `JobReader`."""
        return self.reader.header

    @property
    def has_digests(self) -> bool:
        """See `JobReader`."""
        return self.reader.has_digests

    def entries(self) -> Iterator[Entry]:
        """See `JobReader`."""
        return self.reader.entries()

    def open_file(self, entry: FileEntry) -> ReadHandle:
        """See `JobReader`."""
        handle = self.reader.open_file(entry)
        drop_cached(handle)
        return handle

    def close(self) -> None:
        """See `JobReader`."""
        self.reader.close()


def drop_cached(handle: ReadHandle) -> None:
    """Lets go what the page cache has of a local file; what is not durable yet stays there."""
    fd = handle.fileno()
    if fd is not None:
        with suppress(OSError):  # not every kind of file system has a page cache
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


class Verifier:
    """Verifies one job copy; another one goes on where it stopped.

    A unit is a chunk, or a file without any; they are counted in the order of the manifest.

    Args:
        reader: of the job copy.
        cancel: stops it.
        throttle: of all its streams together.
        progress: told what is read.
        start: so many units were verified before, and are not read again.
        found: told each damaged part as it is found, from any thread.
    """

    def __init__(
        self,
        reader: JobReader,
        *,
        cancel: CancelToken,
        throttle: Throttle,
        progress: ReadProgress | None = None,
        start: int = 0,
        found: Callable[[DamagedChunk], None] = lambda _: None,
    ) -> None:
        self._start = start
        self._reading = Reading(
            reader=PastCache(reader),
            cancel=cancel,
            throttle=throttle,
            progress=progress or ReadProgress(),
        )
        self._plain = reader
        self._found = found
        self._lock = threading.Lock()
        self._handed = start
        self._done = start
        self.skipped_bytes = 0
        """Verified before, and not read again."""
        self.strangers: list[bytes] = []
        """What lies beside its files and no manifest lists; harms nothing that is read by the manifest."""
        self._ahead: dict[int, int] = {}
        """Pieces that were verified before one that is under way: first unit -> number of units."""

    @property
    def verified(self) -> int:
        """All units before this number are verified."""
        return self._done

    async def run(self, streams: int = READ_STREAMS) -> None:
        """Reads what is not verified yet.

        Raises:
            ManifestError: the manifest itself is damaged.
            Cancelled: stopped.
        """
        await in_thread(self._check_structure, self._reading.cancel)
        await work_off(self._pieces(), self._verify, streams=streams, cancel=self._reading.cancel)

    def _check_structure(self) -> None:
        if self._start:
            return
        for entry in self._plain.entries():
            self._reading.cancel.raise_if_cancelled()
            try:
                check_structure(self._plain, entry)
            except SourceError as err:
                self._found(DamagedChunk(entry.path, NO_CHUNK, err))
        self.strangers = strangers_in(self._plain)

    def _pieces(self) -> Iterator[tuple[int, ReadChunk | ReadBatch]]:
        files = (entry for entry in self._plain.entries() if isinstance(entry, FileEntry))
        for work in cut(self._not_verified(files)):
            yield self._handed, work
            self._handed += _units(work)

    def _not_verified(self, files: Iterator[FileEntry]) -> Iterator[FileEntry]:
        """The files after those before; one that is partly among them has its later chunks only."""
        units = self._start
        for entry in files:
            chunks = spans_of(entry)
            before = min(units, max(1, len(chunks)))
            units -= before
            self.skipped_bytes += sum(chunk.length for chunk in chunks[:before])
            if before < max(1, len(chunks)):
                yield replace(entry, chunks=tuple(chunks[before:])) if before else entry

    def _verify(self, piece: tuple[int, ReadChunk | ReadBatch], lane: Lane) -> None:
        first, work = piece
        if self._is_proven_there(work):
            self._settle(first, _units(work))
            return
        if isinstance(work, ReadBatch):
            read_batch(self._reading, work, lane, good=_let_go, bad=self._bad_file)
        else:
            progress_of(self._reading, work)
            try:
                read_chunk(self._reading, work, lane, [])
            except SourceError as err:
                self._found(DamagedChunk(work.entry.path, work.chunk, err))
        self._settle(first, _units(work))

    def _is_proven_there(self, work: ReadChunk | ReadBatch) -> bool:
        """Whether the far side itself can say that it is right; what it says is wrong is read here."""
        if not isinstance(self._plain, DigestsThere):
            return False
        self._reading.cancel.raise_if_cancelled()
        pieces = [
            Piece(entry, chunk)
            for entry, chunks in _parts(work)
            for chunk in chunks or [Chunk(0, 0, _OF_NOTHING)]
        ]
        found = self._plain.far_digests(pieces)
        if found is None or list(found) != [piece.chunk.digest for piece in pieces]:
            return False
        progress = self._reading.progress
        for entry, chunks in _parts(work):
            progress.begin(entry.path)
            progress.add(sum(chunk.length for chunk in chunks))
        files = _units(work) if isinstance(work, ReadBatch) else _ends_file(work)
        progress.add_files(files)
        return True

    def _bad_file(self, entry: FileEntry, error: AuxError) -> None:
        for chunk in spans_of(entry) or [NO_CHUNK]:
            self._found(DamagedChunk(entry.path, chunk, error))

    def _settle(self, first: int, units: int) -> None:
        with self._lock:
            self._ahead[first] = units
            while self._done in self._ahead:
                self._done += self._ahead.pop(self._done)


def _parts(work: ReadChunk | ReadBatch) -> list[tuple[FileEntry, list[Chunk]]]:
    if isinstance(work, ReadBatch):
        return [(entry, spans_of(entry)) for entry in work.entries]
    return [(work.entry, [work.chunk])]


def _ends_file(work: ReadChunk) -> int:
    return int(work.chunk.offset + work.chunk.length == work.entry.size)


def _units(work: ReadChunk | ReadBatch) -> int:
    return len(work.entries) if isinstance(work, ReadBatch) else 1


async def verify_job(
    reader: JobReader,
    *,
    cancel: CancelToken,
    throttle: Throttle,
    progress: ReadProgress | None = None,
    streams: int = READ_STREAMS,
) -> list[DamagedChunk]:
    """Reads a whole job copy and returns what is not as its manifest says, in manifest order.

    Raises:
        ManifestError: the manifest itself is damaged.
        Cancelled: stopped.
    """
    damaged: list[DamagedChunk] = []
    verifier = Verifier(
        reader, cancel=cancel, throttle=throttle, progress=progress, found=damaged.append
    )
    await verifier.run(streams)
    place = {entry.path: at for at, entry in enumerate(reader.entries())} if damaged else {}
    return sorted(damaged, key=lambda one: (place[one.path], one.chunk.offset))


def _let_go(_: object) -> None:
    """What is only verified is not kept."""
