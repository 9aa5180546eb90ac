"""What SFTP version 3 can keep of a file besides its bytes: permission bits and whole seconds. Pure.

Owners, extended attributes and fractions of seconds are in the manifest alone.
"""

from __future__ import annotations

import stat

from engine.library.sftp.wire import MOST_SECONDS
from engine.model.entries import Metadata

_SET_ID_BITS = 0o6000
FILE_MODE = stat.S_IRUSR
DIRECTORY_MODE = stat.S_IRUSR | stat.S_IXUSR


def kept_mode(meta: Metadata, least_mode: int) -> int:
    """The mode over there: no rights of somebody else's, and never one that locks this account out."""
    return meta.mode & ~_SET_ID_BITS | least_mode


def kept_seconds(meta: Metadata) -> int:
    """The modification time over there."""
    return min(MOST_SECONDS, max(0, meta.mtime_ns // 1_000_000_000))


def is_less(meta: Metadata, least_mode: int) -> bool:
    """True where the mode that is kept is not the one of the source."""
    return meta.mode & least_mode != least_mode
