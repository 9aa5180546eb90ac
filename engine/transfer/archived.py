"""Reads files out of archives by their index: only the frames that hold them, each proved by its digest.

An `ArchivedJob` is a `JobReader` of what was backed up, so that a restore is the same as of any
other backup job.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.archive.index import (
    DIRECTORY,
    FILE,
    HARDLINK,
    SYMLINK,
    IndexEntry,
)
from engine.archive.index_file import IndexFile
from engine.archive.tar import Segment
from engine.model.entries import (
    DirectoryEntry,
    Entry,
    FileEntry,
    HardlinkEntry,
    ManifestHeader,
    Metadata,
    SymlinkEntry,
)
from engine.model.errors import AuxError, SourceRead
from engine.model.names import RelPath
from engine.transfer.archive_frames import Archive


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFile(FileEntry):
    """A file, and where its bytes are."""

    job: int
    at: int
    """Of its data in the tar stream of that job."""
    segments: tuple[Segment, ...] | None = None


class ArchivedJob:
    """`JobReader` of the files of a backup as they were at its time.

    Args:
        header: of the backup job.
        index: its index; closed with this.
        archives: of every backup job that holds bytes of it; closed with this.
        listed: what `entries` gives, where somebody has read the whole index already.
    """

    def __init__(
        self,
        header: ManifestHeader,
        index: IndexFile,
        archives: Mapping[int, Archive],
        listed: Sequence[Entry] | None = None,
    ) -> None:
        self._header = header
        self._index = index
        self._archives = archives
        self._listed = listed

    @property
    def header(self) -> ManifestHeader:
        """See `JobReader`."""
        return self._header

    @property
    def has_digests(self) -> bool:
        """Every frame is compared with its digest."""
        return True

    def entries(self) -> Iterator[Entry]:
        """See `JobReader`; what is no file, directory or link is left out."""
        if self._listed is not None:
            yield from self._listed
            return
        for entry in self._index.entries():
            found = restorable(entry)
            if found is not None:
                yield found

    def why_locked(self, holders: Iterable[int]) -> AuxError | None:
        """Why no copy can give the archive of one of these backup jobs, for want of a key."""
        archives = (self._archives[job] for job in sorted(holders) if job in self._archives)
        return next(filter(None, (archive.why_locked() for archive in archives)), None)

    def open_file(self, entry: FileEntry) -> ArchivedHandle:
        """See `JobReader`; takes what `entries` gave.

        Raises:
            SourceRead: no copy has the backup job that holds it.
        """
        if not isinstance(entry, ArchivedFile):
            raise TypeError("only what this reader has listed can be opened")
        return ArchivedHandle(self._archive_of(entry), entry)

    def _archive_of(self, entry: ArchivedFile) -> Archive:
        archive = self._archives.get(entry.job)
        if archive is None:
            raise SourceRead(f"no copy can give backup job {entry.job}, which holds this file")
        return archive

    def fill(self, entry: FileEntry, view: memoryview) -> None:
        """See `ProvingReader`."""
        if isinstance(entry, ArchivedFile) and entry.segments is None and entry.size:
            self._archive_of(entry).read_into(view, entry.at)
        elif entry.size:
            self.open_file(entry).read_into(view, 0)

    def close(self) -> None:
        """See `JobReader`."""
        self._index.close()
        for archive in self._archives.values():
            archive.close()


class ArchivedHandle:
    """`ReadHandle` of one file in an archive; the holes of a sparse one read as zeros."""

    def __init__(self, archive: Archive, entry: ArchivedFile) -> None:
        self._archive = archive
        self._entry = entry
        self._segments = entry.segments if entry.segments is not None else ((0, entry.size),)
        self._starts = [offset for offset, _ in self._segments]
        self._stored = [0]
        for _, length in self._segments:
            self._stored.append(self._stored[-1] + length)

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """See `ReadHandle`."""
        count = max(0, min(len(buffer), self._entry.size - offset))
        done = 0
        while done < count:
            done += self._some(buffer[done:count], offset + done)
        return count

    def _some(self, view: memoryview, offset: int) -> int:
        number = bisect_right(self._starts, offset) - 1
        if number >= 0:
            start, length = self._segments[number]
            left = start + length - offset
            if left > 0:
                some = min(left, len(view))
                at = self._entry.at + self._stored[number] + offset - start
                self._archive.read_into(view[:some], at)
                return some
        following = (
            self._starts[number + 1] if number + 1 < len(self._starts) else offset + len(view)
        )
        some = min(following - offset, len(view))
        view[:some] = bytes(some)
        return some

    def unchanged(self) -> bool:
        """What is published never changes."""
        return True

    def fileno(self) -> None:
        """There is no descriptor of it."""
        return

    def close(self) -> None:
        """Nothing of it is open."""


def metadata_of(entry: IndexEntry) -> Metadata:
    """What is kept of an entry besides its bytes."""
    return Metadata(
        mode=entry.mode,
        mtime_ns=entry.mtime_ns,
        uid=entry.uid,
        gid=entry.gid,
        xattrs=entry.xattrs,
    )


def restorable(entry: IndexEntry) -> Entry | None:
    """A file, directory or link as a restore takes it; None for all else."""
    path = RelPath(entry.path)
    if entry.kind == FILE:
        return ArchivedFile(
            path=path,
            size=entry.size,
            meta=metadata_of(entry),
            sparse=entry.segments is not None,
            job=entry.job,
            at=entry.at,
            segments=entry.segments,
        )
    if entry.kind == DIRECTORY:
        return DirectoryEntry(path=path, meta=metadata_of(entry))
    if entry.kind == SYMLINK:
        return SymlinkEntry(path=path, target=entry.to, meta=metadata_of(entry))
    if entry.kind == HARDLINK:
        return HardlinkEntry(path=path, to=RelPath(entry.to))
    return None
