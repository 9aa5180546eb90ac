"""Small files that are there whole and durable, or not at all: written aside, synced, renamed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import BinaryIO

from engine.library.beneath import create_file, unlink_if_there
from engine.library.blame import on_destination
from engine.library.layout import ASIDE_SUFFIX


def write_aside(name: bytes, fill: Callable[[BinaryIO], object], *, parent: int) -> bytes:
    """Writes and syncs a file beside its place; what an earlier try left there goes first.

    Args:
        fill: writes the content.

    Returns:
        The name that it has for now.

    Raises:
        OSError: it cannot be written; then nothing is left.
    """
    aside = name + ASIDE_SUFFIX
    unlink_if_there(aside, parent=parent)
    fd = create_file(aside, parent=parent)
    try:
        with open(fd, "wb") as stream:
            fill(stream)
            stream.flush()
            os.fsync(fd)
    except BaseException:
        unlink_if_there(aside, parent=parent)
        raise
    return aside


def replace_durably(path: bytes, fill: Callable[[BinaryIO], object]) -> None:
    """Writes a file of our own state directory, in place of an older one.

    Raises:
        DestinationError: it cannot be written; the older one is still there.
    """
    directory, name = os.path.split(path)
    with on_destination("write", path):
        parent = os.open(directory or b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            aside = write_aside(name, fill, parent=parent)
            os.rename(aside, name, src_dir_fd=parent, dst_dir_fd=parent)
            os.fsync(parent)
        finally:
            os.close(parent)
