"""Walks one entry of a landing directory and says what a backup job of it would consist of.

Reads names and attributes only; follows no link, leaves no file system, writes nothing. A listing
that fails is an error, never an empty directory.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from blake3 import blake3

from engine.library.beneath import directory, names_in
from engine.library.blame import source_error
from engine.library.file_handles import HOLE_BYTES, identity_of
from engine.model.entries import (
    DirectoryEntry,
    Entry,
    FileEntry,
    HardlinkEntry,
    Metadata,
    SymlinkEntry,
)
from engine.model.errors import SourceChanged, UnsafeName
from engine.model.names import (
    MAX_COMPONENT_BYTES,
    MAX_DEPTH,
    MAX_PATH_BYTES,
    RelPath,
    rel_path,
    shown,
)

CANNOT_BE_COPIED = " cannot be copied"
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
}
_LOOKS_AT_ONCE = 512  # entries whose looks are hashed in one call
_XATTRS = ("user.", "security.capability", "system.posix_acl_")  # what is about the file itself
_NO_XATTRS = frozenset({errno.EOPNOTSUPP, errno.ENODATA, errno.EACCES, errno.EPERM})


@dataclass(frozen=True, slots=True)
class Left:
    """Something that lies in an entry and is not content: the backup job is without it, and says so."""

    path: bytes
    reason: str


@dataclass(slots=True, kw_only=True)
class Walk:
    """What an entry consists of."""

    entries: list[Entry] = field(default_factory=list)
    """In the order of a manifest; files with identities, without chunks."""
    left: list[Left] = field(default_factory=list)
    newest_change_ns: int = 0
    """Newest modification or attribute change of anything in it, since the epoch."""
    size_bytes: int = 0
    files: int = 0


def walk_entry(landing_fd: int, name: bytes) -> Walk:
    """Walks a file or a directory tree below a landing directory.

    Args:
        landing_fd: descriptor of the landing directory.
        name: one name in it.

    Raises:
        SourceRead: something of it cannot be listed or looked at.
        SourceChanged: it goes away while it is walked.
        UnsafeName: the name is none of a directory entry, or something lies so deep in it that it
            could not be kept: a backup job without it would be taken for whole.
    """
    walker = _Walker(os.fstat(landing_fd).st_dev)
    walker.visit(landing_fd, name, rel_path(name))
    return walker.walk  # a directory before its children, and those sorted: that is `entry_order`


def fingerprint(entries: Iterable[Entry]) -> str:
    """What the content of a backup job looks like from outside: names, sizes, times, link targets.

    Not modes, owners or inodes: a change of those alone changes no backup job.
    """
    digest = blake3()
    looks = map(_look_of, entries)
    while some := b"".join(islice(looks, _LOOKS_AT_ONCE)):
        digest.update(some)
    return digest.hexdigest()


def _look_of(entry: Entry) -> bytes:
    """What a fingerprint takes of an entry; never empty, and no two can be taken for one."""
    path = entry.path
    match entry:
        case FileEntry():
            return b"%d:%bf%d,%d;" % (len(path), path, entry.size, entry.meta.mtime_ns)
        case DirectoryEntry():
            return b"%d:%bd;" % (len(path), path)
        case SymlinkEntry():
            return b"%d:%bs%d:%b;" % (len(path), path, len(entry.target), entry.target)
        case HardlinkEntry():
            return b"%d:%bh%d:%b;" % (len(path), path, len(entry.to), entry.to)


class _Walker:
    """One walk; recursion is bounded by the depth that a `RelPath` may have."""

    def __init__(self, device: int) -> None:
        self.walk = Walk()
        self._device = device
        self._first_names: dict[tuple[int, int], RelPath] = {}

    def visit(self, parent: int, name: bytes, path: RelPath) -> None:
        """Takes one name; the children of a directory after it, sorted."""
        try:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            kind = stat.S_IFMT(found.st_mode)
            if found.st_dev != self._device:
                self._leave(path, "another file system is mounted there")
                return
            change = max(found.st_mtime_ns, found.st_ctime_ns)
            self.walk.newest_change_ns = max(self.walk.newest_change_ns, change)
            if kind == stat.S_IFREG:
                self._take_file(parent, name, path, found)
            elif kind == stat.S_IFDIR:
                self._take_directory(parent, name, path, found)
            elif kind == stat.S_IFLNK:
                self._take_link(parent, name, path, found)
            else:
                self._leave(path, f"{_KINDS.get(kind, 'a special file')}{CANNOT_BE_COPIED}")
        except FileNotFoundError as err:
            raise SourceChanged(
                f"{shown(path)} went away while it was looked at",
                hint="it is looked at again by the next scan",
            ) from err
        except OSError as err:
            raise source_error(err, "look at", path) from err

    def _take_file(self, parent: int, name: bytes, path: RelPath, found: os.stat_result) -> None:
        self.walk.files += 1
        inode = (found.st_dev, found.st_ino)
        if found.st_nlink > 1:
            first = self._first_names.setdefault(inode, path)
            if first != path:
                self.walk.entries.append(HardlinkEntry(path=path, to=first))
                return
        self.walk.size_bytes += found.st_size
        self.walk.entries.append(
            FileEntry(
                path=path,
                size=found.st_size,
                meta=_metadata(parent, name, found),
                sparse=found.st_blocks * 512 + HOLE_BYTES <= found.st_size,
                identity=identity_of(found),
            )
        )

    def _take_directory(
        self, parent: int, name: bytes, path: RelPath, found: os.stat_result
    ) -> None:
        meta = _metadata(parent, name, found)
        self.walk.entries.append(DirectoryEntry(path=path, meta=meta))
        with directory(name, parent=parent) as fd:
            for child in names_in(fd):
                self.visit(fd, child, _path_of_child(path, child))

    def _take_link(self, parent: int, name: bytes, path: RelPath, found: os.stat_result) -> None:
        target = os.readlink(name, dir_fd=parent)
        meta = Metadata(
            mode=stat.S_IMODE(found.st_mode),
            mtime_ns=found.st_mtime_ns,
            uid=found.st_uid,
            gid=found.st_gid,
        )
        self.walk.entries.append(SymlinkEntry(path=path, target=target, meta=meta))

    def _leave(self, path: bytes, reason: str) -> None:
        self.walk.left.append(Left(path, reason))


def _path_of_child(parent: RelPath, child: bytes) -> RelPath:
    path = parent + b"/" + child
    if len(path) <= MAX_COMPONENT_BYTES and path.count(b"/") < MAX_DEPTH:
        return RelPath(path)  # the kernel lists no slash, NUL or dots, and no part can be too long
    try:
        return rel_path(path)
    except UnsafeName as err:
        raise UnsafeName(
            f"not adopted, as it could not be kept whole: {shown(path[:80])}... is "
            f"{len(path)} bytes long and {path.count(b'/') + 1} levels deep; "
            f"{MAX_PATH_BYTES} bytes and {MAX_DEPTH} levels can be kept",
            hint="pack it into one file, or let the landing directory begin deeper",
        ) from err


def _metadata(parent: int, name: bytes, found: os.stat_result) -> Metadata:
    return Metadata(
        mode=stat.S_IMODE(found.st_mode),
        mtime_ns=found.st_mtime_ns,
        uid=found.st_uid,
        gid=found.st_gid,
        xattrs=_xattrs(parent, name),
    )


def _xattrs(parent: int, name: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Extended attributes that belong to the content; none where the file system has none."""
    path = b"/proc/self/fd/%d/%b" % (parent, name)
    try:
        names = os.listxattr(path, follow_symlinks=False)
        if not names:  # as nearly always
            return ()
        return tuple(
            (os.fsencode(key), os.getxattr(path, key, follow_symlinks=False))
            for key in sorted(names)
            if key.startswith(_XATTRS)
        )
    except OSError as err:
        if err.errno not in _NO_XATTRS:
            raise
        return ()
