"""Reads a published job copy of a local library."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from engine.library import layout
from engine.library.beneath import Parents, open_directory, open_for_reading
from engine.library.blame import on_source
from engine.library.file_handles import FileReader
from engine.library.interface import ReadsWhole
from engine.library.manifest import is_proven, read_manifest
from engine.library.shared_parents import SharedParents
from engine.model.entries import (
    DirectoryEntry,
    Entry,
    FileEntry,
    HardlinkEntry,
    ManifestHeader,
    SymlinkEntry,
)
from engine.model.errors import ManifestError, SourceCorrupt
from engine.model.names import MAX_DEPTH, shown


class LocalJobReader(ReadsWhole):
    """A published job copy; `JobReader` of local libraries. Thread-safe.

    Args:
        job_fd: its directory; the reader closes it.
        where: for messages.
    """

    def __init__(self, job_fd: int, where: bytes) -> None:
        self._job_fd = job_fd
        self._where = where
        self._data_fd = -1
        self._header = checked_header(job_fd, where)
        with on_source("open", where):
            self._data_fd = open_directory(layout.DATA, parent=job_fd)
        self._parents = SharedParents(self._data_fd)

    @property
    def header(self) -> ManifestHeader:
        """See `JobReader`."""
        return self._header

    @property
    def has_digests(self) -> bool:
        """See `JobReader`; what is published always has them."""
        return True

    def entries(self) -> Iterator[Entry]:
        """See `JobReader`."""
        return published_entries(self._job_fd, self._where)

    def open_file(self, entry: FileEntry) -> FileReader:
        """See `JobReader`."""
        with on_source("open", entry.path):
            fd, found = self._parents.open_file(entry.path)
        handle = FileReader(fd, entry.path, found)
        try:
            self._refuse_other_size(entry, found.st_size)
        except SourceCorrupt:
            handle.close()
            raise
        return handle

    def read_each(self, files: Sequence[tuple[FileEntry, memoryview]]) -> Iterator[FileEntry]:
        """See `ReadsWhole`; whether the bytes are the right ones is told by the digests."""
        reads = self._parents.read_each([(entry.path, view) for entry, view in files])
        for entry, view in files:
            with on_source("read", entry.path):
                count, found = next(reads)
            self._refuse_other_size(entry, found.st_size if count == len(view) else count)
            yield entry

    def _refuse_other_size(self, entry: FileEntry, size: int) -> None:
        if size != entry.size:
            raise SourceCorrupt(
                f"{shown(entry.path)} in {shown(self._where)} has {size} bytes, "
                f"its manifest says {entry.size}",
                hint="verify this copy, and repair it from another one",
            )

    def check_structure(self, entry: Entry) -> None:
        """See `StructureReader`."""
        with on_source("look at", entry.path), Parents(self._data_fd) as parents:
            if isinstance(entry, DirectoryEntry):
                parents.at(entry.path)
                return
            parent, name = parents.of(entry.path)
            if isinstance(entry, SymlinkEntry):
                is_right = os.readlink(name, dir_fd=parent) == entry.target
            elif isinstance(entry, HardlinkEntry):
                found = os.stat(name, dir_fd=parent, follow_symlinks=False)
                first_parent, first = parents.of(entry.to)
                other = os.stat(first, dir_fd=first_parent, follow_symlinks=False)
                is_right = (found.st_dev, found.st_ino) == (other.st_dev, other.st_ino)
            else:
                return
        if not is_right:
            raise SourceCorrupt(
                f"{shown(entry.path)} in {shown(self._where)} is another link than its manifest says",
                hint="somebody changed it: repair this job copy from another one",
            )

    def strangers(self) -> list[bytes]:
        """See `StrangersReader`. Counted first: mostly there are none, and that takes no memory."""
        own = (layout.DATA, layout.MANIFEST)
        with on_source("list", self._where):
            count = sum(1 for _ in _paths_below(self._job_fd))
            if count == len(own) + sum(1 for _ in self.entries()):
                return []
            known = {*own, *(layout.DATA + b"/" + entry.path for entry in self.entries())}
            return sorted(path for path in _paths_below(self._job_fd) if path not in known)

    def close(self) -> None:
        """Closes the job copy; files that are open stay open."""
        self._parents.close()
        for fd in (self._data_fd, self._job_fd):
            if fd >= 0:
                os.close(fd)
        self._data_fd = self._job_fd = -1


def _paths_below(fd: int, above: bytes = b"", depth: int = 0) -> Iterator[bytes]:
    """Everything below a directory; what cannot be opened is named and not entered."""
    with os.scandir(fd) as listed:
        for one in listed:
            name = os.fsencode(one.name)
            yield above + name
            if depth < MAX_DEPTH and one.is_dir(follow_symlinks=False):
                try:
                    below = open_directory(name, parent=fd)
                except OSError:
                    continue
                try:
                    yield from _paths_below(below, above + name + b"/", depth + 1)
                finally:
                    os.close(below)


def checked_header(job_fd: int, where: bytes) -> ManifestHeader:
    """The header of a published manifest, which is checked whole before.

    Raises:
        ManifestError: it is damaged.
        SourceRead: it cannot be read.
    """
    with on_source("read the manifest of", where):
        fd = open_for_reading(layout.MANIFEST, parent=job_fd)
        with open(fd, "rb") as stream:
            try:
                return read_manifest(stream)[0]
            except ManifestError as err:
                raise _of_copy(err, where) from err


def published_entries(job_fd: int, where: bytes) -> Iterator[Entry]:
    """The entries of a published manifest, each checked as it is taken.

    Raises:
        ManifestError: it is damaged, or a file has no digests.
        SourceRead: it cannot be read.
    """
    with on_source("read the manifest of", where):
        fd = open_for_reading(layout.MANIFEST, parent=job_fd)
        with open(fd, "rb") as stream:
            try:
                for entry in read_manifest(stream)[1]:
                    if isinstance(entry, FileEntry) and not is_proven(entry):
                        raise ManifestError(f"{shown(entry.path)} has no digests")
                    yield entry
            except ManifestError as err:
                raise _of_copy(err, where) from err


def _of_copy(err: ManifestError, where: bytes) -> ManifestError:
    return ManifestError(
        f"the manifest of {shown(where)} is damaged: {err.message}",
        hint=err.hint or "verify this copy, and repair it from another one",
    )
