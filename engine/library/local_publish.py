"""The publish protocol of a local library, in this order and no other.

1. empty files, links; owner, mode, times of all; directories last and deepest first, made where
   nothing was written in them; in the same pass each entry is compared with what is proven, and goes
   into a manifest aside. This step may go on while others are still recorded;
2. sync of every file and directory;
3. the marker, through the descriptors that are held, and the path that should lead to them;
4. the manifest: synced, renamed into the partial directory, that directory synced;
5. journal removed; partial directory renamed to its place, never replacing; both parents synced.

Killed before 4, nothing believes the manifest aside: the next try makes it anew. Killed between 4
and 5, the next writer finds the manifest and does 5.

Entries are taken one at a time: of a job copy of a million files only the directories are held.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from engine.library import layout
from engine.library.beneath import (
    Parents,
    create_file,
    exists,
    make_directory,
    names_in,
    open_own_directory,
    open_own_file,
    remove_tree,
)
from engine.library.blame import on_destination
from engine.library.durable_file import aside, aside_name
from engine.library.local_partial import PartialJob
from engine.library.manifest import in_manifest_order, write_manifest
from engine.library.metadata import apply_link_metadata, apply_metadata, has_metadata
from engine.library.syscalls import has_honest_syncfs, sync_file_system
from engine.model.entries import (
    DirectoryEntry,
    Entry,
    FileEntry,
    HardlinkEntry,
    ManifestHeader,
    SymlinkEntry,
)
from engine.model.errors import DestinationWrite
from engine.model.names import shown

SYNC_EACH_AT_MOST = 32  # entries; above it one sync of the file system is cheaper


class Publication:
    """One publication of one job copy.

    Args:
        partial: the claimed directory, with all chunks written and synced.
        warn: is told what the file system cannot keep of an entry.
        check: raises `ManifestError` for a file that is not proven.
        last: called when the last entry is as it shall be, before the sync; may refuse to go on.
    """

    def __init__(
        self,
        partial: PartialJob,
        *,
        warn: Callable[[str], None],
        check: Callable[[FileEntry], None],
        last: Callable[[], None],
    ) -> None:
        self._partial = partial
        self._warn = warn
        self._check = check
        self._last = last
        self._syncs_each = True
        self._is_root = os.geteuid() == 0
        self._directories: list[DirectoryEntry] = []

    def publish(self, header: ManifestHeader, entries: Iterable[Entry]) -> bytes:
        """Does all of it; returns the BLAKE3 of the manifest.

        Raises:
            ManifestError, DestinationError, LibraryOffline: nothing is published.
        """
        ordered = in_manifest_order(entries)
        job_fd, data_fd = self._partial.job_fd, self._partial.data_fd
        self._syncs_each = _are_few_without_links(ordered) or not has_honest_syncfs(data_fd)
        with on_destination("publish", self._partial.where):
            # Its own descriptor: it reports every write-back error from here on, to nobody else.
            watch_fd = os.open(".", os.O_RDONLY | os.O_CLOEXEC, dir_fd=data_fd)
            try:
                with aside(layout.MANIFEST, parent=job_fd) as stream:
                    laid_out = self._laid_out(ordered)
                    digest = write_manifest(stream, header, laid_out, keeps_identity=False)
                    self._finish_directories()
                    if not self._syncs_each:
                        sync_file_system(watch_fd)
                    self._partial.require_in_place()
            finally:
                os.close(watch_fd)
            name = aside_name(layout.MANIFEST)
            os.rename(name, layout.MANIFEST, src_dir_fd=job_fd, dst_dir_fd=job_fd)
            os.fsync(job_fd)
            self._partial.commit()
        return digest

    def _laid_out(self, ordered: Iterable[Entry]) -> Iterator[Entry]:
        """Each entry once it is as it shall be; the manifest checks the tree before the next one."""
        tree = _TreeOfNames()
        with (
            Parents(self._partial.data_fd, make=True) as parents,
            Parents(self._partial.data_fd, make=True) as complete,
        ):
            for entry in ordered:
                if isinstance(entry, FileEntry):
                    self._check(entry)
                elif isinstance(entry, DirectoryEntry):
                    self._directories.append(entry)
                yield entry  # the manifest refuses it before anything is made of it
                with on_destination("publish", entry.path):
                    self._lay(entry, parents)
                for path, names in tree.add(entry):
                    self._tidy(path, names, complete)
            for path, names in tree.rest():
                self._tidy(path, names, complete)
        self._last()

    def _finish_directories(self) -> None:
        with Parents(self._partial.data_fd, make=True) as parents:
            for entry in reversed(self._directories):
                with on_destination("publish", entry.path):
                    self._finish_directory(entry, parents)
        os.fsync(self._partial.data_fd)

    def _lay(self, entry: Entry, parents: Parents) -> None:
        match entry:
            case FileEntry():
                self._finish_file(entry, parents)
            case DirectoryEntry():
                return  # made with what lies in it, or at the end: who writes syncs what it made
            case SymlinkEntry():
                self._make_link(entry, parents)
            case HardlinkEntry():
                self._make_hard_link(entry, parents)

    def _finish_file(self, entry: FileEntry, parents: Parents) -> None:
        parent, name = parents.of(entry.path)
        if not self._syncs_each and self._is_finished(entry, name, parent):
            return
        try:
            fd = open_own_file(name, parent=parent, write=False)
        except FileNotFoundError:
            if entry.size:
                raise
            fd = create_file(name, parent=parent)
        try:
            size = os.fstat(fd).st_size
            if size != entry.size:
                raise DestinationWrite(
                    f"cannot publish {shown(entry.path)}: it has {size} bytes there, "
                    f"{entry.size} were written",
                    hint="something else writes into this library: look at it",
                )
            self._mark(fd, entry, least_mode=stat.S_IRUSR)
        finally:
            os.close(fd)

    def _is_finished(self, entry: FileEntry, name: bytes, parent: int) -> bool:
        """True when a file is as it shall be already; the sync of all makes that durable."""
        least_mode = 0 if self._is_root else stat.S_IRUSR
        if entry.meta.mode & least_mode != least_mode:
            return False
        try:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return (
            stat.S_ISREG(found.st_mode)
            and found.st_size == entry.size
            and has_metadata(found, entry.meta, is_root=self._is_root)
        )

    def _make_link(self, entry: SymlinkEntry, parents: Parents) -> None:
        parent, name = parents.of(entry.path)
        _clear(name, parent)
        os.symlink(entry.target, name, dir_fd=parent)
        apply_link_metadata(name, entry.meta, parent=parent, warn=self._warner(entry))

    def _make_hard_link(self, entry: HardlinkEntry, parents: Parents) -> None:
        parent, name = parents.of(entry.path)
        _clear(name, parent)
        with Parents(self._partial.data_fd) as others:
            first_parent, first = others.of(entry.to)
            os.link(first, name, src_dir_fd=first_parent, dst_dir_fd=parent, follow_symlinks=False)

    def _tidy(self, path: bytes, names: set[bytes], parents: Parents) -> None:
        """Removes what an earlier try left in a directory and the manifest does not have."""
        if path and not exists(path, parent=self._partial.data_fd):
            return
        directory = parents.at(path)
        for name in names_in(directory):
            if name not in names:
                remove_tree(name, parent=directory)

    def _finish_directory(self, entry: DirectoryEntry, parents: Parents) -> None:
        parent, name = parents.of(entry.path)
        try:
            fd = open_own_directory(name, parent=parent)
        except FileNotFoundError:  # nothing lies in it
            fd, _ = make_directory(name, parent=parent)
        try:
            self._mark(fd, entry, least_mode=stat.S_IRUSR | stat.S_IXUSR)
        finally:
            os.close(fd)

    def _mark(self, fd: int, entry: FileEntry | DirectoryEntry, *, least_mode: int) -> None:
        """Sets what is kept besides the bytes, but never a mode that locks this account out.

        What a plain account could read by its group would be closed to it as the owner of the
        copy; the manifest has the true mode for a restore.
        """
        meta, warn = entry.meta, self._warner(entry)
        if not self._is_root and meta.mode & least_mode != least_mode:
            warn(f"its mode {meta.mode:04o} is kept in the manifest alone")
            meta = replace(meta, mode=meta.mode | least_mode)
        apply_metadata(fd, meta, warn=warn)
        if self._syncs_each:
            os.fsync(fd)

    def _warner(self, entry: Entry) -> Callable[[str], None]:
        return lambda text: self._warn(f"{shown(entry.path)}: {text}")


class _TreeOfNames:
    """Collects the names of each directory; entries come in order, so that few are open at once."""

    def __init__(self) -> None:
        self._open: list[tuple[bytes, set[bytes]]] = [(b"", set())]

    def add(self, entry: Entry) -> list[tuple[bytes, set[bytes]]]:
        """Takes an entry; returns the directories that are complete now."""
        parent, _, name = entry.path.rpartition(b"/")
        complete = []
        while self._open[-1][0] != parent and len(self._open) > 1:
            complete.append(self._open.pop())
        self._open[-1][1].add(name)
        if isinstance(entry, DirectoryEntry):
            self._open.append((entry.path, set()))
        return complete

    def rest(self) -> list[tuple[bytes, set[bytes]]]:
        """The directories that are still open."""
        return self._open[::-1]


def _are_few_without_links(ordered: Iterable[Entry]) -> bool:
    """True where a sync for each entry is cheaper than one of the file system; links have none."""
    return (
        isinstance(ordered, list)
        and len(ordered) <= SYNC_EACH_AT_MOST
        and not any(isinstance(entry, SymlinkEntry) for entry in ordered)
    )


def _clear(name: bytes, parent: int) -> None:
    """Removes the link that an earlier try made; a directory in its place is not ours."""
    if exists(name, parent=parent):
        if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        os.unlink(name, dir_fd=parent)
