"""Reads files out of archives by their index: only the frames that hold them, each proved by its digest.

An `ArchivedJob` is a `JobReader` of what was backed up, so that a restore is the same as of any
other backup job. A frame that one copy cannot give comes from the next.
"""

from __future__ import annotations

import contextlib
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import zstandard
from blake3 import blake3

from engine.archive.index import (
    DIRECTORY,
    FILE,
    HARDLINK,
    SYMLINK,
    ArchiveFrame,
    IndexEntry,
)
from engine.archive.index_file import IndexFile
from engine.archive.tar import Segment
from engine.library.interface import JobReader, ReadHandle
from engine.model.entries import (
    DirectoryEntry,
    Entry,
    FileEntry,
    HardlinkEntry,
    ManifestHeader,
    Metadata,
    SymlinkEntry,
)
from engine.model.errors import (
    AuxError,
    LibraryOffline,
    ManifestError,
    NotFoundError,
    SourceCorrupt,
    SourceError,
    SourceLocked,
    SourceRead,
)
from engine.model.names import RelPath
from engine.transfer.volumes import volume_name

KEPT_FRAMES = 8  # unpacked, of all archives together: 32 MiB
_CANNOT_GIVE = (SourceError, ManifestError, LibraryOffline, NotFoundError)

PassedOver = Callable[[str, int, AuxError], None]
"""Told that a copy could not give a frame of a backup job, and why; from any thread."""


class CopyOpener(NamedTuple):
    """A copy that has a backup job."""

    name: str
    open: Callable[[], JobReader]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFile(FileEntry):
    """A file, and where its bytes are."""

    job: int
    at: int
    """Of its data in the tar stream of that job."""
    segments: tuple[Segment, ...] | None = None


class FrameCache:
    """Unpacked frames of all archives of a restore; thread-safe."""

    def __init__(self, most: int = KEPT_FRAMES) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._frames: OrderedDict[tuple[int, int], memoryview] = OrderedDict()

    def get(self, key: tuple[int, int]) -> memoryview | None:
        """A frame that is kept."""
        with self._lock:
            found = self._frames.get(key)
            if found is not None:
                self._frames.move_to_end(key)
            return found

    def put(self, key: tuple[int, int], frame: memoryview) -> None:
        """Keeps a frame, and lets the one go that was not used for longest."""
        with self._lock:
            self._frames[key] = frame
            while len(self._frames) > self._most:
                self._frames.popitem(last=False)


class Archive:
    """The archive of one backup job, on any copy that has it; thread-safe.

    Args:
        index: of the backup job; not kept.
        copies: in the order in which they are asked.
        cache: of the restore.
        passed_over: told of copies that could not give something.
    """

    def __init__(
        self,
        index: IndexFile,
        copies: Sequence[CopyOpener],
        cache: FrameCache,
        passed_over: PassedOver,
    ) -> None:
        self.job_id = index.header.backup_job_id
        self._frame_bytes = index.header.frame_bytes
        self._tar_bytes = index.end.tar_bytes
        self._volume_bytes = index.end.volume_bytes
        self._frames = index.frames()
        self._cache = cache
        self._passed_over = passed_over
        self._lock = threading.Lock()
        self._copies = [_OpenCopy(one) for one in copies]

    def read_into(self, view: memoryview, at: int) -> None:
        """Fills a buffer from the tar stream.

        Raises:
            SourceError: no copy could give it.
        """
        while len(view):
            number, start = divmod(at, self._frame_bytes)
            some = self._frame(number)[start : start + len(view)]
            count = len(some)
            if not count:
                raise SourceCorrupt(f"the archive of backup job {self.job_id} ends too early")
            view[:count] = some
            view = view[count:]
            at += count

    def why_locked(self) -> AuxError | None:
        """Why no copy can give anything, when all that are there are locked; None: one may.

        Opens the copies, which needs the store.
        """
        locked: AuxError | None = None
        for copy in self._copies:
            error = copy.tried()
            if error is None:
                return None
            if isinstance(error, SourceLocked):
                locked = error
        return locked

    def close(self) -> None:
        """Closes what is open."""
        for copy in self._copies:
            copy.close()

    def _frame(self, number: int) -> memoryview:
        key = (self.job_id, number)
        found = self._cache.get(key)
        if found is None:
            with self._lock:  # two streams of a restore are mostly in the same frame
                found = self._cache.get(key)
                if found is None:
                    found = memoryview(self._unpacked(number))  # a part of it is no copy
                    self._cache.put(key, found)
        return found

    def _unpacked(self, number: int) -> bytes:
        if not 0 <= number < len(self._frames):
            raise SourceCorrupt(
                f"backup job {self.job_id} has no frame {number}: its index is wrong"
            )
        frame = self._frames[number]
        length = min(self._frame_bytes, self._tar_bytes - number * self._frame_bytes)
        error: AuxError = SourceRead(f"no copy has backup job {self.job_id} now")
        for copy in self._copies:
            if copy.why_lost is not None:
                error = copy.why_lost
                continue
            try:
                packed = copy.read(frame, self._volume_bytes)
                if blake3(packed).digest() != frame.digest:
                    raise SourceCorrupt(
                        f"frame {number} of the archive of backup job {self.job_id}, bytes "
                        f"{frame.offset} to {frame.offset + frame.length}, has another digest",
                        hint="verify this copy, and repair it from another one",
                    )
                return _decompressed(packed, length)
            except _CANNOT_GIVE as err:
                error = err
                self._passed_over(copy.opener.name, self.job_id, err)
        if isinstance(error, SourceError):
            raise error
        raise SourceRead(error.message, hint=error.hint)


class _OpenCopy:
    """One copy of the archive: opened when it is first asked, given up when that fails."""

    def __init__(self, opener: CopyOpener) -> None:
        self.opener = opener
        self.why_lost: AuxError | None = None
        self._reader: JobReader | None = None
        self._files: dict[bytes, FileEntry] = {}
        self._handle: ReadHandle | None = None
        self._volume = 0

    def read(self, frame: ArchiveFrame, volume_bytes: int) -> bytes:
        if self._reader is None:
            self._open()
        packed = bytearray(frame.length)
        done = 0
        while done < frame.length:
            volume, at = divmod(frame.offset + done, volume_bytes)
            some = min(frame.length - done, volume_bytes - at)
            with memoryview(packed) as view:
                got = self._opened(volume + 1).read_into(view[done : done + some], at)
            if got != some:
                raise SourceRead(f"volume {volume + 1} ends too early")
            done += some
        return bytes(packed)

    def tried(self) -> AuxError | None:
        """Why it cannot be opened; None: it is open."""
        if self._reader is None and self.why_lost is None:
            with contextlib.suppress(*_CANNOT_GIVE):  # kept in `why_lost`
                self._open()
        return self.why_lost

    def close(self) -> None:
        if self._handle is not None:
            self._handle.close()
        if self._reader is not None:
            self._reader.close()
        self._handle = self._reader = None

    def _open(self) -> None:
        try:
            self._reader = self.opener.open()
            self._files = {
                entry.path: entry
                for entry in self._reader.entries()
                if isinstance(entry, FileEntry)
            }
        except _CANNOT_GIVE as err:
            self.why_lost = err
            raise

    def _opened(self, volume: int) -> ReadHandle:
        if self._handle is None or self._volume != volume:
            name = volume_name(volume)
            if name not in self._files or self._reader is None:
                raise SourceRead(f"there is no {name.decode()}")
            if self._handle is not None:
                self._handle.close()
                self._handle = None
            self._handle = self._reader.open_file(self._files[name])
            self._volume = volume
        return self._handle


class ArchivedJob:
    """`JobReader` of the files of a backup as they were at its time.

    Args:
        header: of the backup job.
        index: its index; closed with this.
        archives: of every backup job that holds bytes of it; closed with this.
    """

    def __init__(
        self, header: ManifestHeader, index: IndexFile, archives: Mapping[int, Archive]
    ) -> None:
        self._header = header
        self._index = index
        self._archives = archives

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
        for entry in self._index.entries():
            found = _entry_of(entry)
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


def _entry_of(entry: IndexEntry) -> Entry | None:
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


def _decompressed(packed: bytes, length: int) -> bytes:
    try:
        if zstandard.frame_content_size(packed) != length:
            raise SourceCorrupt("a frame of an archive has another size than its index says")
        return zstandard.ZstdDecompressor().decompress(packed)
    except zstandard.ZstdError as err:
        raise SourceCorrupt(f"a frame of an archive cannot be unpacked: {err}") from err
