"""Opens and reads files below one directory for several threads; asks a slow device for many at once."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress

from engine.library.beneath import Parents, open_and_look, open_to_read, require_regular
from engine.model.errors import UnsafeName
from engine.model.names import RelPath

_ASKED_AT_ONCE = 32  # files that a device is asked for; as many are open then


class SharedParents:
    """`Parents` for a reader that several threads use: each call has one for itself.

    They are kept open between calls, because files of one directory come one after the other.

    Args:
        root: as of `Parents`.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._idle: list[Parents] = []
        self._is_closed = False

    def open_file(self, path: RelPath) -> tuple[int, os.stat_result]:
        """Opens a regular file to read, as `open_and_look` does.

        Raises:
            UnsafeName, OSError: as `Parents.of` and `open_and_look`.
        """
        parents = self._taken(path.rpartition(b"/")[0])
        try:
            parent, name = parents.of(path)
            return open_and_look(name, parent=parent)
        finally:
            self._give_back(parents)

    def read_each(
        self, files: Sequence[tuple[RelPath, memoryview]]
    ) -> Iterator[tuple[int, os.stat_result]]:
        """Reads regular files from their begin, one after the other, and looks at each after that.

        Where one is not in the page cache, those that follow are opened too and the device is asked
        for all of them at once. What is cached is opened one by one.

        Args:
            files: at least one; how each is called, and where its bytes go.

        Yields:
            How many bytes a file had, at most those of its buffer, and what it is after that.

        Raises:
            UnsafeName, OSError: as `open_file`, or it could not be read; of the file whose turn it is.
        """
        parents = self._taken(files[0][0].rpartition(b"/")[0])
        opened: deque[int] = deque()
        try:
            for at, (path, buffer) in enumerate(files):
                count = 0
                if not opened:
                    opened.append(_opened(path, parents))
                    cached = _read_cached(opened[0], buffer)
                    if cached is None:
                        _ask_for(files[at : at + _ASKED_AT_ONCE], opened, parents)
                    else:
                        count = cached
                count = _read_on(opened[0], buffer, count)
                found = require_regular(opened[0])
                os.close(opened.popleft())
                yield count, found
        finally:
            for fd in opened:
                os.close(fd)
            self._give_back(parents)

    def _give_back(self, parents: Parents) -> None:
        with self._lock:
            self._idle.append(parents)
        if self._is_closed:
            self.close()

    def _taken(self, directory: bytes) -> Parents:
        """One that has this directory open, else the one that was used longest ago.

        Not just any: two streams in two directories would take each other's, and walk every time.
        """
        with self._lock:
            for at, parents in enumerate(self._idle):
                if parents.is_open(directory):
                    return self._idle.pop(at)
            return self._idle.pop(0) if self._idle else Parents(self._root)

    def close(self) -> None:
        """Closes what is open; what a call uses is closed at its end."""
        self._is_closed = True
        with self._lock:
            idle, self._idle = self._idle, []
        for parents in idle:
            parents.close()


def _opened(path: RelPath, parents: Parents) -> int:
    parent, name = parents.of(path)
    return open_to_read(name, parent)


def _ask_for(
    files: Sequence[tuple[RelPath, memoryview]], opened: deque[int], parents: Parents
) -> None:
    """Opens the files after the first, which is open, and has the kernel begin to read all of them."""
    for path, _ in files[1:]:
        try:
            opened.append(_opened(path, parents))
        except (OSError, UnsafeName):  # or too many are open: tried again when it is its turn
            break
    for fd, (_, buffer) in zip(opened, files, strict=False):
        with suppress(OSError):  # a hint; what is wrong with a file is said by its read
            os.posix_fadvise(fd, 0, len(buffer) or 1, os.POSIX_FADV_WILLNEED)


def _read_cached(fd: int, buffer: memoryview) -> int | None:
    """Reads what the page cache has of the begin of a file; None where the device must be waited for."""
    if not buffer:
        return 0
    try:
        return os.preadv(fd, [buffer], 0, os.RWF_NOWAIT)
    except BlockingIOError:
        return None
    except OSError:  # a file system that cannot tell; or the read after this says what is wrong
        return 0


def _read_on(fd: int, buffer: memoryview, count: int) -> int:
    """Fills a buffer from a file that it has `count` bytes of; returns how many there were."""
    try:
        while count < len(buffer) and (got := os.preadv(fd, [buffer[count:]], count)):
            count += got
    except OSError:
        require_regular(fd)
        raise
    return count
