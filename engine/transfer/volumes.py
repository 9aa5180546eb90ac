"""The archive of a backup as files of one size in a job copy: `data/backup.tar.zst.000001` and on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from blake3 import blake3

from engine.library.interface import Done, JobWriter, WriteHandle
from engine.model.entries import MIN_CHUNK_BYTES, Chunk, FileEntry, Metadata
from engine.model.names import RelPath, rel_path
from engine.transfer.buffers import BUFFER_BYTES

ARCHIVE = b"backup.tar.zst"
INDEX_NAME = rel_path(ARCHIVE + b".index")
"""Sorts behind all volumes; as a skippable frame it is passed over when all are unpacked at once."""
_FILE_MODE = 0o600
_SYNC_BYTES = 128 * 1024 * 1024  # so that the last sync does not find everything to do


def volume_name(number: int) -> RelPath:
    """The name of a volume, counted from 1; names sort as their numbers."""
    return rel_path(ARCHIVE + b".%06d" % number)


def own_metadata(mtime_ns: int) -> Metadata:
    """Of files that auxtui itself makes."""
    return Metadata(mode=_FILE_MODE, mtime_ns=mtime_ns, uid=os.geteuid(), gid=os.getegid())


class _OneFile:
    """A file that grows: hashed by chunks while it is written."""

    def __init__(self, writer: JobWriter, path: RelPath, most_bytes: int) -> None:
        self._writer = writer
        self._path = path
        self._most_bytes = most_bytes
        self._handle: WriteHandle = writer.open_growing(path, 0)
        self._chunk_bytes = MIN_CHUNK_BYTES
        self._chunks: list[Chunk] = []
        self._hash = blake3()
        self._chunk_start = self._unsynced = self.size = 0

    @property
    def room(self) -> int:
        return self._most_bytes - self.size

    def write(self, data: memoryview) -> None:
        while len(data):
            some = data[: self._chunk_start + self._chunk_bytes - self.size]
            self._handle.write(some, self.size)
            self._hash.update(some)
            self.size += len(some)
            self._unsynced += len(some)
            if self.size == self._chunk_start + self._chunk_bytes:
                self._end_chunk()
            data = data[len(some) :]
        if self._unsynced >= _SYNC_BYTES:
            self._handle.sync()
            self._unsynced = 0

    def finish(self, meta: Metadata) -> FileEntry:
        """Syncs and journals it; the entry for the manifest."""
        if self.size > self._chunk_start:
            self._end_chunk()
        self._handle.sync()
        self._handle.close()
        self._writer.record(Done(self._path, chunk) for chunk in self._chunks)
        return FileEntry(path=self._path, size=self.size, meta=meta, chunks=tuple(self._chunks))

    def close(self) -> None:
        self._handle.close()

    def _end_chunk(self) -> None:
        length = self.size - self._chunk_start
        self._chunks.append(Chunk(self._chunk_start, length, self._hash.digest()))
        self._chunk_start, self._hash = self.size, blake3()


class Volumes:
    """Writes the archive of one backup job; calls come from one thread.

    Args:
        writer: of the job copy.
        volume_bytes: of each file.
        mtime_ns: of each file.
    """

    def __init__(self, writer: JobWriter, volume_bytes: int, mtime_ns: int) -> None:
        self._writer = writer
        self._volume_bytes = volume_bytes
        self._meta = own_metadata(mtime_ns)
        self._open: _OneFile | None = None
        self.entries: list[FileEntry] = []
        """Of what is written, synced and journaled."""
        self.size = 0
        self.volumes = 0

    def write(self, data: bytes) -> None:
        """Appends to the archive.

        Raises:
            DestinationError, LibraryOffline: the job copy cannot be made.
        """
        view = memoryview(data)
        while len(view):
            if self._open is None:
                self._open = _OneFile(
                    self._writer, volume_name(self.volumes + 1), self._volume_bytes
                )
                self.volumes += 1
            some = view[: self._open.room]
            self._open.write(some)
            self.size += len(some)
            if not self._open.room:
                self._end()
            view = view[len(some) :]

    def finish(self) -> None:
        """Ends the last volume."""
        if self._open is not None:
            self._end()

    def add_index(self, stream: BinaryIO) -> None:
        """Puts the index beside the volumes."""
        size = stream.seek(0, 2)
        stream.seek(0)
        self._open = _OneFile(self._writer, INDEX_NAME, size)
        for piece in _pieces(stream):
            self._open.write(memoryview(piece))
        self._end()

    def close(self) -> None:
        """Lets go what is open; what was not finished is not trusted by anybody."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _end(self) -> None:
        if self._open is not None:
            self.entries.append(self._open.finish(self._meta))
            self._open = None


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    while piece := stream.read(BUFFER_BYTES):
        yield piece
