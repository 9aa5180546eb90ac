"""Small files of a job copy on a network, fetched before they are asked for one by one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

from engine.model.entries import Entry, FileEntry
from engine.model.names import RelPath


class Ahead:
    """Fetches small files in the order of the manifest before they are asked for one by one.

    Readers go in that order, all of them; one that jumps gets what it asks for, without this.
    Thread-safe.

    Args:
        entries: of the job copy, from the first on.
        contents: fetches files whole, many at once, one longer byte where there are more; None
            for one that must be opened to say what is wrong.
    """

    _SMALL_BYTES = 1024**2
    _MOST_BYTES = 8 * 1024**2
    _MOST_FILES = 256
    _MOST_SKIPPED = 4096

    def __init__(
        self,
        entries: Callable[[], Iterator[Entry]],
        contents: Callable[[Sequence[FileEntry]], Sequence[bytes | None]],
    ) -> None:
        self._all = entries
        self._contents = contents
        self._lock = threading.Lock()
        self._entries: Iterator[Entry] | None = None
        self._got: dict[RelPath, bytes] = {}
        self._held = 0

    def take(self, entry: FileEntry) -> bytes | None:
        """The content of a small file, if it was fetched; each once."""
        if not 0 < entry.size <= self._SMALL_BYTES:
            return None
        with self._lock:
            if entry.path not in self._got:
                self._fetch(entry)
            content = self._got.pop(entry.path, None)
            if content is not None:
                self._held -= len(content)
            return content

    def _fetch(self, entry: FileEntry) -> None:
        if self._held > self._MOST_BYTES:
            self._got.clear()  # of readers that went elsewhere
            self._held = 0
        wanted = self._following(entry)
        if not wanted:
            return
        for one, content in zip(wanted, self._contents(wanted), strict=True):
            if content is not None:
                self._got[one.path] = content
                self._held += len(content)

    def _following(self, entry: FileEntry) -> list[FileEntry]:
        """This file and the small ones after it; empty where it is not the next one."""
        if self._entries is None:
            self._entries = self._all()
        wanted: list[FileEntry] = []
        size = skipped = 0
        for one in self._entries:
            if not isinstance(one, FileEntry) or not 0 < one.size <= self._SMALL_BYTES:
                continue
            if not wanted and one.path != entry.path:
                skipped += 1
                if skipped > self._MOST_SKIPPED:
                    return []
                continue
            wanted.append(one)
            size += one.size
            if len(wanted) >= self._MOST_FILES or size >= self._MOST_BYTES:
                break
        return wanted
