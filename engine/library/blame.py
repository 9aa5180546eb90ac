"""Turns a failed system call into the error of the side that failed, so that no handler guesses.

A failed read of a source may skip a backup job; a failed write never skips anything silently.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from engine.model.errors import (
    DestinationFull,
    DestinationWrite,
    LibraryOffline,
    SourceRead,
    StorageError,
    UnsafeName,
)
from engine.model.names import shown

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_GONE = frozenset(
    {errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ENOTCONN, errno.ESHUTDOWN, errno.EHOSTDOWN}
)
_LINK = frozenset({errno.ELOOP})
_ODD_KIND = frozenset({errno.ENOTDIR, errno.EISDIR})

_DESTINATION_HINTS = {
    errno.EROFS: "the file system is read-only: look at the system log, repair or remount it",
    errno.EIO: "the device reports an error: look at the system log before trusting this disk",
    errno.EACCES: "give the account of the service write permission there",
    errno.EPERM: "give the account of the service write permission there",
}
_SOURCE_HINTS = {
    errno.EACCES: "give the account of the service read permission",
    errno.EPERM: "give the account of the service read permission",
    errno.EIO: "the device reports an error: look at the system log",
}


def _why(err: OSError) -> str:
    return (err.strerror or str(err)).lower()


def destination_error(err: OSError, doing: str, where: bytes | str) -> StorageError:
    """The error for a failed call on the side that is written.

    Args:
        err: what the system said.
        doing: verb of what failed, e.g. `write`.
        where: file or directory that it failed on.
    """
    message = f"cannot {doing} {shown(where)}: {_why(err)}"
    if err.errno in _FULL:
        return DestinationFull(message, hint="make room on the library; the copy then goes on")
    if err.errno in _GONE:
        return LibraryOffline(message, hint="connect or mount the library again")
    if err.errno in _LINK or err.errno in _ODD_KIND:
        return UnsafeName(
            message,
            hint="something that auxtui did not make stands there: look at it, move it away",
        )
    return DestinationWrite(message, hint=_DESTINATION_HINTS.get(err.errno or 0, ""))


def source_error(err: OSError, doing: str, where: bytes | str) -> StorageError:
    """The error for a failed call on the side that is read; arguments as `destination_error`."""
    message = f"cannot {doing} {shown(where)}: {_why(err)}"
    if err.errno in _LINK:
        return SourceRead(message, hint="a symbolic link stands where a file is expected")
    return SourceRead(message, hint=_SOURCE_HINTS.get(err.errno or 0, ""))


@contextmanager
def on_destination(doing: str, where: bytes | str) -> Iterator[None]:
    """Raises every `OSError` of the block as `destination_error`."""
    try:
        yield
    except OSError as err:
        raise destination_error(err, doing, where) from err


@contextmanager
def on_source(doing: str, where: bytes | str) -> Iterator[None]:
    """Raises every `OSError` of the block as `source_error`."""
    try:
        yield
    except OSError as err:
        raise source_error(err, doing, where) from err
