"""In-memory twin of a library, with latency, faults at the n-th call, and power cuts.

For tests of everything above this layer. It keeps the promises of `Library`, and watches the
promises of its caller too: a chunk that is recorded before it was synced, or with a digest that
its bytes do not have, is a `CallerBroke`, which nobody catches.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from blake3 import blake3

from engine.library.faults import Faults
from engine.library.interface import Done, LibraryIdentity, Place, Probe
from engine.library.manifest import entry_order, is_proven, read_manifest, write_manifest
from engine.library.memory_reading import MemoryReadHandle
from engine.model.entries import Chunk, Entry, FileEntry, ManifestHeader, PieceEnd
from engine.model.errors import (
    DestinationExists,
    DestinationFull,
    DestinationWrite,
    LibraryOffline,
    ManifestError,
    NotFoundError,
    SourceCorrupt,
    SourceRead,
)
from engine.model.names import RelPath, shown


class CallerBroke(Exception):
    """The code above this layer broke a rule of the interface: a bug, never a fault of a disk."""


@dataclass(slots=True, kw_only=True)
class _Job:
    """A job copy, published or not: what a power cut leaves, and what it takes."""

    source_key: str = ""
    durable: dict[RelPath, bytes] = field(default_factory=dict)
    cached: dict[RelPath, bytearray] = field(default_factory=dict)
    journal: dict[RelPath, dict[int, Chunk]] = field(default_factory=dict)
    ends: dict[RelPath, list[PieceEnd]] = field(default_factory=dict)
    manifest: bytes = b""
    writer: MemoryWriter | None = None

    def sync(self, path: RelPath) -> None:
        self.durable[path] = bytes(self.cached[path])

    def lose_cache(self) -> None:
        self.cached = {path: bytearray(content) for path, content in self.durable.items()}
        self.writer = None


class MemoryLibrary:
    """`Library` in memory.

    Args:
        name: of the library.
        commcell_id: whose it is.
        capacity_bytes: None: no limit.
    """

    def __init__(
        self, name: str = "memory", *, commcell_id: str = "", capacity_bytes: int | None = None
    ) -> None:
        self._name = name
        self._commcell_id = commcell_id
        self.capacity_bytes = capacity_bytes
        self.faults = Faults()
        self.is_mounted = True
        self.marker: LibraryIdentity | None = None
        self.done: dict[tuple[Place, int], _Job] = {}
        self.unfinished: dict[tuple[Place, int], _Job] = {}
        self.lock = threading.RLock()

    @property
    def name(self) -> str:
        """See `Library`."""
        return self._name

    def cut_power(self) -> None:
        """Everything that was not synced is gone, and nothing works until `restore_power`."""
        with self.lock:
            self.is_mounted = False
            for job in self.unfinished.values():
                job.lose_cache()

    def restore_power(self) -> None:
        """The host is up again."""
        self.is_mounted = True

    def initialise(self, identity: LibraryIdentity) -> LibraryIdentity:
        """See `Library`."""
        self._refuse_unmounted()
        with self.lock:
            if self.marker is None:
                self.marker = identity
        return self.require_marker()

    def probe(self) -> Probe:
        """See `Library`."""
        self.faults.passing("probe")
        identity = self.require_marker()
        if self.capacity_bytes is None:
            return Probe(identity=identity, free_bytes=None, total_bytes=None)
        free = max(0, self.capacity_bytes - self.used_bytes())
        return Probe(identity=identity, free_bytes=free, total_bytes=self.capacity_bytes)

    def published(self, place: Place) -> list[int]:
        """See `Library`."""
        return self._ids(self.done, place)

    def partial(self, place: Place) -> list[int]:
        """See `Library`."""
        return self._ids(self.unfinished, place)

    def occupied_bytes(self, place: Place, job_id: int) -> int:
        """See `Library`."""
        self.require_marker()
        with self.lock:
            job = self.unfinished.get((place, job_id))
            return sum(map(len, job.cached.values())) if job else 0

    def read_job(self, place: Place, job_id: int) -> MemoryReader:
        """See `Library`."""
        return MemoryReader(self, self._published(place, job_id))

    def write_job(
        self,
        place: Place,
        header: ManifestHeader,
        *,
        source_key: str,
        checkpoint: Callable[[], None] = lambda: None,
        replace: bool = False,
    ) -> MemoryWriter:
        """See `Library`."""
        self.require_marker()
        checkpoint()
        key = (place, header.backup_job_id)
        with self.lock:
            job = self.unfinished.get(key)
            is_done = key in self.done and not replace
            if job is not None and job.manifest and not is_done:
                self.done[key] = self.unfinished.pop(key)
                is_done = True
            if is_done:
                raise DestinationExists(f"{place.policy}/{place.copy}/{key[1]} is there already")
            if job is None or job.source_key != source_key:
                job = self.unfinished[key] = _Job(source_key=source_key)
            if job.writer is not None:
                raise DestinationWrite(f"backup job {key[1]}: another writer is at work")
            job.lose_cache()  # a new process may not trust what an older one did not sync
            job.writer = MemoryWriter(self, key, job)
            return job.writer

    def manifest_digest(self, place: Place, job_id: int) -> bytes:
        """See `Library`."""
        return blake3(self._published(place, job_id).manifest).digest()

    def remove_job(self, place: Place, job_id: int) -> None:
        """See `Library`."""
        self._published(place, job_id)
        with self.lock:
            self.done.pop((place, job_id), None)

    def require_marker(self) -> LibraryIdentity:
        """The marker.

        Raises:
            LibraryOffline: not mounted, or the marker is absent or another's.
        """
        self._refuse_unmounted()
        if self.marker is None or self.marker.commcell_id != self._commcell_id:
            raise LibraryOffline(f"library {self._name} is offline: its marker is not there")
        return self.marker

    def used_bytes(self) -> int:
        """Bytes of all files."""
        with self.lock:
            jobs = [*self.done.values(), *self.unfinished.values()]
            return sum(len(content) for job in jobs for content in job.cached.values())

    def _refuse_unmounted(self) -> None:
        if not self.is_mounted:
            raise LibraryOffline(f"library {self._name} is offline")

    def _ids(self, jobs: Mapping[tuple[Place, int], _Job], place: Place) -> list[int]:
        self.faults.passing("list")
        self.require_marker()
        with self.lock:
            return sorted(job_id for where, job_id in jobs if where == place)

    def _published(self, place: Place, job_id: int) -> _Job:
        self.require_marker()
        with self.lock:
            job = self.done.get((place, job_id))
        if job is None:
            raise NotFoundError(f"there is no backup job {job_id} in library {self._name}")
        return job


class MemoryWriter:
    """`JobWriter` in memory. Thread-safe."""

    def __init__(self, library: MemoryLibrary, key: tuple[Place, int], job: _Job) -> None:
        self._library = library
        self._key = key
        self._job = job
        self._resumed = {
            path: tuple(chunks[offset] for offset in sorted(chunks))
            for path, chunks in job.journal.items()
        }
        self._ended = {path: tuple(ends) for path, ends in job.ends.items()}
        self.warnings: Sequence[str] = ()

    @property
    def ended(self) -> Mapping[RelPath, Sequence[PieceEnd]]:
        """See `JobWriter`."""
        return self._ended

    @property
    def resumed(self) -> Mapping[RelPath, Sequence[Chunk]]:
        """See `JobWriter`."""
        return self._resumed

    def open_file(self, entry: FileEntry) -> MemoryWriteHandle:
        """See `JobWriter`."""
        self.passing("open")
        with self._library.lock:
            self._job.cached.setdefault(entry.path, bytearray(entry.size))
        return MemoryWriteHandle(self, self._job, entry.path)

    def open_growing(self, path: RelPath, at: int) -> MemoryWriteHandle:
        """See `JobWriter`."""
        self.passing("open")
        with self._library.lock:
            del self._job.cached.setdefault(path, bytearray())[at:]
        return MemoryWriteHandle(self, self._job, path)

    def write_batch(self, files: Sequence[tuple[FileEntry, memoryview]]) -> None:
        """See `JobWriter`."""
        for entry, content in files:
            self.put(entry.path, content, 0)
        for entry, _ in files:
            self.sync(entry.path)

    def record(self, done: Iterable[Done]) -> None:
        """See `JobWriter`."""
        every = list(done)
        self.passing("record")
        with self._library.lock:
            for path, chunk, ends in every:
                content = self._job.durable.get(path, b"")
                found = content[chunk.offset : chunk.offset + chunk.length]
                if len(found) != chunk.length or blake3(found).digest() != chunk.digest:
                    raise CallerBroke(f"{shown(path)} recorded before it was synced, or not hashed")
                self._job.journal.setdefault(path, {})[chunk.offset] = chunk
                if ends:
                    self._job.ends.setdefault(path, []).extend(ends)

    def read_back(self, entry: FileEntry) -> MemoryReadHandle:
        """See `JobWriter`."""
        content = self._job.cached[entry.path]
        return MemoryReadHandle(content, lambda: self._library.faults.passing("read"))

    def distrust(self, path: RelPath) -> None:
        """See `JobWriter`."""
        with self._library.lock:
            self._job.journal.pop(path, None)
            self._job.ends.pop(path, None)

    def publish(self, header: ManifestHeader, entries: Iterable[Entry]) -> bytes:
        """See `JobWriter`."""
        ordered = sorted(entries, key=entry_order)
        self.passing("publish")
        with self._library.lock:
            for entry in ordered:
                if isinstance(entry, FileEntry):
                    self._check_proven(entry)
            stream = io.BytesIO()
            plain = (replace(e, identity=None) if isinstance(e, FileEntry) else e for e in ordered)
            digest = write_manifest(stream, header, plain)
            self._job.manifest = stream.getvalue()
            self.passing("rename")
            self._job.writer = None
            self._library.done[self._key] = self._library.unfinished.pop(self._key)
        return digest

    def discard(self) -> None:
        """See `JobWriter`."""
        with self._library.lock:
            self.close()
            self._library.unfinished.pop(self._key, None)

    def close(self) -> None:
        """See `JobWriter`."""
        with self._library.lock:
            if self._job.writer is self:
                self._job.writer = None

    def put(self, path: RelPath, content: memoryview, offset: int) -> None:
        """Writes into what a power cut would take."""
        self.passing("write")
        limit = self._library.capacity_bytes
        with self._library.lock:
            held = self._job.cached.setdefault(path, bytearray())
            grows = max(0, offset + len(content) - len(held))
            if limit is not None and self._library.used_bytes() + grows > limit:
                raise DestinationFull(f"cannot write {shown(path)}: no space left on device")
            held[offset : offset + len(content)] = content

    def sync(self, path: RelPath) -> None:
        """Makes a file durable."""
        self.passing("sync")
        with self._library.lock:
            self._job.sync(path)

    def passing(self, kind: str) -> None:
        """One call goes by.

        Raises:
            LibraryOffline: the power is gone.
            DestinationWrite: this writer is not the one of the job copy any more.
        """
        self._library.faults.passing(kind)
        self._library.require_marker()
        if self._job.writer is not self:
            raise DestinationWrite(f"backup job {self._key[1]}: this writer is closed")

    def _check_proven(self, entry: FileEntry) -> None:
        stated = {chunk.offset: chunk for chunk in entry.chunks}
        if stated != self._job.journal.get(entry.path, {}) or not is_proven(entry):
            raise ManifestError(f"cannot publish {shown(entry.path)}: its chunks are not proven")
        self._job.durable.setdefault(entry.path, b"")
        self._job.cached.setdefault(entry.path, bytearray())


class MemoryWriteHandle:
    """`WriteHandle` in memory."""

    def __init__(self, writer: MemoryWriter, job: _Job, path: RelPath) -> None:
        self._writer = writer
        self._job = job
        self._path = path
        self._is_dead = False

    def write(self, buffer: memoryview, offset: int) -> None:
        """See `WriteHandle`."""
        self._refuse_dead()
        self._writer.put(self._path, buffer, offset)

    def sync(self) -> None:
        """See `WriteHandle`."""
        self._refuse_dead()
        try:
            self._writer.sync(self._path)
        except DestinationWrite:
            self._is_dead = True
            self._job.journal.pop(self._path, None)
            self._job.ends.pop(self._path, None)
            raise

    def fileno(self) -> None:
        """None: there is no descriptor."""

    def close(self) -> None:
        """Closes the file."""
        self._is_dead = True

    def _refuse_dead(self) -> None:
        if self._is_dead:
            raise DestinationWrite(f"cannot write {shown(self._path)}: a sync of it failed")


class MemoryReader:
    """`JobReader` in memory."""

    def __init__(self, library: MemoryLibrary, job: _Job) -> None:
        self._library = library
        self._job = job
        self._header = read_manifest(io.BytesIO(job.manifest))[0]

    @property
    def header(self) -> ManifestHeader:
        """See `JobReader`."""
        return self._header

    @property
    def has_digests(self) -> bool:
        """See `JobReader`."""
        return True

    def entries(self) -> Iterator[Entry]:
        """See `JobReader`."""
        return read_manifest(io.BytesIO(self._job.manifest))[1]

    def open_file(self, entry: FileEntry) -> MemoryReadHandle:
        """See `JobReader`."""
        content = self._job.cached.get(entry.path)
        if content is None:
            raise SourceRead(f"cannot open {shown(entry.path)}: no such file or directory")
        if len(content) != entry.size:
            raise SourceCorrupt(f"{shown(entry.path)} has not the size that its manifest says")
        return MemoryReadHandle(content, self._passing)

    def close(self) -> None:
        """Closes the job copy."""

    def _passing(self) -> None:
        self._library.faults.passing("read")
        self._library.require_marker()
