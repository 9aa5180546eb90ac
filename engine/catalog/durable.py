"""Files that appear whole, under their name, synced, and never over another."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def make_private_file(path: Path) -> None:
    """Makes an empty file with mode 0600; SQLite gives its log and journal the same mode.

    Raises:
        FileExistsError: something is there.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def sync_file(path: Path) -> None:
    """Makes a file durable. Not for a database that this process has open: closing drops locks."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Makes the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link_in(aside: Path, target: Path, *, exist_ok: bool = False) -> None:
    """Gives a finished file its name, never over another, and makes the name durable.

    Args:
        aside: the finished, synced file, in the same directory.
        target: its name.
        exist_ok: something there already is as good.

    Raises:
        FileExistsError: something is there.
    """
    try:
        os.link(aside, target)
    except FileExistsError:
        if not exist_ok:
            raise
    except OSError as err:
        if err.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        # No hard links here (FAT, some network file systems): the look and the rename are two.
        if os.path.lexists(target):
            if not exist_ok:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from err
        else:
            aside.rename(target)
    aside.unlink(missing_ok=True)
    sync_directory(target.parent)
