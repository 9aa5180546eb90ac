"""The index of the backup before, walked beside the file system in the same order."""

from __future__ import annotations

from collections.abc import Iterator

from engine.archive.index import IndexEntry, order_of
from engine.archive.index_file import IndexFile

_Group = tuple[bytes, list[IndexEntry]]


class BaseWalk:
    """Gives what an earlier backup knew of a directory; asked in the order of the index.

    Args:
        index: of the earlier backup; None: there is none.
    """

    def __init__(self, index: IndexFile | None) -> None:
        self._groups: Iterator[_Group] = iter(()) if index is None else index.directories()
        self._next: _Group | None = next(self._groups, None)

    def at(self, directory: bytes) -> dict[bytes, IndexEntry]:
        """What was in a directory, by path; what comes before it in the order is passed over."""
        wanted = order_of(directory)
        while self._next is not None and order_of(self._next[0]) < wanted:
            self._next = next(self._groups, None)
        if self._next is None or self._next[0] != directory:
            return {}
        group = self._next[1]
        self._next = next(self._groups, None)
        return {entry.path: entry for entry in group}

    def below(self, directory: bytes) -> Iterator[IndexEntry]:
        """All that was in and below a directory."""
        yield from self.at(directory).values()
        prefix = directory + b"/"
        while self._next is not None and self._next[0].startswith(prefix):
            yield from self._next[1]
            self._next = next(self._groups, None)
