"""Reads a job copy in an object store: its manifest once, its files by ranges."""

from __future__ import annotations

import asyncio
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

from blake3 import blake3

from engine.library.ahead import Ahead
from engine.library.manifest import is_proven, read_manifest
from engine.library.memory_reading import MemoryReadHandle
from engine.library.objects.connection import Checkpoint, Connection
from engine.library.objects.faults import Kind, StoreFault, on_source
from engine.library.objects.files import StagedFile
from engine.library.objects.keys import JobKeys
from engine.library.objects.sending import plain, quoted
from engine.model.entries import Entry, FileEntry, ManifestHeader
from engine.model.errors import ManifestError, SourceChanged, SourceCorrupt
from engine.model.names import shown

RANGE_BYTES = 2 * 1024 * 1024
"""A longer read is cut into ranges that are asked for at once: one stream fills no long line."""
RANGES_AT_ONCE = 4
FILES_AT_ONCE = 32
"""Small files that are fetched at once, ahead of being asked for."""
_HINT = "verify this copy, and repair it from another one"


class Manifest:
    """A manifest that was fetched, in a file without a name.

    Args:
        fd: the file; it is closed by `close`.
        where: for messages.
    """

    def __init__(self, fd: int, where: str) -> None:
        self._fd = fd
        self._where = where
        with self._understood():
            self.header = read_manifest(self._stream())[0]

    def entries(self) -> Iterator[Entry]:
        """Its entries, each checked as it is taken.

        Raises:
            ManifestError: it is damaged, or a file has no digests.
        """
        with self._understood():
            for entry in read_manifest(self._stream())[1]:
                if isinstance(entry, FileEntry) and not is_proven(entry):
                    raise ManifestError(f"{shown(entry.path)} has no digests")
                yield entry

    def digest(self) -> bytes:
        """BLAKE3 of all of it."""
        digest = blake3()
        stream = self._stream()
        while block := stream.read(1 << 18):
            digest.update(block)
        return digest.digest()

    def close(self) -> None:
        """Lets it go."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _stream(self) -> BinaryIO:
        return io.BufferedReader(_Positioned(self._fd))

    def _understood(self) -> _Understood:
        return _Understood(self._where)


class _Understood:
    """Names the job copy in what is wrong with its manifest."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ManifestError):
            raise ManifestError(
                f"the manifest of {shown(self._where)} is damaged: {error.message}",
                hint=error.hint or _HINT,
            ) from error


class _Positioned(io.RawIOBase):
    """A file read with a position of its own, so that several may read it at once."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = os.preadv(self._fd, [buffer], self._at)
        self._at += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: 0}[whence]
        if whence == os.SEEK_END:
            base = os.fstat(self._fd).st_size
        self._at = base + offset
        return self._at


def fetch_manifest(connection: Connection, key: str, where: str) -> Manifest:
    """Fetches a manifest.

    Raises:
        StoreFault: it cannot be fetched.
        ManifestError: it is damaged.
    """
    fd = os.open(tempfile.gettempdir(), os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:

        def begin() -> Callable[[bytes], object]:
            os.ftruncate(fd, 0)
            os.lseek(fd, 0, os.SEEK_SET)
            return lambda block: _append(fd, block)

        connection.run(connection.store.whole(key, begin))
        return Manifest(fd, where)
    except BaseException:
        os.close(fd)
        raise


def _append(fd: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(fd, view) :]


class ObjectJobReader:
    """A published job copy; `JobReader` of object-store libraries. Thread-safe.

    Args:
        connection: to its store.
        keys: of its generation.
        manifest: fetched; the reader closes it.
    """

    def __init__(self, connection: Connection, keys: JobKeys, manifest: Manifest) -> None:
        self._connection = connection
        self._keys = keys
        self._manifest = manifest
        self._ahead = Ahead(self.entries, lambda entries: connection.run(self._fetched(entries)))

    @property
    def header(self) -> ManifestHeader:
        """See `JobReader`."""
        return self._manifest.header

    @property
    def has_digests(self) -> bool:
        """See `JobReader`; what is published always has them."""
        return True

    def entries(self) -> Iterator[Entry]:
        """See `JobReader`."""
        return self._manifest.entries()

    def open_file(self, entry: FileEntry) -> ObjectReadHandle | MemoryReadHandle:
        """See `JobReader`; what has bytes is asked for at the first read."""
        with on_source("open", entry.path):
            content = self._ahead.take(entry)
        if content is not None:
            return MemoryReadHandle(bytearray(content), _nothing)
        handle = ObjectReadHandle(self._connection, self._keys.of(entry.path), entry)
        if not entry.size:
            handle.look()
        return handle

    def close(self) -> None:
        """See `JobReader`."""
        self._manifest.close()

    async def _fetched(self, entries: Sequence[FileEntry]) -> list[bytes | None]:
        """Small files, many at once; None for one that is not as stated, or did not come."""
        room = asyncio.Semaphore(FILES_AT_ONCE)

        async def get(entry: FileEntry) -> bytes | None:
            handle = ObjectReadHandle(self._connection, self._keys.of(entry.path), entry)
            buffer = bytearray(entry.size)
            async with room:
                try:
                    await handle.fill(memoryview(buffer), 0)
                except (StoreFault, SourceCorrupt):
                    return None
            return bytes(buffer)

        return list(await asyncio.gather(*map(get, entries)))


def _nothing() -> None:
    """What is in memory cannot fail to be read."""


class ObjectReadHandle:
    """A file in a store, read by ranges; `ReadHandle`. Thread-safe.

    Args:
        connection: to its store.
        key: of the object.
        entry: as the manifest has it.
        etag: that it must have; empty: that of the first answer.
        checkpoint: called while a read waits.
    """

    def __init__(
        self,
        connection: Connection,
        key: str,
        entry: FileEntry,
        *,
        etag: str = "",
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self._connection = connection
        self._key = key
        self._entry = entry
        self._etag = etag
        self._checkpoint = checkpoint

    def look(self) -> None:
        """Looks whether it is there with the right size.

        Raises:
            SourceRead, SourceCorrupt, LibraryOffline: it is not.
        """
        with on_source("open", self._entry.path):
            found = self._connection.run(self._connection.store.call("head_object", Key=self._key))
        self._check_size(int(found["ContentLength"]))

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """See `ReadHandle`."""
        view = buffer.cast("B")[: max(0, self._entry.size - offset)]
        if not view:
            return 0
        with on_source("read", self._entry.path):
            try:
                self._connection.run(self.fill(view, offset), self._checkpoint)
            except StoreFault as fault:
                if fault.code == "InvalidRange":
                    raise self._wrong_size("fewer bytes") from fault
                if fault.kind is Kind.EXISTS:
                    raise SourceChanged(
                        f"{shown(self._entry.path)} was replaced in the store while it was read",
                        hint="somebody else writes there: look at who may",
                    ) from fault
                raise
        return len(view)

    def unchanged(self) -> bool:
        """See `ReadHandle`; each read is conditional on the entity tag of the first."""
        return True

    def fileno(self) -> None:
        """None: there is no descriptor."""

    def close(self) -> None:
        """See `ReadHandle`; nothing is held."""

    async def fill(self, view: memoryview, offset: int) -> None:
        """Fills a buffer, on the loop of the store.

        Raises:
            StoreFault, SourceCorrupt: it cannot be filled.
        """
        step = max(RANGE_BYTES, -(-len(view) // RANGES_AT_ONCE))
        starts = range(0, len(view), step)
        if len(starts) == 1:
            await self._range(view, offset)
            return
        ranges = [
            asyncio.ensure_future(self._range(view[at : at + step], offset + at)) for at in starts
        ]
        try:
            await asyncio.gather(*ranges)
        finally:  # none may write into the buffer when this is over
            for one in ranges:
                one.cancel()
            await asyncio.gather(*ranges, return_exceptions=True)

    async def _range(self, view: memoryview, offset: int) -> None:
        only_same = {"IfMatch": quoted(self._etag)} if self._etag else {}
        answer = await self._connection.store.read(self._key, view, offset, **only_same)
        self._etag = self._etag or plain(answer.get("ETag"))
        total = str(answer.get("ContentRange", "")).rpartition("/")[2]
        if total.isdecimal():
            self._check_size(int(total))
        if answer["ContentLength"] != len(view):
            raise StoreFault(Kind.CORRUPT, text="the store sends fewer bytes than it says it has")

    def _check_size(self, size: int) -> None:
        if size != self._entry.size:
            raise self._wrong_size(f"{size} bytes")

    def _wrong_size(self, has: str) -> SourceCorrupt:
        return SourceCorrupt(
            f"{shown(self._entry.path)} has {has} in the store, "
            f"its manifest says {self._entry.size}",
            hint=_HINT,
        )


class StagedReadHandle:
    """A staged file, read back before it is sent; `ReadHandle`.

    Args:
        file: staged.
        size: of the file.
    """

    def __init__(self, file: StagedFile, size: int) -> None:
        self._file = file
        self._size = size

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """See `ReadHandle`."""
        view = buffer.cast("B")[: max(0, self._size - offset)]
        return os.preadv(self._file.fd(), [view], offset)

    def unchanged(self) -> bool:
        """True: nobody else has it."""
        return True

    def fileno(self) -> None:
        """None: it is not what will lie in the store."""

    def close(self) -> None:
        """See `ReadHandle`."""
