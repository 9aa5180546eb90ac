"""Open files of this host: reading with a watch on their identity, writing with holes."""

from __future__ import annotations

import os
from collections.abc import Callable

from engine.library.beneath import write_all
from engine.library.blame import on_destination, on_source
from engine.library.syscalls import punch_hole
from engine.model.entries import Identity
from engine.model.errors import DestinationWrite, StorageError
from engine.model.names import RelPath, shown

HOLE_BYTES = 64 * 1024  # shorter zero runs are not worth a hole
_ZEROS = bytes(HOLE_BYTES)


def identity_of(found: os.stat_result) -> Identity:
    """What tells that a file is still the same."""
    return Identity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class FileReader:
    """A file open for reading; `ReadHandle` of everything local.

    Args:
        fd: the file; the handle closes it.
        path: for messages.
        found: what was found of it when it was opened; None: it is looked at.
    """

    def __init__(self, fd: int, path: RelPath, found: os.stat_result | None = None) -> None:
        self._fd = fd
        self._path = path
        self.identity = identity_of(os.fstat(fd) if found is None else found)

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """See `ReadHandle`."""
        count = 0
        with on_source("read", self._path):
            while count < len(buffer):
                got = os.preadv(self._fd, [buffer[count:]], offset + count)
                if got == 0:
                    break
                count += got
        return count

    def unchanged(self) -> bool:
        """True while the open file has the identity that it was opened with."""
        with on_source("look at", self._path):
            return identity_of(os.fstat(self._fd)) == self.identity

    def fileno(self) -> int:
        """The descriptor."""
        return self._fd

    def close(self) -> None:
        """Closes the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class FileWriter:
    """A file of an unfinished job copy, open for writing ranges; `WriteHandle` of local libraries.

    Args:
        fd: the file, also readable; the handle closes it.
        path: for messages.
        size: that it shall have; None while that is not known.
        sparse: runs of zeros become holes.
        is_suspect: tells whether a sync of this file failed, through whichever handle.
        failed: is told that the sync of this handle failed.
    """

    def __init__(
        self,
        fd: int,
        path: RelPath,
        *,
        size: int | None,
        sparse: bool,
        is_suspect: Callable[[RelPath], bool],
        failed: Callable[[RelPath], None],
    ) -> None:
        self._fd = fd
        self._path = path
        self._size = size
        self._sparse = sparse
        self._is_suspect = is_suspect
        self._failed = failed

    def write(self, buffer: memoryview, offset: int) -> None:
        """See `WriteHandle`."""
        self._refuse_suspect()
        with on_destination("write", self._path):
            write_range(self._fd, buffer, offset, sparse=self._sparse)

    def sync(self) -> None:
        """See `WriteHandle`; also cuts off what direct writes padded the last block with."""
        self._refuse_suspect()
        try:
            with on_destination("sync", self._path):
                if self._size is not None and os.fstat(self._fd).st_size > self._size:
                    os.ftruncate(self._fd, self._size)
                os.fdatasync(self._fd)
        except StorageError as err:
            try:
                self._failed(self._path)
            except StorageError as second:
                raise err from second
            raise

    def fileno(self) -> int:
        """The descriptor."""
        return self._fd

    def close(self) -> None:
        """Closes the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _refuse_suspect(self) -> None:
        if self._is_suspect(self._path):
            raise suspect_error(self._path)


def suspect_error(path: RelPath) -> DestinationWrite:
    """The error for every use of a file after its sync failed."""
    return DestinationWrite(
        f"cannot write {shown(path)}: a sync of it failed, what is on the disk is unknown",
        hint="look at the system log; the next try copies this file anew",
    )


def write_range(fd: int, buffer: memoryview, offset: int, *, sparse: bool) -> None:
    """Writes a range whole; in a sparse file aligned runs of zeros become holes.

    A hole is punched, not left out: an earlier try may have written there.

    Raises:
        OSError: it could not be written.
    """
    if not sparse:
        write_all(fd, buffer, offset)
        return
    view = buffer.cast("B")
    start = 0
    while start < len(view):
        end, is_hole = next_run(view, start, offset)
        if not (is_hole and punch_hole(fd, offset + start, end - start)):
            write_all(fd, view[start:end], offset + start)
        start = end


def next_run(view: memoryview, start: int, offset: int) -> tuple[int, bool]:
    """End of the run of blocks from `start` that are all zeros or all not, and which of them."""
    end, kind = start, False
    while end < len(view):
        stop = min(len(view), end + HOLE_BYTES - (offset + end) % HOLE_BYTES)
        is_hole = _is_hole(view[end:stop])
        if end > start and is_hole != kind:
            break
        end, kind = stop, is_hole
    return end, kind


def _is_hole(block: memoryview) -> bool:
    if len(block) < HOLE_BYTES or block[0] or block[-1] or block[HOLE_BYTES // 2]:
        return False
    return block.tobytes() == _ZEROS
