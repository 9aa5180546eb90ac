"""The publish protocol of a local library, in this order and no other.

1. directories, empty files, links; owner, mode, times of all, directories last and deepest first;
2. sync of every file and directory;
3. the marker, through the descriptors that are held, and the path that should lead to them;
4. manifest written aside, synced, renamed into the partial directory, that directory synced;
5. journal removed; partial directory renamed to its place, never replacing; both parents synced.

Killed between 4 and 5, the next writer finds the manifest and does 5.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from engine.library import layout
from engine.library.beneath import (
    Parents,
    create_file,
    exists,
    names_in,
    open_own_directory,
    open_own_file,
    remove_tree,
)
from engine.library.blame import on_destination
from engine.library.durable_file import write_aside
from engine.library.local_partial import PartialJob
from engine.library.manifest import TreeCheck, entry_order, write_manifest
from engine.library.metadata import apply_link_metadata, apply_metadata, has_metadata
from engine.library.syscalls import has_honest_syncfs, sync_file_system
from engine.model.entries import (
    DirectoryEntry,
    Entry,
    FileEntry,
    HardlinkEntry,
    ManifestHeader,
    SymlinkEntry,
    with_chunks,
)
from engine.model.errors import DestinationWrite
from engine.model.names import shown

SYNC_EACH_AT_MOST = 32  # entries; above it one sync of the file system is cheaper


class Publication:
    """One publication of one job copy.

    Args:
        partial: the claimed directory, with all chunks written and synced.
        warn: is told what the file system cannot keep of an entry.
    """

    def __init__(self, partial: PartialJob, *, warn: Callable[[str], None]) -> None:
        self._partial = partial
        self._warn = warn
        self._syncs_each = True

    def publish(self, header: ManifestHeader, entries: Iterable[Entry]) -> bytes:
        """Does all of it; returns the BLAKE3 of the manifest.

        Raises:
            ManifestError, DestinationError, LibraryOffline: nothing is published.
        """
        ordered = sorted(entries, key=entry_order)
        tree = TreeCheck(is_encoded=not header.encoding.is_plain)
        for entry in ordered:
            tree.add(entry)
        has_links = any(isinstance(entry, SymlinkEntry) for entry in ordered)
        is_large = len(ordered) > SYNC_EACH_AT_MOST
        self._syncs_each = not (has_honest_syncfs() and (is_large or has_links))
        with on_destination("publish", self._partial.where):
            # Its own descriptor: it reports every write-back error from here on, to nobody else.
            watch_fd = os.open(".", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._partial.data_fd)
            try:
                self._lay_out(ordered)
                if not self._syncs_each:
                    sync_file_system(watch_fd)
            finally:
                os.close(watch_fd)
            self._partial.require_in_place()
            digest = self._put_manifest(header, ordered)
            self._partial.commit()
        return digest

    def _lay_out(self, ordered: Sequence[Entry]) -> None:
        tree = _TreeOfNames()
        with Parents(self._partial.data_fd, make=True) as parents:
            for entry in ordered:
                with on_destination("publish", entry.path):
                    self._lay(entry, parents)
                for path, names in tree.add(entry):
                    self._tidy(parents.at(path), names)
            for path, names in tree.rest():
                self._tidy(parents.at(path), names)
        with Parents(self._partial.data_fd) as parents:
            for entry in reversed(ordered):
                if isinstance(entry, DirectoryEntry):
                    with on_destination("publish", entry.path):
                        self._finish_directory(entry, parents)
        os.fsync(self._partial.data_fd)

    def _lay(self, entry: Entry, parents: Parents) -> None:
        match entry:
            case FileEntry():
                self._finish_file(entry, parents)
            case DirectoryEntry():
                parents.at(entry.path)
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
        least_mode = 0 if os.geteuid() == 0 else stat.S_IRUSR
        if entry.meta.mode & least_mode != least_mode:
            return False
        try:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return (
            stat.S_ISREG(found.st_mode)
            and found.st_size == entry.size
            and has_metadata(found, entry.meta)
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

    def _tidy(self, directory: int, names: set[bytes]) -> None:
        """Removes what an earlier try left and the manifest does not have."""
        for name in names_in(directory):
            if name not in names:
                remove_tree(name, parent=directory)

    def _finish_directory(self, entry: DirectoryEntry, parents: Parents) -> None:
        parent, name = parents.of(entry.path)
        fd = open_own_directory(name, parent=parent)
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
        if os.geteuid() != 0 and meta.mode & least_mode != least_mode:
            warn(f"its mode {meta.mode:04o} is kept in the manifest alone")
            meta = replace(meta, mode=meta.mode | least_mode)
        apply_metadata(fd, meta, warn=warn)
        if self._syncs_each:
            os.fsync(fd)

    def _put_manifest(self, header: ManifestHeader, ordered: Sequence[Entry]) -> bytes:
        job_fd = self._partial.job_fd
        digests: list[bytes] = []
        entries = (_as_published(entry) for entry in ordered)
        aside = write_aside(
            layout.MANIFEST,
            lambda stream: digests.append(write_manifest(stream, header, entries)),
            parent=job_fd,
        )
        os.rename(aside, layout.MANIFEST, src_dir_fd=job_fd, dst_dir_fd=job_fd)
        os.fsync(job_fd)
        return digests[0]

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


def _as_published(entry: Entry) -> Entry:
    """An entry as the manifest on the media has it: without the inodes of its source."""
    if isinstance(entry, FileEntry) and entry.identity is not None:
        return with_chunks(entry, entry.chunks, None)
    return entry


def _clear(name: bytes, parent: int) -> None:
    """Removes the link that an earlier try made; a directory in its place is not ours."""
    if exists(name, parent=parent):
        if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        os.unlink(name, dir_fd=parent)
