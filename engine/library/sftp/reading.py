"""Reads a published job copy on the other host: large files by ranges, small ones ahead of being asked for."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, BinaryIO, TypeVar

from engine.library.ahead import Ahead
from engine.library.blame import on_source
from engine.library.digesting import Piece
from engine.library.manifest import is_proven, read_manifest
from engine.library.memory_reading import MemoryReadHandle
from engine.library.sftp import wire
from engine.library.sftp.digests import far_digests
from engine.library.sftp.far import FarSide, open_looked_at, require_directory
from engine.library.sftp.session import SftpSession
from engine.library.sftp.together import gathered
from engine.model.entries import (
    DirectoryEntry,
    Entry,
    FileEntry,
    HardlinkEntry,
    ManifestHeader,
    SymlinkEntry,
)
from engine.model.errors import ManifestError, SourceCorrupt
from engine.model.names import RelPath, shown

T = TypeVar("T")
_VERIFY_HINT = "verify this copy, and repair it from another one"


class FarReader:
    """A file open for reading; `ReadHandle` of remote libraries. Thread-safe.

    Args:
        far: the library.
        path: for messages.
        handles: the file, open on each session that it is read through.
        size: when it was opened.
    """

    def __init__(
        self, far: FarSide, path: RelPath, handles: dict[SftpSession, bytes], size: int
    ) -> None:
        self._far = far
        self._path = path
        self._handles = handles
        self.size = size
        self._is_closed = False

    @classmethod
    async def open(cls, far: FarSide, data: bytes, path: RelPath) -> FarReader:
        """Opens a regular file; none of the directories on the way may be a link.

        Raises:
            OSError: it cannot be opened.
        """
        where = data + b"/" + path
        session = await far.link.session()
        handle, found = await open_looked_at(session, where)
        handles = {session: handle}
        for other in await far.link.sessions_for(found.size):
            if other not in handles:
                handles[other] = await other.open(where, wire.READING)
        return cls(far, path, handles, found.size)

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """See `ReadHandle`."""
        with on_source("read", self._path):
            return self._far.link.call(self._read(buffer.cast("B"), offset))

    def unchanged(self) -> bool:
        """True: version 3 tells no identity, and every byte of a job copy has a digest instead."""
        return True

    def fileno(self) -> None:
        """None: there is no descriptor."""

    def close(self) -> None:
        """Closes the file."""
        if not self._is_closed:
            self._is_closed = True
            self._far.link.call(self._close())

    async def _read(self, view: memoryview, offset: int) -> int:
        sessions = sorted(self._handles, key=lambda one: one.flight_bytes)
        share = -(-len(view) // len(sessions))
        step = max(share, sessions[0].read_bytes)
        starts = range(0, len(view), step)
        counts = await gathered(
            [
                session.read_into(self._handles[session], offset + at, view[at : at + step])
                for session, at in zip(sessions, starts, strict=False)
            ]
        )
        total = 0
        for count, at in zip(counts, starts, strict=True):
            total += count
            if count < min(step, len(view) - at):
                break
        return total

    async def _close(self) -> None:
        for session, handle in self._handles.items():
            session.let_go(handle)


class SftpJobReader:
    """A published job copy; `JobReader` of remote libraries. Thread-safe.

    Args:
        far: the library.
        job: directory of the job copy there.
        data: directory of its files.
        manifest: a copy of its manifest; the reader closes it.
        where: for messages.

    Raises:
        ManifestError: the manifest is damaged.
    """

    def __init__(self, far: FarSide, data: bytes, manifest: BinaryIO, where: bytes) -> None:
        self._far = far
        self._data = data
        self._manifest = manifest
        self._where = where
        self._lock = threading.Lock()
        self._header = self._checked_header()
        self._real: set[bytes] = set()
        self._ahead = Ahead(self.entries, lambda entries: self._call(self.contents(entries)))

    @property
    def header(self) -> ManifestHeader:
        """See `JobReader`."""
        return self._header

    @property
    def has_digests(self) -> bool:
        """See `JobReader`; what is published always has them."""
        return True

    def entries(self) -> Iterator[Entry]:
        """See `JobReader`."""
        try:
            for entry in read_manifest(self._stream())[1]:
                if isinstance(entry, FileEntry) and not is_proven(entry):
                    raise ManifestError(f"{shown(entry.path)} has no digests")
                yield entry
        except ManifestError as err:
            raise self._of_copy(err) from err

    def open_file(self, entry: FileEntry) -> FarReader | MemoryReadHandle:
        """See `JobReader`."""
        with on_source("open", entry.path):
            content = self._ahead.take(entry)
            if content is None:
                handle: FarReader | MemoryReadHandle = self._call(self._open(entry.path))
                size = handle.size if isinstance(handle, FarReader) else entry.size
            else:
                handle, size = MemoryReadHandle(bytearray(content), _nothing), len(content)
        if size != entry.size:
            handle.close()
            raise SourceCorrupt(
                f"{shown(entry.path)} in {shown(self._where)} has not the {entry.size} bytes that "
                "its manifest says",
                hint=_VERIFY_HINT,
            )
        return handle

    def far_digests(self, pieces: Sequence[Piece]) -> Sequence[bytes] | None:
        """See `DigestsThere`."""
        return self._call(far_digests(self._far, self._data, pieces))

    def check_structure(self, entry: Entry) -> None:
        """See `StructureReader`."""
        with on_source("look at", entry.path):
            is_right = self._call(self._is_as_stated(entry))
        if not is_right:
            raise SourceCorrupt(
                f"{shown(entry.path)} in {shown(self._where)} is another link than its manifest says",
                hint="somebody changed it: repair this job copy from another one",
            )

    def close(self) -> None:
        """Closes the job copy; files that are open stay open."""
        self._manifest.close()

    async def require_directories(self, path: RelPath) -> None:
        """Looks at the directories that lead to a file, once each; none of them may be a link."""
        parent = path.rpartition(b"/")[0]
        if parent in self._real:
            return
        session = await self._far.link.session()
        parts = parent.split(b"/") if parent else []
        above = [b"/".join((self._data, *parts[:count])) for count in range(len(parts) + 1)]
        for found in await gathered([session.lstat(one) for one in above]):
            require_directory(found)
        self._real.add(parent)

    async def contents(self, entries: Sequence[FileEntry]) -> list[bytes | None]:
        """Small files whole, many at once; None for one that must be opened to say what is wrong."""
        at_once = asyncio.Semaphore(self._far.link.files_at_once)
        sessions = await self._far.link.sessions_for(sum(entry.size for entry in entries))

        async def get(number: int, entry: FileEntry) -> bytes | None:
            path = self._data + b"/" + entry.path
            session = sessions[number % len(sessions)]
            async with at_once:
                try:
                    await self.require_directories(entry.path)
                    handle, _ = await open_looked_at(session, path)
                    try:
                        buffer = bytearray(entry.size + 1)
                        count = await session.read_into(handle, 0, memoryview(buffer))
                    finally:
                        session.let_go(handle)
                except OSError:
                    return None
                return bytes(buffer[:count])

        return await gathered([get(number, entry) for number, entry in enumerate(entries)])

    async def _open(self, path: RelPath) -> FarReader:
        await self.require_directories(path)
        return await FarReader.open(self._far, self._data, path)

    async def _is_as_stated(self, entry: Entry) -> bool:
        path = self._data + b"/" + entry.path
        session = await self._far.link.session()
        if isinstance(entry, DirectoryEntry):
            require_directory(await session.lstat(path))
            return True
        if isinstance(entry, SymlinkEntry):
            try:
                return await session.path_of(wire.READLINK, path) == entry.target
            except OSError:
                if await session.makes_symlinks():
                    raise
                return True  # it is in the manifest alone
        if isinstance(entry, HardlinkEntry):
            first = await session.lstat(self._data + b"/" + entry.to)
            try:
                return await session.lstat(path) == first  # version 3 tells no inode
            except FileNotFoundError:
                if await session.makes_hard_links():
                    raise
                return first.is_file  # this name is in the manifest alone
        return True

    def _stream(self) -> BinaryIO:
        return io.BufferedReader(_Shared(self._manifest, self._lock))

    def _checked_header(self) -> ManifestHeader:
        try:
            return read_manifest(self._stream())[0]
        except ManifestError as err:
            self._manifest.close()
            raise self._of_copy(err) from err

    def _of_copy(self, err: ManifestError) -> ManifestError:
        return ManifestError(
            f"the manifest of {shown(self._where)} is damaged: {err.message}",
            hint=err.hint or _VERIFY_HINT,
        )

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return self._far.link.call(work)


class _Shared(io.RawIOBase):
    """A stream of its own over a file that several read."""

    def __init__(self, file: BinaryIO, lock: threading.Lock) -> None:
        super().__init__()
        self._file = file
        self._held_by = lock
        self._at = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves; see `io.IOBase`."""
        with self._held_by:
            base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}.get(whence)
            self._at = offset + (self._file.seek(0, os.SEEK_END) if base is None else base)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Reads; see `io.RawIOBase`."""
        view = memoryview(buffer).cast("B")
        with self._held_by:
            self._file.seek(self._at)
            data = self._file.read(len(view))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


def _nothing() -> None:
    """What is in memory cannot fail to be read."""
