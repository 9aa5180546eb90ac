"""A larger file on its way to a copy that is encoded: it grows while the original is read.

Its bytes are cut into chunks as those of any file and hashed; a chunk counts when the part of the
original that it was made from has been proved. A compressed file goes on behind the last frame
that an earlier try finished: what follows that frame in a chunk that is proven already is made
again and compared. An encrypted file has a key of its own and starts anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from engine.library.interface import Done, JobWriter, ReadHandle, WriteHandle
from engine.model.entries import Chunk, FileEntry, PieceEnd
from engine.model.errors import AuxError, Cancelled
from engine.model.names import RelPath
from engine.transfer.encoding import Encoder
from engine.transfer.resume_point import ResumePoint, grid_of

if TYPE_CHECKING:
    from engine.transfer.encoded import EncodedSide


class EncodedFile:
    """A file that grows on one copy; pieces come in order, from one stream at a time.

    Args:
        side: of the order.
        writer: of the job copy.
        path: where it is stored.
        entry: the original.
        number: of the file within the order.
        pieces: of the original, all of them.
        point: what is there already.
        take: waits until so many bytes may be written.
        failed: told the error that drops the copy out.
        done: called when all of it is committed.
    """

    def __init__(
        self,
        side: EncodedSide,
        writer: JobWriter,
        path: RelPath,
        entry: FileEntry,
        number: int,
        pieces: Sequence[Chunk],
        point: ResumePoint,
        *,
        take: Callable[[int], None],
        failed: Callable[[AuxError, bytes], None],
        done: Callable[[], None],
    ) -> None:
        self._side = side
        self._writer = writer
        self._path = path
        self._entry = entry
        self._number = number
        self._pieces = pieces
        self._next = len(point.ends)
        self._at = point.at
        self._proven = point.proven_bytes
        self._chunks = list(point.chunks)
        self._handed = len(self._chunks)
        self._grid = grid_of(entry.size, pieces)
        self._hasher = blake3()
        self._hashed = 0
        self._ends: list[PieceEnd] = []
        self._take = take
        self._failed = failed
        self._done = done
        self._lock = threading.Lock()
        self._encoder: Encoder | None = None
        self._handle: WriteHandle | None = None
        self._earlier: ReadHandle | None = None
        self._unsettled = 0
        self._is_finished = False

    def begin(self, piece: Chunk) -> None:
        """The next piece begins; a failure drops the copy."""
        with self._dropping():
            if piece.offset != self._pieces[self._next].offset:
                raise self._side.distrusted(self._entry.path)  # a journal that was not agreed with
            if self._encoder is None:
                if not self._proven:
                    self._side.refuse_journaled(self._entry.path)
                self._handle = self._writer.open_growing(self._path, self._proven)
                if self._at < self._proven:
                    self._earlier = self._writer.read_back(
                        replace(self._entry, path=self._path, size=self._proven)
                    )
                self._encoder = Encoder(self._side.encoding, self._put)
            self._encoder.begin(piece.length)

    def write(self, view: memoryview, _: int) -> None:
        """A sink; a failure drops the copy."""
        with self._dropping():
            if self._encoder is not None:
                self._encoder.feed(view)

    def end(self, digest: bytes) -> Handed:
        """The piece is complete and proved; what of the file can be journaled now.

        Nothing of an encrypted file before all of it is there: a part is of no use.
        """
        with self._dropping():
            if self._encoder is not None:
                self._end_piece(self._encoder, digest)
                return self._hand_out()
        return Handed([], [])

    def sync(self) -> None:
        """Makes what was written durable; a failure drops the copy."""
        with self._dropping():
            if self._handle is not None:
                self._handle.sync()

    def settle(self, chunks: int) -> None:
        """Closes the file when its last chunk is committed."""
        with self._lock:
            self._unsettled -= chunks
            is_last = self._is_finished and self._unsettled == 0
        if is_last:
            self.close()
            self._done()

    def close(self) -> None:
        """Closes the file, and lets go what was not finished."""
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            encoder.abort()
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.close()
        earlier, self._earlier = self._earlier, None
        if earlier is not None:
            earlier.close()

    def _end_piece(self, encoder: Encoder, digest: bytes) -> None:
        encoder.end()
        self._next += 1
        if self._next == len(self._pieces):
            encoder.finish()
            self._end_chunk()
            if self._at < self._proven:
                raise self._side.distrusted(self._entry.path)
            self._side.note(self._number, self._at, self._chunks)
            self._is_finished = True
        self._ends.append(PieceEnd(self._at, digest))

    def _hand_out(self) -> Handed:
        if self._side.encoding.is_encrypted and not self._is_finished:
            return Handed([], [])
        first = self._next - len(self._ends)
        done: list[Done] = []
        for chunk in self._chunks[self._handed :]:
            until = chunk.offset + chunk.length
            mine = tuple(end for end in self._ends if end.at <= until)
            del self._ends[: len(mine)]
            done.append(Done(self._path, chunk, mine))
        self._handed = len(self._chunks)
        with self._lock:
            self._unsettled += len(done)
        return Handed(done, self._pieces[first : self._next - len(self._ends)])

    def _put(self, data: memoryview) -> None:
        """Takes what the encoder gives, in order."""
        while data:
            if self._at < self._proven:
                part = data[: self._proven - self._at]
                self._compare(part)
            else:
                part = data[: self._grid - self._hashed]
                self._write(part)
            self._at += len(part)
            data = data[len(part) :]
            if self._hashed == self._grid:
                self._end_chunk()

    def _write(self, part: memoryview) -> None:
        self._take(len(part))
        if self._handle is not None:
            self._handle.write(part, self._at)
        self._hasher.update(part)
        self._hashed += len(part)

    def _compare(self, part: memoryview) -> None:
        """What an earlier try has proven must be what comes out again: it stays as it is."""
        there = bytearray(len(part))
        if self._earlier is not None:
            self._earlier.read_into(memoryview(there), self._at)
        if there != part:  # another version of the compressor, perhaps
            raise self._side.distrusted(self._entry.path)

    def _end_chunk(self) -> None:
        if self._hashed:
            at = self._at - self._hashed
            self._chunks.append(Chunk(at, self._hashed, self._hasher.digest()))
            self._hasher, self._hashed = blake3(), 0

    @contextmanager
    def _dropping(self) -> Iterator[None]:
        try:
            yield
        except Cancelled:
            raise
        except AuxError as err:
            self._failed(err, self._entry.path)


class Handed(NamedTuple):
    """What of a growing file can be journaled, once it is synced."""

    done: list[Done]
    pieces: Sequence[Chunk]
    """Of the original, that are complete with it."""
