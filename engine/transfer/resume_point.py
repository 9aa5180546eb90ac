"""How far an earlier try came with an encoded file, and whether it can be gone on with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from blake3 import blake3

from engine.model.entries import Chunk, PieceEnd, chunk_bytes_for

_EMPTY = blake3(b"").digest()


def pieces_of(spans: Sequence[Chunk]) -> list[Chunk]:
    """What a file is encoded in: its chunks; an empty one is one piece of nothing."""
    return list(spans) or [Chunk(0, 0, _EMPTY)]


def grid_of(size: int, spans: Sequence[Chunk]) -> int:
    """Length of the chunks of an encoded file: that of the chunks of its original."""
    return spans[0].length if len(spans) > 1 else chunk_bytes_for(size)


class ResumePoint(NamedTuple):
    """What an earlier try has of an encoded file."""

    ends: tuple[PieceEnd, ...]
    """Of the pieces that need not be read again."""
    chunks: tuple[Chunk, ...]
    """Of the encoded file, proven, from its begin on."""
    is_complete: bool

    @property
    def at(self) -> int:
        """Where the next piece begins in the encoded file."""
        return self.ends[-1].at if self.ends else 0

    @property
    def proven_bytes(self) -> int:
        """Bytes of the encoded file that are proven."""
        return sum(chunk.length for chunk in self.chunks)


FRESH = ResumePoint((), (), is_complete=False)


def resume_point(
    pieces: int,
    grid: int,
    chunks: Sequence[Chunk],
    ends: Sequence[PieceEnd],
    *,
    goes_on: bool,
) -> ResumePoint | None:
    """What can be used of a file that an earlier try has journaled; None: it must be made anew.

    Args:
        pieces: of the original.
        grid: length of the chunks of the encoded file.
        chunks: that are proven, in order.
        ends: that are stated, in order.
        goes_on: a file that is not complete can be gone on with.
    """
    if not chunks:
        return FRESH
    proven = 0
    for number, chunk in enumerate(chunks):
        is_last = number == len(chunks) - 1
        if chunk.offset != proven or chunk.length > grid or (chunk.length < grid and not is_last):
            return None
        proven += chunk.length
    usable = tuple(end for end in ends if end.at <= proven)
    if len(usable) == pieces and usable[-1].at == proven:
        return ResumePoint(usable, tuple(chunks), is_complete=True)
    if not goes_on or len(usable) >= pieces or proven % grid:
        return None
    return ResumePoint(usable, tuple(chunks), is_complete=False)
