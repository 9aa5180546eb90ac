"""Directories in memory, for tests that sync often and prove nothing about a disk.

A process that is killed loses nothing there either; what a power cut leaves is proven on disks.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.archive.trees import ACL

_MEMORY = Path("/dev/shm")
_LEAST_BYTES = 2 << 30  # what a few workers need at once, many times over


@contextmanager
def directory() -> Iterator[Path | None]:
    """A new one that is gone afterwards; None where this host has no room for it."""
    if not _is_usable():
        yield None
        return
    path = Path(tempfile.mkdtemp(prefix="auxtui-", dir=_MEMORY))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@cache
def _is_usable() -> bool:
    """Whether there is one that keeps all that tests put there."""
    try:
        with tempfile.NamedTemporaryFile(dir=_MEMORY) as probe:
            os.setxattr(probe.name, "user.note", b"x")
            os.setxattr(probe.name, "system.posix_acl_access", ACL)
        found = os.statvfs(_MEMORY)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize >= _LEAST_BYTES
