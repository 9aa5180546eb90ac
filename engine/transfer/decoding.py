"""Reads an encoded job copy as what it was made from: decrypted and decompressed on the way.

An encoded file can only be read from its begin, so whoever reads one goes through it in order.
Nothing is believed before its digest is compared with that of the original.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyrage
import zstandard

from engine.library.age import Identities
from engine.library.interface import JobReader, ReadHandle
from engine.model.encoding import NO_COMPRESSION, Encoding
from engine.model.entries import Entry, FileEntry, ManifestHeader, original
from engine.model.errors import AuxError, SourceCorrupt, SourceLocked
from engine.model.names import RelPath, shown

READ_BYTES = 1024 * 1024
AHEAD_BYTES = 1024 * 1024  # decrypted and not yet taken
SKIP_BYTES = 1024 * 1024
_MAX_WINDOW_BYTES = 8 * 1024**2  # what a frame may make a reader allocate; level 3 needs 2 MiB
_HINT = "verify this copy, and repair it from another one"


class DecodedReader:
    """A `JobReader` of the originals of an encoded job copy. Thread-safe.

    Args:
        reader: of the job copy; closed with this one.
        identities: to open what is encrypted.
    """

    def __init__(self, reader: JobReader, identities: Identities) -> None:
        self._reader = reader
        self._identities = identities
        self._encoding = reader.header.encoding

    @property
    def header(self) -> ManifestHeader:
        """That of a plain copy."""
        return replace(self._reader.header, compression=NO_COMPRESSION, encrypt_to=())

    @property
    def has_digests(self) -> bool:
        """See `JobReader`."""
        return self._reader.has_digests

    def entries(self) -> Iterator[Entry]:
        """See `JobReader`: the originals."""
        return map(original, self._reader.entries())

    def open_file(self, entry: FileEntry) -> ReadHandle:
        """See `JobReader`; takes what `entries` gave."""
        if entry.stored is None:
            raise TypeError("only what this reader has listed can be opened")
        return DecodingHandle(self._reader, entry.stored, self._encoding, self._identities)

    def close(self) -> None:
        """Closes the job copy."""
        self._reader.close()


def reads_in_order(reader: JobReader) -> bool:
    """True when a file is read from its begin on only: its chunks are one piece of work."""
    return isinstance(reader, DecodedReader)


def readable(reader: JobReader, identities: Identities) -> JobReader:
    """A reader of the originals, whatever the encoding of the job copy.

    Raises:
        SourceLocked: it is certain that no identity opens it; the reader is closed.
    """
    encoding = reader.header.encoding
    if encoding.is_plain:
        return reader
    if not identities.may_open(encoding):
        reader.close()
        raise locked("this job copy", identities)
    return DecodedReader(reader, identities)


def locked(what: str, identities: Identities) -> SourceLocked:
    """The error of what cannot be decrypted."""
    which = "no identity is known" if not identities.keys else "none of the identities opens it"
    return SourceLocked(
        f"{what} is encrypted, and {which}",
        hint=f"{identities.hint}; a restore takes --identity FILE too",
    )


class DecodingHandle:
    """An encoded file, read as its original; `ReadHandle` without a descriptor.

    Args:
        reader: of the job copy.
        stored: the encoded file.
        encoding: of it.
        identities: to open what is encrypted.

    Raises:
        SourceError: it cannot be opened.
    """

    def __init__(
        self, reader: JobReader, stored: FileEntry, encoding: Encoding, identities: Identities
    ) -> None:
        self._stored = stored
        self._encoding = encoding
        self._identities = identities
        self._handle = reader.open_file(stored)
        self._lock = threading.Lock()
        self._age: _DecryptingThread | None = None
        self._begin()

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """See `ReadHandle`; quick only where one read goes on behind the other."""
        with self._lock:
            return self._read_into(buffer, offset)

    def _read_into(self, buffer: memoryview, offset: int) -> int:
        if offset < self._at:
            self._end()
            self._begin()
        skipped = memoryview(bytearray(min(SKIP_BYTES, offset - self._at)))
        while self._at < offset:
            if not self._take(skipped[: offset - self._at]):
                return 0
        count = 0
        while count < len(buffer):
            got = self._take(buffer[count:])
            if not got:
                break
            count += got
        if count < len(buffer):
            raise SourceCorrupt(
                f"{shown(self._stored.path)} ends after {self._at} bytes of its original",
                hint=_HINT,
            )
        return count

    def unchanged(self) -> bool:
        """See `ReadHandle`: of the encoded file."""
        return self._handle.unchanged()

    def fileno(self) -> None:
        """None: no descriptor has the original."""

    def close(self) -> None:
        """Closes the file."""
        self._end()
        self._handle.close()

    def _begin(self) -> None:
        self._at = 0
        self._source: Any = _Stored(self._handle, self._stored.size)
        if self._encoding.is_encrypted:
            self._source = self._age = _DecryptingThread(
                self._source, self._stored.path, self._identities
            )
        if self._encoding.is_compressed:
            decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
            self._source = decompressor.stream_reader(
                self._source, read_size=READ_BYTES, read_across_frames=True, closefd=False
            )

    def _end(self) -> None:
        if self._age is not None:
            self._age.abort()
            self._age = None

    def _take(self, view: memoryview) -> int:
        try:
            count = int(self._source.readinto(view))
        except zstandard.ZstdError as err:
            raise SourceCorrupt(
                f"{shown(self._stored.path)} is not what zstd wrote: {err}", hint=_HINT
            ) from err
        self._at += count
        return count


class _Stored:
    """The bytes of the encoded file, in order."""

    def __init__(self, handle: ReadHandle, size: int) -> None:
        self._handle = handle
        self._size = size
        self._at = 0

    def read(self, size: int) -> bytes:
        data = bytearray(min(size, self._size - self._at))
        count = self._handle.read_into(memoryview(data), self._at) if data else 0
        self._at += count
        return bytes(data[:count])

    def readinto(self, view: memoryview) -> int:
        count = self._handle.read_into(view, self._at)
        self._at += count
        return count


class _Ahead:
    """Reads a file in larger steps than it is asked in: pyrage asks for 8 KiB."""

    def __init__(self, source: _Stored) -> None:
        self._source = source
        self._data = memoryview(b"")

    def read(self, size: int) -> bytes:
        if not self._data:
            self._data = memoryview(self._source.read(READ_BYTES))
        part, self._data = self._data[:size], self._data[size:]
        return part.tobytes()


class _DecryptingThread:
    """pyrage pushes what it has decrypted; this turns that round: it is read.

    Args:
        source: the encrypted bytes.
        path: for messages.
        identities: tried in their order.
    """

    def __init__(self, source: _Stored, path: RelPath, identities: Identities) -> None:
        self._source = _Ahead(source)
        self._path = path
        self._identities = identities
        self._changed = threading.Condition()
        self._data = bytearray()
        self._is_aborted = False
        self._has_ended = False
        self._error: AuxError | None = None
        self._thread = threading.Thread(target=self._run, name="transfer-age", daemon=True)
        self._thread.start()

    def read(self, size: int) -> bytes:
        """The next decrypted bytes; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._data or self._has_ended)
            if not self._data and self._error is not None:
                raise self._error
            part = bytes(self._data[:size])
            del self._data[:size]
            self._changed.notify_all()
            return part

    def readinto(self, view: memoryview) -> int:
        """`read` into a buffer."""
        part = self.read(len(view))
        view[: len(part)] = part
        return len(part)

    def write(self, data: bytes) -> int:
        """For pyrage: what it has decrypted."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._data) < AHEAD_BYTES or self._is_aborted)
            if self._is_aborted:
                raise OSError("let go")
            self._data += data
            self._changed.notify_all()
        return len(data)

    def flush(self) -> None:
        """For pyrage: it is there to be read at once."""

    def abort(self) -> None:
        """Ends the thread, whatever it was at."""
        with self._changed:
            self._is_aborted = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        error: AuxError | None = None
        try:
            self._decrypt()
        except AuxError as err:
            error = err
        finally:
            with self._changed:
                self._error = error
                self._has_ended = True
                self._changed.notify_all()

    def _decrypt(self) -> None:
        reading = _Noting(self._source)
        name = shown(self._path)
        try:
            pyrage.decrypt_io(reading, self, list(self._identities.keys))
        except (pyrage.DecryptError, OSError) as err:
            if reading.error is not None:
                raise reading.error from err
            if "No matching keys" in str(err):
                raise locked(name, self._identities) from err
            raise SourceCorrupt(f"{name} is not what age wrote: {err}", hint=_HINT) from err


class _Noting:
    """Keeps the error of a read: pyrage passes on only its text."""

    def __init__(self, source: _Ahead) -> None:
        self._source = source
        self.error: AuxError | None = None

    def read(self, size: int) -> bytes:
        try:
            return self._source.read(size)
        except AuxError as err:
            self.error = err
            raise
