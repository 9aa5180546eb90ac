"""Frames of an archive, each proved by its digest; one that a copy cannot give comes from the next."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import zstandard
from blake3 import blake3

from engine.archive.index import ArchiveFrame
from engine.archive.index_file import IndexFile
from engine.library.interface import JobReader, ReadHandle
from engine.model.entries import FileEntry
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
from engine.transfer.volumes import volume_name

KEPT_FRAMES = 8  # unpacked, of all archives together: 32 MiB
FRAME_LOCKS = 8  # so many neighbouring frames are unpacked at once at most
_CANNOT_GIVE = (SourceError, ManifestError, LibraryOffline, NotFoundError)

PassedOver = Callable[[str, int, AuxError], None]
"""Told that a copy could not give a frame of a backup job, and why; from any thread."""


class CopyOpener(NamedTuple):
    """A copy that has a backup job."""

    name: str
    open: Callable[[], JobReader]


class FrameCache:
    """Unpacked frames of all archives of a restore; thread-safe."""

    def __init__(self, most: int = KEPT_FRAMES) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._frames: OrderedDict[tuple[int, int], memoryview] = OrderedDict()
        self._latest: tuple[tuple[int, int], memoryview] | None = None

    def get(self, key: tuple[int, int]) -> memoryview | None:
        """A frame that is kept."""
        latest = self._latest  # a thousand small files lie in one frame: asked without the lock
        if latest is not None and latest[0] == key:
            return latest[1]
        with self._lock:
            found = self._frames.get(key)
            if found is not None:
                self._frames.move_to_end(key)
                self._latest = key, found
            return found

    def put(self, key: tuple[int, int], frame: memoryview) -> None:
        """Keeps a frame, and lets the one go that was not used for longest."""
        with self._lock:
            self._frames[key] = frame
            self._latest = key, frame
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
        self._locks = tuple(threading.Lock() for _ in range(FRAME_LOCKS))
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
            with self._locks[number % FRAME_LOCKS]:  # two streams are often in the same frame
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
    """One copy of the archive: opened when it is first asked, given up when that fails; thread-safe."""

    def __init__(self, opener: CopyOpener) -> None:
        self.opener = opener
        self.why_lost: AuxError | None = None
        self._reader: JobReader | None = None
        self._files: dict[bytes, FileEntry] = {}
        self._handle: ReadHandle | None = None
        self._volume = 0
        self._lock = threading.Lock()

    def read(self, frame: ArchiveFrame, volume_bytes: int) -> bytearray:
        packed = bytearray(frame.length)
        with self._lock:
            if self.why_lost is not None:  # found out by another stream meanwhile
                raise self.why_lost
            if self._reader is None:
                self._open()
            self._fill(packed, frame, volume_bytes)
        return packed

    def _fill(self, packed: bytearray, frame: ArchiveFrame, volume_bytes: int) -> None:
        done = 0
        while done < frame.length:
            volume, at = divmod(frame.offset + done, volume_bytes)
            some = min(frame.length - done, volume_bytes - at)
            with memoryview(packed) as view:
                got = self._opened(volume + 1).read_into(view[done : done + some], at)
            if got != some:
                raise SourceRead(f"volume {volume + 1} ends too early")
            done += some

    def tried(self) -> AuxError | None:
        """Why it cannot be opened; None: it is open."""
        with self._lock:
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


def _decompressed(packed: bytearray, length: int) -> bytes:
    try:
        if zstandard.frame_content_size(packed) != length:
            raise SourceCorrupt("a frame of an archive has another size than its index says")
        return zstandard.ZstdDecompressor().decompress(packed)
    except zstandard.ZstdError as err:
        raise SourceCorrupt(f"a frame of an archive cannot be unpacked: {err}") from err
