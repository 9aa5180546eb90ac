"""Whether a tree is on one file system: one sync reaches only one."""

from __future__ import annotations

import os
import re

_MOUNTS = "/proc/self/mountinfo"
_MOUNT_POINT = 4  # field of a line, see proc(5); blanks and the like are written in octal
_OCTAL = re.compile(rb"\\([0-7]{3})")


def has_mounts_below(fd: int) -> bool:
    """True where another file system is mounted below an open directory, or that cannot be told."""
    try:
        above = os.readlink(b"/proc/self/fd/%d" % fd).rstrip(b"/") + b"/"
        with open(_MOUNTS, "rb") as lines:
            return any(_mount_point(line).startswith(above) for line in lines)
    except (OSError, IndexError):
        return True


def _mount_point(line: bytes) -> bytes:
    return _OCTAL.sub(
        lambda octal: bytes([int(octal[1], 8) & 0xFF]), line.split(b" ")[_MOUNT_POINT]
    )
