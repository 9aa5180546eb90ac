"""Tries a local library out; see `engine.library.trying`."""

from __future__ import annotations

import os
import secrets
import time

from engine.library.beneath import (
    OWN_FILE_MODE,
    create_file,
    open_for_reading,
    unlink_if_there,
    write_all,
)
from engine.library.syscalls import rename_new, share_range
from engine.library.trying import PROBE_BYTES, Step, probe_names
from engine.model.errors import DestinationWrite


def try_out(root_fd: int) -> list[Step]:
    """Writes, syncs, renames, reads and removes a probe in the root of a library.

    Raises:
        OSError: a step failed.
        DestinationWrite: what is read is not what was written.
    """
    aside, name = probe_names()
    content = secrets.token_bytes(PROBE_BYTES)
    start = time.perf_counter()
    try:
        fd = create_file(aside, parent=root_fd)
        try:
            write_all(fd, content, 0)
            os.fsync(fd)
        finally:
            os.close(fd)
        rename_new(aside, name, old_dir=root_fd, new_dir=root_fd)
        os.fsync(root_fd)
        with open(open_for_reading(name, parent=root_fd), "rb") as stream:
            if stream.read() != content:
                raise DestinationWrite(
                    "a probe was read back, and is not what was written",
                    hint="the disk damages data: look at the system log, do not use this library",
                )
    finally:
        unlink_if_there(aside, parent=root_fd)
        unlink_if_there(name, parent=root_fd)
    return [Step("write, sync, rename, read, delete", time.perf_counter() - start)]


def can_share_blocks(path: str) -> bool:
    """True where the file system of a directory lets two files share blocks; tried with two without a name.

    Raises:
        OSError: it cannot be tried there.
    """
    block = bytes(PROBE_BYTES)
    flags = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC
    source = os.open(path, flags, OWN_FILE_MODE)
    try:
        target = os.open(path, flags, OWN_FILE_MODE)
        try:
            write_all(source, memoryview(block), 0)
            os.ftruncate(target, len(block))
            return share_range(source, target, 0, len(block))
        finally:
            os.close(target)
    finally:
        os.close(source)
