"""Opens below a directory descriptor, one component at a time, and never follows a link.

The only module of a local library that opens by name. A path is walked anew from a descriptor
that is held, so nothing that is planted or swapped below it can lead out of it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.model.names import MAX_PATH_BYTES, RelPath, is_component, parts_of, rel_path

OWN_DIRECTORY_MODE = 0o700
OWN_FILE_MODE = 0o600

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def open_directory(name: bytes, *, parent: int) -> int:
    """Opens a directory by one component; a link raises `OSError` (ELOOP or ENOTDIR)."""
    return os.open(name, _DIRECTORY, dir_fd=parent)


@contextmanager
def directory(name: bytes, *, parent: int) -> Iterator[int]:
    """`open_directory` for a block."""
    fd = open_directory(name, parent=parent)
    try:
        yield fd
    finally:
        os.close(fd)


def open_root(path: bytes) -> int:
    """Opens the root of a library or a landing directory, the one path that an administrator names.

    Links in it are followed: they are the administrator's own.
    """
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def open_own_directory(name: bytes, *, parent: int) -> int:
    """Opens a directory that this account made, and makes it usable if its mode is in the way."""
    try:
        fd = open_directory(name, parent=parent)
    except PermissionError:
        _make_usable(name, parent)
        return open_directory(name, parent=parent)
    try:
        mode = stat.S_IMODE(os.fstat(fd).st_mode)
        if mode & OWN_DIRECTORY_MODE != OWN_DIRECTORY_MODE:
            os.fchmod(fd, mode | OWN_DIRECTORY_MODE)
    except OSError:
        os.close(fd)
        raise
    return fd


def make_directory(name: bytes, *, parent: int) -> tuple[int, bool]:
    """Opens a directory of our own, and makes it if it is not there.

    Returns:
        Its descriptor, and True when it was made: its parent is then still to be synced.
    """
    made = False
    try:
        os.mkdir(name, OWN_DIRECTORY_MODE, dir_fd=parent)
        made = True
    except FileExistsError:
        made = False
    return open_own_directory(name, parent=parent), made


def make_durable_directory(name: bytes, *, parent: int) -> int:
    """As `make_directory`, with its parent synced, also when an earlier try made it."""
    fd, _ = make_directory(name, parent=parent)
    try:
        os.fsync(parent)
    except OSError:
        os.close(fd)
        raise
    return fd


def sync_name(path: bytes) -> None:
    """Makes the name of a directory durable in the one above it, which an administrator has named.

    Where that may not be read it is left to the file system. A mount point has its name elsewhere.

    Raises:
        OSError: it cannot be synced.
    """
    path = os.path.realpath(path)
    try:
        above = open_root(os.path.dirname(path))
    except PermissionError:
        return
    try:
        if os.stat(path).st_dev == os.fstat(above).st_dev:
            os.fsync(above)
    finally:
        os.close(above)


def open_for_reading(name: bytes, *, parent: int) -> int:
    """Opens a regular file; never waits for a FIFO, never follows a link, leaves its access time.

    Raises:
        OSError: it cannot be opened, or is not a regular file (EINVAL).
    """
    return open_and_look(name, parent=parent)[0]


def open_and_look(name: bytes, *, parent: int) -> tuple[int, os.stat_result]:
    """`open_for_reading`, with what was found of the file."""
    fd = open_to_read(name, parent)
    return fd, _regular(fd)


def open_to_read(name: bytes, parent: int) -> int:
    """`open_for_reading` without a look at what it is: for who looks at it later, `require_regular`."""
    try:
        return os.open(name, _READ | os.O_NOATIME, dir_fd=parent)
    except PermissionError:  # the access time may be left by the owner alone
        return os.open(name, _READ, dir_fd=parent)


def open_own_file(name: bytes, *, parent: int, write: bool) -> int:
    """Opens a regular file that this account made, and makes it usable if its mode is in the way."""
    flags = _WRITE if write else _READ
    try:
        fd = os.open(name, flags, dir_fd=parent)
    except PermissionError:
        _make_usable(name, parent)
        fd = os.open(name, flags, dir_fd=parent)
    _regular(fd)
    return fd


def create_file(name: bytes, *, parent: int, mode: int = OWN_FILE_MODE) -> int:
    """Creates a file that was not there, for reading and writing.

    Args:
        mode: that it gets, less the umask; by default nobody but this account may use it.
    """
    return os.open(name, _CREATE, mode, dir_fd=parent)


def exists(name: bytes, *, parent: int) -> bool:
    """True when something, even a dangling link, has this name."""
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def is_at(name: bytes, fd: int, *, parent: int) -> bool:
    """True while `name` is still the file or directory that `fd` holds."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    held = os.fstat(fd)
    return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)


def unlink_if_there(name: bytes, *, parent: int) -> None:
    """Unlinks a file; none is fine."""
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return


def names_in(fd: int) -> list[bytes]:
    """Names in a directory, sorted."""
    return sorted(os.fsencode(name) for name in os.listdir(fd))


def write_all(fd: int, data: bytes | memoryview, offset: int) -> None:
    """Writes all of `data` at `offset`; loops on short writes.

    Raises:
        OSError: a write failed, or wrote nothing.
    """
    done = os.pwrite(fd, data, offset) if data else 0
    if done == len(data):  # as nearly always, and a view of it takes as long as the call
        return
    view, offset = memoryview(data)[done:], offset + done
    while view:
        written = os.pwrite(fd, view, offset)
        if written <= 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        view = view[written:]
        offset += written


def remove_tree(name: bytes, *, parent: int) -> None:
    """Removes a file or a tree of our own; follows no link, leaves no file system, none is fine.

    Raises:
        OSError: something cannot be removed (EXDEV: another file system is mounted in it).
    """
    try:
        os.unlink(name, dir_fd=parent)
        return
    except FileNotFoundError:
        return
    except OSError as err:
        if err.errno not in (errno.EISDIR, errno.EPERM):
            raise
    try:
        fd = open_own_directory(name, parent=parent)
    except FileNotFoundError:
        return
    try:
        if os.fstat(fd).st_dev != os.fstat(parent).st_dev:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        for child in names_in(fd):
            remove_tree(child, parent=fd)
    finally:
        os.close(fd)
    try:
        os.rmdir(name, dir_fd=parent)
    except FileNotFoundError:  # another sweep was faster
        return


class Parents:
    """Opens the directories that files lie in, and keeps the last one open: neighbours come together.

    Not thread-safe: each user has its own.

    Args:
        root: descriptor of the directory that the paths start from; stays the caller's.
        make: makes what is missing, as directories of our own.
        made: is told each directory (its path, empty for the root) that got a new name in it.
        is_still: nobody makes anything meanwhile: a directory that is missing is not looked for
            again for its next entry.
    """

    def __init__(
        self,
        root: int,
        *,
        make: bool = False,
        made: Callable[[bytes], None] | None = None,
        is_still: bool = False,
    ) -> None:
        self._root = root
        self._make = make
        self._made = made
        self._is_still = is_still
        self._missing: bytes | None = None
        self._path: bytes | None = None
        self._fd = -1

    def __enter__(self) -> Parents:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def of(self, path: RelPath) -> tuple[int, bytes]:
        """The descriptor of the directory that `path` lies in, and its last component.

        The descriptor is good until the next call.

        Raises:
            UnsafeName: the path would lead out; a second look, whoever made it.
            OSError: a directory on the way cannot be opened.
        """
        directory_path, _, name = path.rpartition(b"/")
        if directory_path == self._path and len(path) <= MAX_PATH_BYTES and is_component(name):
            return self._fd, name  # the directories on the way were checked when it was opened
        directory_path, _, name = rel_path(path).rpartition(b"/")
        return self.at(directory_path), name

    def is_open(self, path: bytes) -> bool:
        """True when the directory `path` is the one that is open."""
        return self._path == path

    def lacks(self, path: RelPath) -> bool:
        """True for what lies in the directory that was looked for last and is missing."""
        return self._missing is not None and path.rpartition(b"/")[0] == self._missing

    def at(self, path: bytes) -> int:
        """The descriptor of the directory `path`, empty for the root; good until the next call."""
        if path != self._path:
            if path == self._missing:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            self.close()
            try:
                self._fd = self._walk(path)
            except FileNotFoundError:
                self._missing = path if self._is_still else None
                raise
            self._path = path
        return self._fd

    def close(self) -> None:
        """Closes what is open."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._path = -1, None

    def _walk(self, path: bytes) -> int:
        fd = os.dup(self._root)
        try:
            walked = b""
            for part in parts_of(rel_path(path)) if path else ():
                below = self._step(part, fd, walked)
                os.close(fd)
                fd = below
                walked = walked + b"/" + part if walked else part
        except OSError:
            os.close(fd)
            raise
        return fd

    def _step(self, part: bytes, parent: int, walked: bytes) -> int:
        if not self._make:
            return open_directory(part, parent=parent)
        try:
            return open_own_directory(part, parent=parent)
        except FileNotFoundError:
            pass
        fd, is_new = make_directory(part, parent=parent)
        if is_new and self._made is not None:
            self._made(walked)
        return fd


def _regular(fd: int) -> os.stat_result:
    """What an open file is; one that is not regular is closed and refused."""
    try:
        return require_regular(fd)
    except OSError:
        os.close(fd)
        raise


def require_regular(fd: int) -> os.stat_result:
    """What an open file is.

    Raises:
        OSError: it is not a regular file (EINVAL).
    """
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    return found


def _make_usable(name: bytes, parent: int) -> None:
    """Gives the owner access; by descriptor, so that a link put in its place is not followed."""
    fd = os.open(name, _LOOK, dir_fd=parent)
    try:
        found = os.fstat(fd)
        if found.st_uid != os.geteuid() or stat.S_ISLNK(found.st_mode):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        wanted = OWN_DIRECTORY_MODE if stat.S_ISDIR(found.st_mode) else OWN_FILE_MODE
        os.chmod(f"/proc/self/fd/{fd}", stat.S_IMODE(found.st_mode) | wanted)
    finally:
        os.close(fd)
