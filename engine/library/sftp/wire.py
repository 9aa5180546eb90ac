"""SFTP version 3 as bytes: requests, replies, attributes, and what a status means. No I/O.

Version 3 is what every server speaks (draft-ietf-secsh-filexfer-02, with OpenSSH's extensions).
"""

from __future__ import annotations

import errno
import stat
import struct
from dataclasses import dataclass

from engine.model.errors import LibraryOffline

VERSION = 3
MAX_REPLY_BYTES = 4 * 1024**2  # beyond any real reply: a peer that says more speaks something else

INIT, VERSION_REPLY = 1, 2
OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT = 3, 4, 5, 6, 7, 8, 9, 10
OPENDIR, READDIR, REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME = 11, 12, 13, 14, 15, 16, 17, 18
READLINK, SYMLINK, EXTENDED = 19, 20, 200
STATUS, HANDLE, DATA, NAME, ATTRS, EXTENDED_REPLY = 101, 102, 103, 104, 105, 201

READING, WRITING, CREATING, EXCLUSIVE = 0x01, 0x02, 0x08, 0x20  # flags of OPEN

POSIX_RENAME = b"posix-rename@openssh.com"
STATVFS = b"statvfs@openssh.com"
FSYNC = b"fsync@openssh.com"
HARDLINK = b"hardlink@openssh.com"
LSETSTAT = b"lsetstat@openssh.com"
LIMITS = b"limits@openssh.com"

_OK, _EOF, _NO_SUCH_FILE, _DENIED, _FAILURE, _BAD_MESSAGE, _UNSUPPORTED = 0, 1, 2, 3, 4, 5, 8
_ERRNO = {
    _NO_SUCH_FILE: errno.ENOENT,
    _DENIED: errno.EACCES,
    _UNSUPPORTED: errno.EOPNOTSUPP,
    11: errno.EEXIST,
    14: errno.ENOSPC,
    15: errno.EDQUOT,
}
_HAS_SIZE, _HAS_OWNER, _HAS_MODE, _HAS_TIMES, _HAS_MORE = 1, 2, 4, 8, 0x80000000
MOST_SECONDS = 2**32 - 1
_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")


class FailureError(OSError):
    """The status that says `failure` and nothing else; whoever asked finds out why."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What version 3 says of a file."""

    size: int = 0
    mode: int = 0
    """With the kind of the file; 0: not told."""
    mtime_s: int = 0

    @property
    def is_directory(self) -> bool:
        """True for a directory."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        """True for a regular file."""
        return stat.S_ISREG(self.mode)

    @property
    def is_link(self) -> bool:
        """True for a symbolic link."""
        return stat.S_ISLNK(self.mode)


def number(value: int) -> bytes:
    """A number of 32 bits."""
    return _U32.pack(value)


def big_number(value: int) -> bytes:
    """A number of 64 bits."""
    return _U64.pack(value)


def text(value: bytes) -> bytes:
    """A string with its length before it."""
    return _U32.pack(len(value)) + value


def attributes(
    *, size: int | None = None, mode: int | None = None, mtime_s: int | None = None
) -> bytes:
    """Attributes to be set; those left out stay."""
    flags, body = 0, b""
    if size is not None:
        flags |= _HAS_SIZE
        body += _U64.pack(size)
    if mode is not None:
        flags |= _HAS_MODE
        body += _U32.pack(mode)
    if mtime_s is not None:
        flags |= _HAS_TIMES
        body += _U32.pack(mtime_s) + _U32.pack(mtime_s)
    return _U32.pack(flags) + body


class Reply:
    """One reply, taken from its beginning; `LibraryOffline` where it is shorter than it says.

    Args:
        kind: of the message.
        body: what follows its kind and number.
    """

    def __init__(self, kind: int, body: memoryview) -> None:
        self.kind = kind
        self._body = body
        self._at = 0

    def number(self) -> int:
        """The next number of 32 bits."""
        return int(_U32.unpack(self._take(4))[0])

    def big_number(self) -> int:
        """The next number of 64 bits."""
        return int(_U64.unpack(self._take(8))[0])

    def text(self) -> bytes:
        """The next string."""
        return bytes(self._take(self.number()))

    def view(self) -> memoryview:
        """The next string, not copied."""
        return self._take(self.number())

    @property
    def is_refusal(self) -> bool:
        """True for a status that is not well; takes nothing."""
        return self.kind == STATUS and bytes(self._body[:4]) != _U32.pack(_OK)

    def has_more(self) -> bool:
        """True until everything was taken."""
        return self._at < len(self._body)

    def attributes(self) -> Attributes:
        """The next attributes."""
        flags = self.number()
        size = self.big_number() if flags & _HAS_SIZE else 0
        if flags & _HAS_OWNER:
            self._take(8)
        mode = self.number() if flags & _HAS_MODE else 0
        mtime_s = 0
        if flags & _HAS_TIMES:
            self._take(4)
            mtime_s = self.number()
        if flags & _HAS_MORE:
            for _ in range(self.number()):
                self.text()
                self.text()
        return Attributes(size, mode, mtime_s)

    def _take(self, count: int) -> memoryview:
        part = self._body[self._at : self._at + count]
        if len(part) != count:
            raise LibraryOffline("the server sent a reply that is cut off")
        self._at += count
        return part


def raise_status(reply: Reply) -> bool:
    """Raises what a status says; returns False for the end of a file or a list.

    Raises:
        OSError: with the number that a local call would have had, as far as the status tells it.
    """
    code = reply.number()
    if code == _OK:
        return True
    if code == _EOF:
        return False
    said = reply.text().decode("utf-8", "replace") if reply.has_more() else ""
    if code in _ERRNO:
        number_of = _ERRNO[code]
        raise OSError(number_of, said or "refused")
    if code == _FAILURE:
        raise FailureError(errno.EIO, said or "failure")
    raise OSError(errno.EIO, f"{said or 'refused'} (status {code})")
