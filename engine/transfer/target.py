"""The directory that a restore writes below. The one place that names anything there.

Every path is walked from the target's descriptor and no link is followed, so nothing that a
manifest says or that is planted in the target leads out of it.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Sequence, Sized
from typing import NamedTuple

from engine.library.beneath import Parents, open_root, sync_name, write_all
from engine.library.blame import Blamed, destination_error
from engine.library.file_handles import write_range
from engine.library.metadata import (
    Born,
    apply_link_metadata,
    apply_metadata,
    apply_node_metadata,
)
from engine.library.mounts import has_mounts_below
from engine.library.syscalls import has_honest_syncfs, sync_file_system
from engine.model.entries import (
    DirectoryEntry,
    Entry,
    FileEntry,
    HardlinkEntry,
    Metadata,
    SymlinkEntry,
)
from engine.model.errors import (
    DestinationExists,
    DestinationFull,
    DestinationWrite,
    LibraryOffline,
    StorageError,
)
from engine.model.names import RelPath, shown
from engine.transfer.aside import Aside, put_name

TARGET_MODE = 0o700  # of a target that is made: backups are nobody else's business
MTIME_STEP_NS = 2_000_000_000  # the coarsest that a file system keeps
SYNC_ALL_FROM = 8  # from so many files on, one sync of the file system is cheaper

_GO_ON = "then `auxtui job resubmit` the restore: it goes on"

Warner = Callable[[str], None]


def target_error(err: OSError, doing: str, where: bytes | str) -> StorageError:
    """`destination_error` of a target, which is no library: nothing goes on there by itself."""
    error = destination_error(err, doing, where)
    if isinstance(error, DestinationFull):
        return DestinationFull(error.message, hint=f"make room in the target, {_GO_ON}")
    if isinstance(error, LibraryOffline):
        return DestinationWrite(error.message, hint=f"connect or mount the target again, {_GO_ON}")
    return error


def on_target(doing: str, where: bytes | str) -> Blamed:
    """Raises every `OSError` of the block as `target_error`."""
    return Blamed(target_error, doing, where)


class SmallFile(NamedTuple):
    """A file that is written in one go."""

    entry: FileEntry
    path: RelPath
    """Its name in the target; another one when a hard link stands in for it."""
    content: memoryview


class RestoredFile:
    """A file of the target that has no name yet.

    Args:
        entry: as the manifest has it.
        path: its name in the target; another one when a hard link stands in for it.
        aside: the file itself.
    """

    __slots__ = ("aside", "entry", "path")

    def __init__(self, entry: FileEntry, path: RelPath, aside: Aside) -> None:
        self.entry = entry
        self.path = path
        self.aside = aside

    def write(self, view: memoryview, offset: int) -> None:
        """A sink of a flow."""
        with on_target("write", self.path):
            write_range(self.aside.fd, view, offset, sparse=self.entry.sparse)


def _missing(path: bytes) -> list[bytes]:
    """The directories on the way to a path that are not there yet, the deepest first."""
    found, at = [], os.path.abspath(path)
    while not os.path.lexists(at):
        found.append(at)
        at = os.path.dirname(at)
    return found


class RestoreTarget:
    """A target directory; thread-safe. Every call raises the error of a destination that failed.

    Args:
        path: made if it is not there.
        overwrite: existing files and links are replaced; directories never are.
        goes_on: so are those that look as an earlier try of this restore has made them.
    """

    def __init__(self, path: bytes, *, overwrite: bool, goes_on: bool = False) -> None:
        self.warnings: list[str] = []
        self._path = path
        self._overwrite = overwrite
        self._goes_on = goes_on
        self._replaces = overwrite or goes_on
        self._lock = threading.Lock()
        self._short_calls = threading.Lock()
        self._renamed_in: set[bytes] = set()
        with on_target("open", path):
            self._made = _missing(path)
            os.makedirs(path, TARGET_MODE, exist_ok=True)
            self._root = open_root(path)
        self._is_synced_as_one = has_honest_syncfs(self._root) and not has_mounts_below(self._root)

    def close(self) -> None:
        """Closes the target; directories on the way to it that this made and left empty go again."""
        os.close(self._root)
        for made in self._made:
            try:
                os.rmdir(made)
            except OSError:
                break  # something is in it, which is the rule; or somebody else has removed it

    def parents(self) -> Parents:
        """For `is_free`, of one thread; makes nothing."""
        return Parents(self._root, is_still=True)

    def is_free(self, entry: Entry, parents: Parents, *, overwriting: bool = False) -> bool:
        """False when something is in the way of an entry.

        Args:
            entry: what is to be made.
            parents: see `parents`.
            overwriting: as it were if files and links were replaced.
        """
        if parents.lacks(entry.path):
            return True
        with on_target("look at", entry.path):
            try:
                parent, name = parents.of(entry.path)
                found = os.stat(name, dir_fd=parent, follow_symlinks=False)
                if self._goes_on and _may_be_ours(entry, found, name, parent):
                    return True
            except FileNotFoundError:
                return True
            except OSError as err:
                if err.errno in (errno.ELOOP, errno.ENOTDIR):
                    return False
                raise
        if isinstance(entry, DirectoryEntry):
            return stat.S_ISDIR(found.st_mode)
        return (self._overwrite or overwriting) and not stat.S_ISDIR(found.st_mode)

    def new_file(self, entry: FileEntry, path: RelPath) -> RestoredFile:
        """A file without a name yet, in the directory where it will have one.

        Args:
            entry: as the manifest has it.
            path: its name in the target.
        """
        with on_target("create", path), self.making() as parents:
            return RestoredFile(entry, path, Aside(parents.of(path)[0], entry.meta.mode))

    def keep(self, file: RestoredFile) -> None:
        """Metadata, a sync, then the name. What cannot be kept is gone."""
        unnamed = [file]
        try:
            with on_target("restore", file.path):
                os.ftruncate(file.aside.fd, file.entry.size)
                apply_metadata(file.aside.fd, file.entry.meta, warn=self._warner(file.path))
            self._sync(unnamed)
            self._name(unnamed)
        finally:
            self._drop_all(unnamed)

    def keep_as(self, file: RestoredFile, path: RelPath) -> None:
        """As `keep`, under another name in the same directory."""
        file.path = path
        self.keep(file)

    def keep_small(self, files: Sequence[SmallFile]) -> None:
        """Makes files with all that is in them, one sync for all, then the names.

        As many files are open at once. What cannot be kept is gone.
        """
        unnamed: list[RestoredFile] = []
        try:
            # One thread at a time makes and names, which is many short calls: two would wait for each
            # other at every one of them. The sync, which takes as long as all of these, is not held.
            with self._short_calls:
                self._make(files, unnamed)
            self._sync(unnamed)
            with self._short_calls:
                self._name(unnamed)
        finally:
            self._drop_all(unnamed)

    def _make(self, files: Sequence[SmallFile], made: list[RestoredFile]) -> None:
        born = Born()
        path = RelPath(b"")
        try:
            with self.making() as parents:
                for entry, path, content in files:
                    parent, _ = parents.of(path)
                    aside = Aside(parent, entry.meta.mode)
                    made.append(RestoredFile(entry, path, aside))
                    if entry.sparse:
                        write_range(aside.fd, content, 0, sparse=True)
                        os.ftruncate(aside.fd, entry.size)
                    else:
                        write_all(aside.fd, content, 0)
                    found = born.look(aside.fd, path.rpartition(b"/")[0], entry.meta.mode)
                    apply_metadata(aside.fd, entry.meta, warn=self._warner(path), found=found)
        except OSError as err:
            raise target_error(err, "restore", path) from err

    def _name(self, unnamed: list[RestoredFile]) -> None:
        """Names files in their order; those that got no name stay in the list."""
        unnamed.reverse()
        path = RelPath(b"")
        directory: bytes | None = None
        try:
            with self.making() as parents:
                while unnamed:
                    file = unnamed.pop()
                    path = file.path
                    parent, name = parents.of(path)
                    file.aside.keep(name, parent=parent, overwrite=self._replaces, path=path)
                    above = path[: -len(name) - 1]
                    if above != directory:
                        self._note_directory(above)
                        directory = above
        except OSError as err:
            raise target_error(err, "restore", path) from err

    def _drop_all(self, unnamed: Sequence[RestoredFile]) -> None:
        for file in unnamed:
            self.drop(file)

    def drop(self, file: RestoredFile) -> None:
        """Lets a file go that shall not be kept."""
        with on_target("drop", file.path), self.making() as parents:
            file.aside.drop(parent=parents.of(file.path)[0])

    def make_symlink(self, entry: SymlinkEntry) -> None:
        """A symbolic link, whatever it points to."""
        with on_target("restore", entry.path), self.making() as parents:
            parent, name = parents.of(entry.path)
            put_name(
                lambda new: os.symlink(entry.target, new, dir_fd=parent),
                name,
                parent=parent,
                overwrite=self._replaces,
                path=entry.path,
            )
            apply_link_metadata(name, entry.meta, parent=parent, warn=self._warner(entry.path))
        self._note(entry.path)

    def make_hardlink(self, path: RelPath, to: RelPath) -> None:
        """A further name of a file that was restored."""
        with (
            on_target("restore", path),
            self.making() as parents,
            Parents(self._root) as others,
        ):
            parent, name = parents.of(path)
            to_parent, to_name = others.of(to)
            put_name(
                lambda new: os.link(
                    to_name, new, src_dir_fd=to_parent, dst_dir_fd=parent, follow_symlinks=False
                ),
                name,
                parent=parent,
                overwrite=self._replaces,
                path=path,
            )
        self._note(path)

    def make_node(self, path: RelPath, kind: int, device: tuple[int, int], meta: Metadata) -> None:
        """A named pipe, or a device where this account may make one; else a warning.

        Args:
            kind: `stat.S_IFIFO`, `S_IFCHR` or `S_IFBLK`.
            device: major and minor number.
        """
        warn = self._warner(path)
        try:
            with on_target("restore", path), self.making() as parents:
                parent, name = parents.of(path)
                put_name(
                    lambda new: os.mknod(new, kind | 0o600, os.makedev(*device), dir_fd=parent),
                    name,
                    parent=parent,
                    overwrite=self._replaces,
                    path=path,
                )
                apply_node_metadata(name, meta, parent=parent, warn=warn)
        except (DestinationExists, DestinationWrite) as err:
            warn(f"is not made: {err.message}")
            return
        self._note(path)

    def make_directory(self, path: RelPath) -> None:
        """A directory and those above it; its metadata comes at the end."""
        with on_target("create", path), self.making() as parents:
            parents.at(path)

    def finish(self, directories: Sequence[DirectoryEntry]) -> None:
        """Sets the metadata of directories, which writing into them changed, and syncs names.

        Args:
            directories: parents before children.
        """
        self._sync_directories()
        at_once = self._syncs_at_once(directories)
        with Parents(self._root) as parents:
            for entry in reversed(directories):
                with on_target("restore", entry.path):
                    fd = parents.at(entry.path)
                    apply_metadata(fd, entry.meta, warn=self._warner(entry.path))
                    if not at_once:
                        os.fsync(fd)
        if at_once:
            with on_target("sync", "the target"):
                sync_file_system(self._root)
        with on_target("sync", "the target"):
            os.fsync(self._root)
            for made in self._made or [self._path]:  # by an earlier try, perhaps
                sync_name(made)

    def making(self) -> Parents:
        """Opens directories of the target, and makes those that are missing; of one thread."""
        return Parents(self._root, make=True, made=self._note_directory)

    def _note(self, path: RelPath) -> None:
        self._note_directory(path.rpartition(b"/")[0])

    def _note_directory(self, path: bytes) -> None:
        with self._lock:
            self._renamed_in.add(path)

    def _warner(self, path: RelPath) -> Warner:
        def warn(what: str) -> None:
            with self._lock:
                self.warnings.append(f"{shown(path)}: {what}")

        return warn

    def _syncs_at_once(self, those: Sized) -> bool:
        return self._is_synced_as_one and len(those) >= SYNC_ALL_FROM

    def _sync(self, files: Sequence[RestoredFile]) -> None:
        if self._syncs_at_once(files):
            with on_target("sync", "the target"):
                sync_file_system(self._root)
            return
        for file in files:
            with on_target("sync", file.path):
                os.fsync(file.aside.fd)

    def _sync_directories(self) -> None:
        if self._syncs_at_once(self._renamed_in):
            with on_target("sync", "the target"):
                sync_file_system(self._root)
            return
        with Parents(self._root) as parents:
            for path in sorted(self._renamed_in):
                with on_target("sync", path):
                    os.fsync(parents.at(path))


def _may_be_ours(entry: Entry, found: os.stat_result, name: bytes, parent: int) -> bool:
    """True for what looks exactly as a restore makes it; it is read and made again all the same."""
    match entry:
        case FileEntry():
            is_as_old = abs(found.st_mtime_ns - entry.meta.mtime_ns) < MTIME_STEP_NS
            return stat.S_ISREG(found.st_mode) and found.st_size == entry.size and is_as_old
        case SymlinkEntry():
            is_link = stat.S_ISLNK(found.st_mode)
            return is_link and os.readlink(name, dir_fd=parent) == entry.target
        case HardlinkEntry():
            return stat.S_ISREG(found.st_mode) and found.st_nlink > 1
        case DirectoryEntry():
            return stat.S_ISDIR(found.st_mode)
