"""Turns a failed system call into the error of the side that failed, so that no handler guesses.

A failed read of a source may skip a backup job; a failed write never skips anything silently.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from types import TracebackType

from engine.model.errors import (
    DestinationFull,
    DestinationRefused,
    DestinationWrite,
    LibraryOffline,
    SourceMissing,
    SourceRead,
    StorageError,
    UnsafeName,
)
from engine.model.names import shown

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_GONE = frozenset(
    {errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ENOTCONN, errno.ESHUTDOWN, errno.EHOSTDOWN}
)
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
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
    kind = DestinationRefused if err.errno in _REFUSED else DestinationWrite
    return kind(message, hint=_DESTINATION_HINTS.get(err.errno or 0, ""))


def source_error(err: OSError, doing: str, where: bytes | str) -> StorageError:
    """The error for a failed call on the side that is read; arguments as `destination_error`."""
    message = f"cannot {doing} {shown(where)}: {_why(err)}"
    if err.errno in _LINK:
        return SourceRead(message, hint="a symbolic link stands where a file is expected")
    if err.errno == errno.ENOENT:
        return SourceMissing(message)
    return SourceRead(message, hint=_SOURCE_HINTS.get(err.errno or 0, ""))


class Blamed:
    """A block whose `OSError` gets a name. A class, as a generator costs ten times as much, per file.

    Args:
        error: makes the error from what the system said, `doing` and `where`.
        doing: verb of what the block does.
        where: file or directory that it does it to.
    """

    __slots__ = ("_doing", "_error", "_where")

    def __init__(
        self,
        error: Callable[[OSError, str, bytes | str], StorageError],
        doing: str,
        where: bytes | str,
    ) -> None:
        self._error = error
        self._doing = doing
        self._where = where

    def __enter__(self) -> None:
        """Begins the block."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(err, OSError):
            raise self._error(err, self._doing, self._where) from err


def on_destination(doing: str, where: bytes | str) -> Blamed:
    """Raises every `OSError` of the block as `destination_error`."""
    return Blamed(destination_error, doing, where)


def on_source(doing: str, where: bytes | str) -> Blamed:
    """Raises every `OSError` of the block as `source_error`."""
    return Blamed(source_error, doing, where)
