"""Reads a backup job where it lies in its landing directory; never follows, never writes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from engine.library.beneath import open_root
from engine.library.blame import on_source
from engine.library.file_handles import FileReader, identity_of
from engine.library.interface import ReadsWhole
from engine.library.shared_parents import SharedParents
from engine.model.entries import Entry, FileEntry, Identity, ManifestHeader
from engine.model.errors import LibraryOffline, SourceChanged
from engine.model.names import shown


def open_landing(path: str | bytes) -> int:
    """Opens a landing directory; the caller closes the descriptor.

    Raises:
        LibraryOffline: it is not there, or cannot be opened.
    """
    try:
        return open_root(os.fsencode(path))
    except OSError as err:
        why = (err.strerror or str(err)).lower()
        raise LibraryOffline(
            f"landing directory {shown(path)} is offline: {why}",
            hint="mount it, or correct `landing` in the site file",
        ) from err


class LandingReader(ReadsWhole):
    """A backup job where it lies; `JobReader` of landing directories. Thread-safe.

    Args:
        landing: the landing directory.
        header: of its manifest.
        entries: of its manifest, with the identities of when it was adopted.
        has_digests: whether the entries have the digests of a first copy.

    Raises:
        LibraryOffline: the landing directory is not there.
    """

    def __init__(
        self,
        landing: str | bytes,
        header: ManifestHeader,
        entries: Iterable[Entry],
        *,
        has_digests: bool,
    ) -> None:
        self._header = header
        self._entries = tuple(entries)
        self._has_digests = has_digests
        self._fd = open_landing(landing)
        self._parents = SharedParents(self._fd)

    @property
    def header(self) -> ManifestHeader:
        """See `JobReader`."""
        return self._header

    @property
    def has_digests(self) -> bool:
        """See `JobReader`."""
        return self._has_digests

    def entries(self) -> Iterator[Entry]:
        """See `JobReader`."""
        return iter(self._entries)

    def open_file(self, entry: FileEntry) -> FileReader:
        """See `JobReader`.

        Before the first copy nothing but the identity tells that the content is what was adopted,
        so all of it must agree; afterwards the digests do, and a change of mode or a new hard
        link (which change ctime) must not make a backup job bad.
        """
        with on_source("open", entry.path):
            fd, found = self._parents.open_file(entry.path)
        handle = FileReader(fd, entry.path, found)
        try:
            self._refuse_changed(entry, handle.identity)
        except SourceChanged:
            handle.close()
            raise
        return handle

    def read_each(
        self, files: Sequence[tuple[FileEntry, memoryview]]
    ) -> Iterator[FileEntry] | None:
        """See `ReadsWhole`.

        One look after the read is enough: what is then as it was adopted, change time included, was
        the same in between; where only size and time of modification must agree, there is a digest.
        """
        if not self._has_digests and any(entry.identity is None for entry, _ in files):
            return None
        return self._read_each(files)

    def _read_each(self, files: Sequence[tuple[FileEntry, memoryview]]) -> Iterator[FileEntry]:
        reads = self._parents.read_each([(entry.path, view) for entry, view in files])
        for entry, view in files:
            with on_source("read", entry.path):
                count, found = next(reads)
            if not _is_as_adopted(entry, found):
                self._refuse_changed(entry, identity_of(found))
            # Whatever its attributes say: what the buffer had before is no content.
            if count < len(view):
                raise SourceChanged(f"{shown(entry.path)} ended at byte {count} of {len(view)}")
            yield entry

    def _refuse_changed(self, entry: FileEntry, found: Identity) -> None:
        changed = _what_changed(entry, found, is_strict=not self._has_digests)
        if changed:
            raise SourceChanged(
                f"{shown(entry.path)} changed after it was adopted: {changed}",
                hint="the next scan says whether it is a new backup job",
            )

    def close(self) -> None:
        """Closes the landing directory; files that are open stay open."""
        self._parents.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _is_as_adopted(entry: FileEntry, found: os.stat_result) -> bool:
    """True where nothing at all has changed, the quick way; else `_what_changed` decides."""
    adopted = entry.identity
    return (
        adopted is not None
        and found.st_ctime_ns == adopted.ctime_ns
        and found.st_mtime_ns == adopted.mtime_ns
        and found.st_size == adopted.size == entry.size
        and found.st_ino == adopted.inode
    )


def _what_changed(entry: FileEntry, found: Identity, *, is_strict: bool) -> str:
    adopted = entry.identity
    if found.size != entry.size:
        return f"it has {found.size} bytes, {entry.size} were adopted"
    if found.mtime_ns != (adopted.mtime_ns if adopted else entry.meta.mtime_ns):
        return "it was modified"
    if not is_strict or adopted is None:
        return ""
    if found.inode != adopted.inode:
        return "another file has its name"
    return "" if found.ctime_ns == adopted.ctime_ns else "its attributes were changed"
