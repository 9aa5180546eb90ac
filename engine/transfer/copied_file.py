"""A large file while it is being copied: where it is read, where it is written, what is left of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence

from engine.library.interface import Done, JobReader, WriteHandle
from engine.model.entries import Chunk, FileEntry, chunk_bytes_for
from engine.model.errors import AuxError
from engine.transfer.direct import DirectFile, reserve
from engine.transfer.encoded_file import EncodedFile
from engine.transfer.flow import FileRead, Span
from engine.transfer.open_destination import OpenDestination


def spans_of(entry: FileEntry) -> list[Chunk]:
    """The chunks of a file: those that its manifest states, or those that its size makes."""
    if entry.chunks or not entry.size:
        return list(entry.chunks)
    step = chunk_bytes_for(entry.size)
    return [Chunk(at, min(step, entry.size - at), b"") for at in range(0, entry.size, step)]


def span_of(chunk: Chunk) -> Span:
    """The byte range of a chunk."""
    return Span(chunk.offset, chunk.length)


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
