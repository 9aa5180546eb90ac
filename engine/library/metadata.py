"""Sets what is kept of a file besides its bytes, by descriptor; what a file system lacks is noted.

Also for a restore: order matters (an owner's change clears set-user-id bits, a write the times).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from engine.model.entries import Metadata
from engine.model.names import shown

_LACKING = frozenset({errno.EOPNOTSUPP, errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSYS})
_SET_ID_BITS = 0o6000


def apply_metadata(
    fd: int,
    meta: Metadata,
    *,
    warn: Callable[[str], None],
    found: os.stat_result | None = None,
) -> None:
    """Owner (when root), extended attributes, mode and modification time of a file or directory.

    Args:
        warn: is told what this file system cannot hold; a manifest still has it.
        found: owner and mode that it has, where they are known.

    Raises:
        OSError: something else failed, e.g. the device.
    """
    found = found or os.fstat(fd)
    is_owned = (found.st_uid, found.st_gid) == (meta.uid, meta.gid)
    if not is_owned and os.geteuid() == 0:
        _try("owner", warn, os.fchown, fd, meta.uid, meta.gid)
    for name, value in meta.xattrs:
        _try(f"extended attribute {shown(name)}", warn, os.setxattr, fd, name, value)
    if meta.xattrs or not is_owned:  # both may have changed the mode
        found = os.fstat(fd)
        is_owned = (found.st_uid, found.st_gid) == (meta.uid, meta.gid)
    mode = meta.mode if is_owned else meta.mode & ~_SET_ID_BITS  # no rights of somebody else
    if stat.S_IMODE(found.st_mode) != mode:
        _try("mode", warn, os.fchmod, fd, mode)
    os.utime(fd, ns=(meta.mtime_ns, meta.mtime_ns))


class Born:
    """What files are like when they are made: one look for all that are made alike, side by side."""

    def __init__(self) -> None:
        self._directory: bytes | None = None
        self._found: dict[int, os.stat_result] = {}

    def look(self, fd: int, directory: bytes, mode: int) -> os.stat_result:
        """What a new file is like that was made in a directory with a mode, before it was changed.

        Args:
            fd: the file.
            directory: path of the directory; a descriptor would not do, as the next one may have
                the same number.
            mode: that it was made with.
        """
        if directory != self._directory:
            self._directory = directory
            self._found.clear()
        found = self._found.get(mode)
        if found is None:
            found = self._found[mode] = os.fstat(fd)
        return found


def preset_metadata(fd: int, meta: Metadata, *, found: os.stat_result, is_root: bool) -> None:
    """Sets what needs no thought while the file is open anyway; the publication sets what is missing.

    Args:
        meta: simple, see `is_simple`.
        found: owner and mode that it has.
        is_root: whether owners can be set.
    """
    try:
        if is_root and (found.st_uid, found.st_gid) != (meta.uid, meta.gid):
            os.fchown(fd, meta.uid, meta.gid)
        if stat.S_IMODE(found.st_mode) != meta.mode:
            os.fchmod(fd, meta.mode)
        os.utime(fd, ns=(meta.mtime_ns, meta.mtime_ns))
    except OSError:  # what is not kept is seen, tried again and told at the publication
        return


def has_metadata(found: os.stat_result, meta: Metadata, *, is_root: bool) -> bool:
    """True when nothing that `apply_metadata` sets is missing; False also where it cannot be seen."""
    return (
        is_simple(meta)
        and stat.S_IMODE(found.st_mode) == meta.mode
        and found.st_mtime_ns == meta.mtime_ns
        and (not is_root or (found.st_uid, found.st_gid) == (meta.uid, meta.gid))
    )


def is_simple(meta: Metadata) -> bool:
    """No extended attributes, and no rights that depend on whose the file becomes."""
    return not meta.xattrs and not meta.mode & _SET_ID_BITS


def apply_link_metadata(
    name: bytes, meta: Metadata, *, parent: int, warn: Callable[[str], None]
) -> None:
    """Owner (when root) and modification time of a symbolic link itself.

    Raises:
        OSError: as `apply_metadata`.
    """
    if os.geteuid() == 0:
        _try("owner", warn, _own_link, name, meta, parent)
    times = (meta.mtime_ns, meta.mtime_ns)
    os.utime(name, ns=times, dir_fd=parent, follow_symlinks=False)


def apply_node_metadata(
    name: bytes, meta: Metadata, *, parent: int, warn: Callable[[str], None]
) -> None:
    """Owner (when root), mode and modification time of a pipe or device, which is not opened.

    Raises:
        OSError: as `apply_metadata`.
    """
    if os.geteuid() == 0:
        _try("owner", warn, _own_link, name, meta, parent)
    os.chmod(name, meta.mode & ~_SET_ID_BITS, dir_fd=parent)
    times = (meta.mtime_ns, meta.mtime_ns)
    os.utime(name, ns=times, dir_fd=parent, follow_symlinks=False)


def _own_link(name: bytes, meta: Metadata, parent: int) -> None:
    os.chown(name, meta.uid, meta.gid, dir_fd=parent, follow_symlinks=False)


def _try(what: str, warn: Callable[[str], None], call: Callable[..., None], *args: object) -> bool:
    try:
        call(*args)
    except OSError as err:
        if err.errno not in _LACKING:
            raise
        warn(f"its {what} cannot be kept there: {(err.strerror or '').lower()}")
        return False
    return True
