"""A file that has no name until it is whole: nothing half-written is ever seen, or left by a crash."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable

from engine.library.beneath import OWN_FILE_MODE, create_file, unlink_if_there
from engine.library.syscalls import name_nameless
from engine.model.errors import DestinationExists
from engine.model.names import RelPath, shown

_NAMELESS = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC
_PERMISSIONS = 0o777  # without set-user-id and the like, which depend on the owner
_NO_NAMELESS = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL})


def aside_name() -> bytes:
    """A name that nothing else has."""
    return b".auxtui-restore-" + secrets.token_hex(8).encode()


class Aside:
    """A new file in a directory, without a name where the file system offers that.

    Args:
        parent: descriptor of the directory; only used by this call.
        mode: that it will have; one without a name gets its permissions at once, as nobody can
            open it, one with a name is this account's alone until it is whole.

    Raises:
        OSError: it cannot be created.
    """

    __slots__ = ("_name", "fd")

    def __init__(self, parent: int, mode: int = OWN_FILE_MODE) -> None:
        self._name = b""
        try:
            self.fd = os.open(b".", _NAMELESS, mode & _PERMISSIONS | OWN_FILE_MODE, dir_fd=parent)
        except OSError as err:
            if err.errno not in _NO_NAMELESS:
                raise
            self._name = aside_name()
            self.fd = create_file(self._name, parent=parent)

    def keep(self, name: bytes, *, parent: int, overwrite: bool, path: RelPath) -> None:
        """Gives it its name and closes it.

        Args:
            parent: descriptor of the directory that it was made in.
            path: for messages.

        Raises:
            DestinationExists: the name is taken, and `overwrite` is false.
            OSError: it cannot be named; it is gone then.
        """
        try:
            try:
                self._link(name, parent)
            except FileExistsError:
                put_name(
                    lambda new: self._link(new, parent),
                    name,
                    parent=parent,
                    overwrite=overwrite,
                    path=path,
                )
        finally:
            self.drop(parent=parent)

    def drop(self, *, parent: int) -> None:
        """Closes it; without a name given by `keep` it is gone."""
        os.close(self.fd)
        if self._name:
            unlink_if_there(self._name, parent=parent)

    def _link(self, new: bytes, parent: int) -> None:
        if self._name:
            os.link(self._name, new, src_dir_fd=parent, dst_dir_fd=parent, follow_symlinks=False)
        else:
            name_nameless(self.fd, new, parent=parent)


def put_name(
    make: Callable[[bytes], None], name: bytes, *, parent: int, overwrite: bool, path: RelPath
) -> None:
    """Makes a name with `make`, which must not replace anything; replaces only by a rename.

    Raises:
        DestinationExists: the name is taken, and `overwrite` is false.
        OSError: it cannot be made.
    """
    try:
        make(name)
        return
    except FileExistsError as err:
        if not overwrite:
            raise DestinationExists(
                f"{shown(path)} appeared in the target meanwhile",
                hint="restore to another directory, or allow to overwrite",
            ) from err
    other = aside_name()
    make(other)
    try:
        os.replace(other, name, src_dir_fd=parent, dst_dir_fd=parent)
    finally:
        unlink_if_there(other, parent=parent)  # a rename onto another name of itself does nothing
