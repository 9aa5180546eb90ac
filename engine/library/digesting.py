"""Digests that the far side computes, so that a proof needs no data on the line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from engine.model.entries import Chunk, FileEntry


class Piece(NamedTuple):
    """A chunk of a file, to be hashed where it lies."""

    entry: FileEntry
    chunk: Chunk


@runtime_checkable
class DigestsThere(Protocol):
    """A reader or a writer whose library may be able to hash its files itself."""

    def far_digests(self, pieces: Sequence[Piece]) -> Sequence[bytes] | None:
        """The BLAKE3 of each piece as it lies there, read from its medium as far as that host lets it.

        Returns:
            One digest a piece, empty where a piece could not be read; None where nothing can hash
            there: whoever asks reads the data.

        Raises:
            LibraryOffline: it cannot be reached.
        """
        ...
