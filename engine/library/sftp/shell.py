"""Words for the POSIX shell of the other host. Pure."""

from __future__ import annotations


def quoted(path: bytes) -> bytes:
    """One word of the shell, whatever is in it."""
    return b"'" + path.replace(b"'", b"'\"'\"'") + b"'"
