"""What is proven of a job copy that is being made, and what follows from it. Pure: no I/O.

Every writer of a library decides here what it may record, write and publish; how bytes and journal
get to the media is its own affair.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from engine.library.file_handles import suspect_error
from engine.library.interface import Done
from engine.library.journal import ChunksByOffset, JournalContent, JournalHeader, ends_in_order
from engine.library.manifest import is_proven
from engine.model.entries import Chunk, Entry, FileEntry, PieceEnd
from engine.model.errors import DestinationWrite, ManifestError
from engine.model.names import RelPath, shown

_MAX_WARNINGS = 100  # of one job copy; a file system that keeps no owners would warn of each file


class Resumption(NamedTuple):
    """What a try goes on from."""

    chunks: dict[RelPath, ChunksByOffset]
    ends: Mapping[RelPath, Sequence[PieceEnd]]
    """Of the encoded files among them, in order."""
    warnings: Sequence[str]


AFRESH = Resumption({}, {}, ())


def resumption(content: JournalContent, proven: dict[RelPath, ChunksByOffset]) -> Resumption:
    """What is gone on from.

    Args:
        content: of the journal of an earlier try.
        proven: the chunks among it whose bytes are there.
    """
    warnings = []
    if content.damaged:
        warnings.append(
            f"{content.damaged} lines of the journal were damaged: their chunks are copied again"
        )
    ends = {path: ends_in_order(content.ends[path]) for path in proven if path in content.ends}
    return Resumption(proven, {path: each for path, each in ends.items() if each}, warnings)


def says_the_same(
    content: JournalContent, proven: dict[RelPath, ChunksByOffset], wanted: JournalHeader
) -> bool:
    """True where a journal says what is proven and nothing else: it is appended to as it is."""
    return proven == content.chunks and content.header == wanted and not content.damaged


class Proof:
    """The chunks of one job copy that are proven, the files that are not to be trusted, and its end.

    Its writer holds its own lock around what belongs together.

    Args:
        where: the job copy, for messages.
        found: what an earlier try has proven.
        suspect: the error for every use of a file that is not to be trusted any more.
    """

    def __init__(
        self,
        where: bytes,
        found: Resumption,
        *,
        suspect: Callable[[RelPath], DestinationWrite] = suspect_error,
    ) -> None:
        self._where = where
        self._chunks: dict[RelPath, Chunk | ChunksByOffset] = {
            path: _packed(by_offset) for path, by_offset in found.chunks.items()
        }
        self._suspect = suspect
        self._suspects: set[RelPath] = set()
        self._warnings = list(found.warnings)
        self.resumed = {path: _in_order(by_offset) for path, by_offset in found.chunks.items()}
        """See `JobWriter`."""
        self.ended = found.ends
        """See `JobWriter`."""
        self.is_at_end = False
        """A step failed, or it is closed: the journal is what counts."""

    @property
    def warnings(self) -> Sequence[str]:
        """See `JobWriter`."""
        return tuple(self._warnings)

    def warn(self, text: str) -> None:
        """Adds to `warnings`, while there are few enough to be read; takes no lock."""
        if len(self._warnings) < _MAX_WARNINGS:
            self._warnings.append(text)

    def is_suspect(self, path: RelPath) -> bool:
        """True where nothing of a file is trusted any more."""
        return path in self._suspects

    def distrust(self, path: RelPath) -> None:
        """Forgets what is proven of a file, and refuses it from now on."""
        self._suspects.add(path)
        self._chunks.pop(path, None)

    def trusted(self, done: Iterable[Done]) -> list[Done]:
        """Those that may be recorded."""
        suspects = self._suspects
        return [one for one in done if one.path not in suspects] if suspects else list(done)

    def note(self, done: Iterable[Done]) -> None:
        """They are durable in the journal."""
        for path, chunk, _ in done:
            known = self._chunks.setdefault(path, chunk)
            if known is chunk:
                continue
            if isinstance(known, Chunk):
                known = self._chunks[path] = {known.offset: known}
            known[chunk.offset] = chunk

    def has(self, path: RelPath, chunk: Chunk) -> bool:
        """True where this very chunk is proven."""
        return self._of(path).get(chunk.offset) == chunk

    def paths(self) -> list[RelPath]:
        """The files of which something is proven."""
        return list(self._chunks)

    def proven_bytes(self, path: RelPath) -> int:
        """How much of a file is proven."""
        return sum(chunk.length for chunk in self._of(path).values())

    def _of(self, path: RelPath) -> ChunksByOffset:
        known = self._chunks.get(path, {})
        return {known.offset: known} if isinstance(known, Chunk) else known

    def check(self, entries: Iterable[Entry]) -> None:
        """Checks that every chunk of every file is journaled with the digest that will be published.

        Raises:
            ManifestError: one is not.
        """
        for entry in entries:
            if isinstance(entry, FileEntry):
                self.check_file(entry)

    def check_file(self, entry: FileEntry) -> None:
        """As `check`, of one file."""
        known = self._chunks.get(entry.path)
        if (known,) == entry.chunks and entry.plain is None and is_proven(entry):
            return
        proven = self._of(entry.path)
        stated = {chunk.offset: chunk for chunk in entry.chunks}
        if proven != stated or not is_proven(entry):
            raise ManifestError(
                f"cannot publish {shown(entry.path)}: {len(proven)} chunks of it are proven, "
                f"and they are not the {len(stated)} of the manifest",
                hint="run the copy again: what is missing is copied anew",
            )

    def refuse_suspects(self, paths: Iterable[RelPath]) -> None:
        """Raises `DestinationWrite` for the first file that is not to be trusted."""
        if not self._suspects:
            return
        for path in paths:
            if path in self._suspects:
                raise self._suspect(path)

    def refuse_suspected(self) -> None:
        """Raises `DestinationWrite` when any file is not to be trusted."""
        for path in self._suspects:
            raise self._suspect(path)

    def refuse_at_end(self) -> None:
        """Raises `DestinationWrite` when an earlier step failed, or the writer is closed."""
        if self.is_at_end:
            raise DestinationWrite(
                f"cannot go on with {self._where.decode()}: an earlier step failed, "
                "or it is closed",
                hint="the next try goes on from what is journaled",
            )


class ProvingWriter:
    """What every `JobWriter` says of its proof.

    Args:
        proof: of the job copy.
    """

    def __init__(self, proof: Proof) -> None:
        self._proof = proof
        self._lock = threading.RLock()

    @property
    def resumed(self) -> Mapping[RelPath, Sequence[Chunk]]:
        """See `JobWriter`."""
        return self._proof.resumed

    @property
    def ended(self) -> Mapping[RelPath, Sequence[PieceEnd]]:
        """See `JobWriter`."""
        return self._proof.ended

    @property
    def warnings(self) -> Sequence[str]:
        """See `JobWriter`."""
        return self._proof.warnings


def _packed(by_offset: ChunksByOffset) -> Chunk | ChunksByOffset:
    """The one chunk of a small file without a dictionary around it: there may be a million of them."""
    return next(iter(by_offset.values())) if len(by_offset) == 1 else dict(by_offset)


def _in_order(by_offset: ChunksByOffset) -> tuple[Chunk, ...]:
    return tuple(by_offset[offset] for offset in sorted(by_offset))
