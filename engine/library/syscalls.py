"""System calls that the standard library lacks, through the C library. Linux; each has a fallback.

Owns nothing but the calls: what an error means is decided by the caller.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from functools import cache

_AT_RENAME_NOREPLACE = 1
_AT_RENAME_EXCHANGE = 2
_AT_EMPTY_PATH = 0x1000
_FALLOC_FL_KEEP_SIZE = 1
_FALLOC_FL_PUNCH_HOLE = 2
_FICLONERANGE = (
    0x4020940D  # linux/fs.h; another number on a few architectures, which then refuse it
)
_CLONE_RANGE = struct.Struct("qQQQ")  # struct file_clone_range
_STATFS_BYTES = 512  # more than it has; its first member, a long, is the kind of file system
_SYNCED_AS_ONE = frozenset(
    {
        0xEF53,  # ext4, and ext3 and ext2
        0x58465342,  # XFS
        0x9123683E,  # Btrfs
        0x2FC12FC1,  # ZFS
        0x794C7630,  # overlayfs: the one below it is synced
        0x01021994,  # tmpfs: nothing of it outlives the power, however it is synced
    }
)
_UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP})
_NOT_BY_DESCRIPTOR = frozenset({errno.ENOENT, errno.EINVAL, errno.EPERM})  # what an account gets

_libc = ctypes.CDLL(None, use_errno=True)


def _raise_errno() -> None:
    code = ctypes.get_errno()
    raise OSError(code, os.strerror(code))


@cache
def _offers(name: str) -> bool:
    return hasattr(_libc, name)


def rename_new(old: bytes, new: bytes, *, old_dir: int, new_dir: int) -> None:
    """Renames without ever replacing anything.

    Where the kernel or the file system cannot promise that, the name is looked at first; the
    directories are ours alone (0700, one writer by its lock), so that nothing can come between.

    Raises:
        FileExistsError: `new` exists.
        OSError: it cannot be renamed.
    """
    if _offers("renameat2"):
        if not _libc.renameat2(old_dir, old, new_dir, new, _AT_RENAME_NOREPLACE):
            return
        if ctypes.get_errno() not in _UNSUPPORTED:
            _raise_errno()
    try:
        os.stat(new, dir_fd=new_dir, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(old, new, src_dir_fd=old_dir, dst_dir_fd=new_dir)
        return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def name_nameless(fd: int, new: bytes, *, parent: int) -> None:
    """Gives a file that was made without a name (`O_TMPFILE`) its first one; never replaces anything.

    By the descriptor itself where this account may do that (root, and everybody on newer kernels),
    else by way of `/proc`, which is a longer walk.

    Raises:
        FileExistsError: `new` exists.
        OSError: it cannot be named.
    """
    if _libc.linkat(fd, b"", parent, new, _AT_EMPTY_PATH):
        code = ctypes.get_errno()
        if code not in _NOT_BY_DESCRIPTOR:
            raise OSError(code, os.strerror(code))
        os.link(f"/proc/self/fd/{fd}", new, dst_dir_fd=parent, follow_symlinks=True)


def exchange(name: bytes, *, one_dir: int, other_dir: int) -> bool:
    """Lets two files or directories of the same name change places at once; False: not possible here.

    Raises:
        OSError: one of them is not there, or they cannot be renamed.
    """
    if not _offers("renameat2"):
        return False
    if not _libc.renameat2(one_dir, name, other_dir, name, _AT_RENAME_EXCHANGE):
        return True
    if ctypes.get_errno() not in _UNSUPPORTED:
        _raise_errno()
    return False


def has_honest_syncfs(fd: int) -> bool:
    """True where one `syncfs` makes all of the file system of `fd` durable, and tells what failed.

    FUSE answers it and asks its server for nothing, so only those are believed of which it is known.
    """
    kind = ctypes.create_string_buffer(_STATFS_BYTES)
    if not _reports_lost_writes() or _libc.fstatfs(fd, kind):
        return False
    return ctypes.c_long.from_buffer(kind).value & 0xFFFFFFFF in _SYNCED_AS_ONE


@cache
def _reports_lost_writes() -> bool:
    """True where `syncfs` exists and reports write-back errors (Linux 5.8 and later)."""
    release = os.uname().release.split(".")
    try:
        version = (int(release[0]), int(release[1].split("-")[0]))
    except (IndexError, ValueError):
        return False
    return _offers("syncfs") and version >= (5, 8)


def sync_file_system(fd: int) -> None:
    """Makes everything on the file system of `fd` durable.

    Raises:
        OSError: something written since `fd` was opened did not reach the device.
    """
    if _libc.syncfs(fd):
        _raise_errno()


def punch_hole(fd: int, offset: int, length: int) -> bool:
    """Turns a byte range into a hole that reads as zeros; False where that is not possible."""
    if not _offers("fallocate64"):
        return False
    mode = _FALLOC_FL_PUNCH_HOLE | _FALLOC_FL_KEEP_SIZE
    size = ctypes.c_int64
    if not _libc.fallocate64(fd, mode, size(offset), size(length)):
        return True
    if ctypes.get_errno() not in _UNSUPPORTED:
        _raise_errno()
    return False


def share_range(source: int, target: int, offset: int, length: int) -> bool:
    """Lets a range of `target` have the very blocks of `source`, whatever was there before.

    Needs a file system that can do it (XFS, Btrfs, bcachefs ...) and holds both files; an offset and a
    length of whole blocks, or a range to the end of both.

    Returns:
        False: it is not possible here, for whatever reason. What the range holds is unknown then.
    """
    try:
        fcntl.ioctl(target, _FICLONERANGE, _CLONE_RANGE.pack(source, offset, length, offset))
    except OSError:
        return False
    return True
