"""Words for the POSIX shell of the other host. Pure."""

from __future__ import annotations

import os
import shlex


def quoted(path: bytes) -> bytes:
    """One word of the shell, whatever is in it."""
    return os.fsencode(shlex.quote(os.fsdecode(path)))
