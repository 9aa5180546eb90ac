"""Small files that are there whole and durable, or not at all: written aside, synced, renamed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from engine.library.beneath import create_file, unlink_if_there
from engine.library.blame import on_destination
from engine.library.layout import ASIDE_SUFFIX


@contextmanager
def aside(name: bytes, *, parent: int) -> Iterator[BinaryIO]:
    """A stream into a file beside its place; what an earlier try left there goes first.

    It is synced at the end of the block, not before: what it speaks of can be synced in the block.
    The file is `aside_name(name)` then; nothing is left when the block fails.

    Raises:
        OSError: it cannot be written.
    """
    unlink_if_there(aside_name(name), parent=parent)
    fd = create_file(aside_name(name), parent=parent)
    try:
        with open(fd, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(fd)
    except BaseException:
        unlink_if_there(aside_name(name), parent=parent)
        raise


def aside_name(name: bytes) -> bytes:
    """What a file is called until it is whole."""
    return name + ASIDE_SUFFIX


def write_aside(name: bytes, fill: Callable[[BinaryIO], object], *, parent: int) -> bytes:
    """Writes and syncs a file beside its place.

    Args:
        fill: writes the content.

    Returns:
        The name that it has for now.

    Raises:
        OSError: it cannot be written; then nothing is left.
    """
    with aside(name, parent=parent) as stream:
        fill(stream)
    return aside_name(name)


def replace_durably(path: bytes, fill: Callable[[BinaryIO], object]) -> None:
    """Writes a file of our own state directory, in place of an older one.

    Raises:
        DestinationError: it cannot be written; the older one is still there.
    """
    directory, name = os.path.split(path)
    with on_destination("write", path):
        parent = os.open(directory or b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.rename(
                write_aside(name, fill, parent=parent), name, src_dir_fd=parent, dst_dir_fd=parent
            )
            os.fsync(parent)
        finally:
            os.close(parent)
