"""The encoded side of an order: names, what an earlier try has, and what the manifest will say.

Small files are encoded in memory, larger ones grow while they are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from blake3 import blake3

from engine.library.interface import Done, JobWriter
from engine.model.encoding import Encoding
from engine.model.entries import (
    DIGEST_BYTES,
    Chunk,
    Entry,
    FileEntry,
    HardlinkEntry,
    PieceEnd,
    PlainFile,
    PlainLink,
)
from engine.model.errors import AuxError, DestinationWrite
from engine.model.names import RelPath, shown
from engine.transfer.encoded_file import EncodedFile
from engine.transfer.encoding import encode_whole
from engine.transfer.resume_point import FRESH, ResumePoint, grid_of, pieces_of, resume_point
from engine.transfer.stored_names import StoredNames

_SIZE_BYTES = 8


class EncodedSide:
    """What an order remembers of one copy that is encoded on the way.

    Args:
        encoding: of the copy.
        writer: of the job copy.
        entries: of the backup job, walked once.
    """

    def __init__(self, encoding: Encoding, writer: JobWriter, entries: Iterator[Entry]) -> None:
        self.encoding = encoding
        self._writer = writer
        self._names = StoredNames(encoding.suffix, entries)
        self._stored: dict[int, bytes] = {}
        """File number -> size and digests: 100 bytes and 32 a chunk, whatever the names."""
        self._points: dict[int, ResumePoint] = {}

    def resume(self, entry: FileEntry, number: int, spans: Sequence[Chunk]) -> list[bytes]:
        """Digests of the pieces of a file that need not be read again.

        Raises:
            DestinationWrite: what is journaled cannot be gone on with; the next try makes the
                file anew.
        """
        path = self._names.of(entry.path)
        point = resume_point(
            len(pieces_of(spans)),
            grid_of(entry.size, spans),
            self._writer.resumed.get(path, ()),
            self._writer.ended.get(path, ()),
            goes_on=not self.encoding.is_encrypted,
        )
        if point is None:
            raise self.distrusted(entry.path)
        if point.is_complete:
            self.note(number, point.proven_bytes, point.chunks)
        elif point is not FRESH:
            self._points[number] = point
        return [end.digest for end in point.ends]

    def refuse_journaled(self, path: RelPath) -> None:
        """A file that is made anew must not be journaled: a crash would leave old proof of new bytes.

        Raises:
            DestinationWrite: it is.
        """
        if self._writer.resumed.get(self._names.of(path)):
            raise self.distrusted(path)

    def distrusted(self, path: RelPath) -> DestinationWrite:
        """Forgets what is journaled of a file, for the next try; the error that leads to it."""
        self._writer.distrust(self._names.of(path))
        return DestinationWrite(
            f"what an earlier try has written of {shown(path)} cannot be gone on with",
            hint="nothing to do: the next try makes this file anew",
        )

    def small(self, entry: FileEntry, number: int, content: memoryview, digest: bytes) -> SmallDone:
        """Encodes a small file.

        Raises:
            DestinationWrite: it is journaled already, with other content.
        """
        self.refuse_journaled(entry.path)
        data = encode_whole(content, self.encoding)
        path = self._names.of(entry.path)
        chunk = Chunk(0, len(data), blake3(data).digest())
        self.note(number, len(data), (chunk,))
        stored = FileEntry(path=path, size=len(data), meta=entry.meta)
        done = Done(path, chunk, (PieceEnd(len(data), digest),))
        return SmallDone(stored, memoryview(data), done)

    def file(
        self,
        entry: FileEntry,
        number: int,
        spans: Sequence[Chunk],
        *,
        take: Callable[[int], None],
        failed: Callable[[AuxError, bytes], None],
        done: Callable[[], None],
    ) -> EncodedFile:
        """A larger file, from its first missing piece on; see `EncodedFile`."""
        return EncodedFile(
            self,
            self._writer,
            self._names.of(entry.path),
            entry,
            number,
            pieces_of(spans),
            self._points.pop(number, FRESH),
            take=take,
            failed=failed,
            done=done,
        )

    def note(self, number: int, size: int, chunks: Sequence[Chunk]) -> None:
        """Keeps what is stored of a file for the manifest."""
        digests = b"".join(chunk.digest for chunk in chunks)
        self._stored[number] = size.to_bytes(_SIZE_BYTES, "little") + digests

    def published(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """Entries of the backup job, in their order, as the manifest of this copy has them."""
        number = 0
        for entry in entries:
            if isinstance(entry, FileEntry):
                yield self._stored_file(entry, number)
                number += 1
            elif isinstance(entry, HardlinkEntry):
                yield HardlinkEntry(
                    path=self._names.of(entry.path),
                    to=self._names.of(entry.to),
                    plain=PlainLink(path=entry.path, to=entry.to),
                )
            else:
                yield entry

    def _stored_file(self, entry: FileEntry, number: int) -> FileEntry:
        packed = self._stored[number]
        size = int.from_bytes(packed[:_SIZE_BYTES], "little")
        grid = grid_of(entry.size, entry.chunks)
        chunks = tuple(
            Chunk(at, min(grid, size - at), packed[start : start + DIGEST_BYTES])
            for at, start in zip(
                range(0, size, grid), range(_SIZE_BYTES, len(packed), DIGEST_BYTES), strict=True
            )
        )
        plain = PlainFile(
            path=entry.path, size=entry.size, sparse=entry.sparse, chunks=entry.chunks
        )
        return replace(
            entry,
            path=self._names.of(entry.path),
            size=size,
            sparse=False,
            chunks=chunks,
            plain=plain,
            stored=None,
        )


class SmallDone(NamedTuple):
    """A small file, encoded: what to write and what to journal."""

    entry: FileEntry
    content: memoryview
    done: Done
