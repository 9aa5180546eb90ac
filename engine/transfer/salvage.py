"""What is right of a damaged file: kept beside its name, never under it, with its holes named."""

from __future__ import annotations

import os
from collections.abc import Iterable

from engine.library.beneath import write_all
from engine.library.syscalls import punch_hole
from engine.model.entries import Chunk
from engine.model.errors import AuxError, DestinationExists
from engine.model.names import RelPath, shown
from engine.transfer.target import RestoredFile, RestoreTarget, on_target

SUFFIX = b".incomplete"
_LONGEST_NAME = 255
_NAMED = 20  # holes in one message
_BLANK = bytes(1024 * 1024)


def name_of_rest(path: RelPath) -> RelPath:
    """The name under which what is right of a file is kept: nobody takes it for the file."""
    above, slash, name = path.rpartition(b"/")
    return RelPath(above + slash + name[: _LONGEST_NAME - len(SUFFIX)] + SUFFIX)


class LargeFile:
    """A file of several chunks, while they are restored."""

    def __init__(self, file: RestoredFile, chunks: int) -> None:
        self.file = file
        self.chunks = self.left = chunks
        self.holes: list[Chunk] = []
        """What is not right."""

    @property
    def has_rest(self) -> bool:
        """True for a damaged file of which something is right."""
        return 0 < len(self.holes) < self.chunks

    @property
    def right_bytes(self) -> int:
        """How much is right of it."""
        return self.file.entry.size - sum(chunk.length for chunk in self.holes)


def blank(file: RestoredFile, chunk: Chunk) -> None:
    """Zeros where a chunk could not be read or was not right: what was written of it must not stay.

    Raises:
        DestinationError: the target failed.
    """
    fd = file.aside.fd
    with on_target("write", file.path):
        if punch_hole(fd, chunk.offset, chunk.length):
            return
        end = min(
            chunk.offset + chunk.length, os.fstat(fd).st_size
        )  # behind it nothing was written
        for at in range(chunk.offset, end, len(_BLANK)):
            write_all(fd, memoryview(_BLANK)[: end - at], at)


def blank_from(file: RestoredFile, offset: int) -> None:
    """As `blank`, of everything from there on."""
    with on_target("write", file.path):
        os.ftruncate(file.aside.fd, offset)


def holes_of(chunks: Iterable[Chunk]) -> str:
    """The ranges that are missing, those that touch as one."""
    ranges: list[tuple[int, int]] = []
    for chunk in sorted(chunks):
        end = chunk.offset + chunk.length
        if ranges and ranges[-1][1] == chunk.offset:
            ranges[-1] = ranges[-1][0], end
        else:
            ranges.append((chunk.offset, end))
    named = ", ".join(f"{start} to {end}" for start, end in ranges[:_NAMED])
    more = len(ranges) - _NAMED
    return f"bytes {named}" + (f" and {more} more places" if more > 0 else "")


def keep_rest(target: RestoreTarget, large: LargeFile, name: RelPath) -> tuple[bool, str]:
    """Keeps what is right of a damaged file.

    Args:
        target: where it is restored to.
        large: the file; it is gone then, or has its name.
        name: under which it would be were it whole.

    Returns:
        Whether it is kept, and what is to be said of it.

    Raises:
        DestinationError: the target failed.
    """
    path = name_of_rest(name)
    try:
        target.keep_as(large.file, path)
    except DestinationExists as err:
        return False, f"what is right of it was not kept: {err.message}"
    holes = holes_of(large.holes)
    return True, f"what is right of it is in {shown(path)}, with zeros for {holes}"


def told(error: AuxError, what: str) -> AuxError:
    """The error of a damaged file, of the same kind, with what became of the rest of it."""
    return type(error)(f"{error.message}; {what}", hint=error.hint)
