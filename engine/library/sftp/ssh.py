"""asyncssh, imported without starting a process; whoever needs it takes it from here.

While it is imported it asks ctypes for liboqs and nettle, with which it knows some more algorithms.
ctypes asks `ldconfig`, the C compiler and the linker for them: up to seven processes, a compiler on
a host of production among them, for what is hardly anywhere. So meanwhile the question is answered
by looking where the dynamic linker looks. A host that has these libraries gets what it got before.
"""

from __future__ import annotations

import ctypes.util
import glob
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

_USUAL = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")
_CONFIGURED = ("/etc/ld.so.conf", "/etc/ld.so.conf.d/*.conf")


def find_library(name: str) -> str | None:
    """The newest library of this name that can be loaded, as a path; None: there is none.

    Args:
        name: without `lib` and without `.so`.
    """
    for directory in _directories():
        found = glob.glob(f"{glob.escape(directory)}/lib{glob.escape(name)}.so*")
        for path in sorted(found, key=_version, reverse=True):
            if _can_be_loaded(path):
                return path
    return None


def _directories() -> Iterator[str]:
    """Where the dynamic linker looks, in its order."""
    yield from filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":"))
    for pattern in _CONFIGURED:
        for path in sorted(glob.glob(pattern)):
            try:
                with open(path, encoding="utf-8", errors="surrogateescape") as stream:
                    yield from (line.strip() for line in stream if line.startswith("/"))
            except OSError:
                continue  # the linker passes over it too
    yield from _USUAL


def _version(path: str) -> list[int]:
    return [int(part) for part in re.findall(r"[0-9]+", os.path.basename(path))]


def _can_be_loaded(path: str) -> bool:
    """False for another processor's, or a script of the linker by this name."""
    try:
        ctypes.CDLL(path)
    except OSError:
        return False
    return True


@contextmanager
def _looked_up_here() -> Iterator[None]:
    usual = ctypes.util.find_library
    ctypes.util.find_library = find_library
    try:
        yield
    finally:
        ctypes.util.find_library = usual


with _looked_up_here():
    import asyncssh
    from asyncssh import auth
    from asyncssh.constants import MSG_CHANNEL_DATA, MSG_CHANNEL_WINDOW_ADJUST, MSG_IGNORE
    from asyncssh.encryption import GCMEncryption

__all__ = [
    "MSG_CHANNEL_DATA",
    "MSG_CHANNEL_WINDOW_ADJUST",
    "MSG_IGNORE",
    "GCMEncryption",
    "asyncssh",
    "auth",
    "find_library",
]
