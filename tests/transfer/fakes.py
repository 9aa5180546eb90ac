"""In-memory sources and destinations with faults, counters and gates, for tests of the engine alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from blake3 import blake3

from engine.library.interface import Done, JobReader, JobWriter, PublishesBehind
from engine.library.manifest import entry_order
from engine.model.entries import (
    Chunk,
    DirectoryEntry,
    Entry,
    FileEntry,
    ManifestHeader,
    Metadata,
    PieceEnd,
    chunk_bytes_for,
)
from engine.model.errors import ManifestError
from engine.model.names import RelPath, rel_path
from engine.transfer.orders import OrderDestination, TransferOrder
from engine.transfer.throttle import Throttle

META = Metadata(mode=0o644, mtime_ns=1, uid=0, gid=0)
HEADER = ManifestHeader(
    backup_job_id=1,
    commcell_id="c",
    commcell="cell",
    policy="p",
    client="client",
    subclient="dumps",
    level="full",
    kind="landing",
    started_at="2026-01-01T00:00:00+00:00",
    completed_at="2026-01-01T00:00:00+00:00",
    adopted_at="2026-01-01T00:00:00+00:00",
)


def nothing(*_: object) -> None:
    """A hook that does nothing."""


def chunks_of(content: bytes, size: int | None = None) -> tuple[Chunk, ...]:
    """The chunks of a content with their digests."""
    step = size or chunk_bytes_for(len(content))
    return tuple(
        Chunk(at, len(content[at : at + step]), blake3(content[at : at + step]).digest())
        for at in range(0, len(content), step)
    )


@dataclass
class FakeSource:
    """A backup job in memory; every read is counted and may be disturbed."""

    contents: dict[bytes, bytes]
    with_digests: bool = False
    chunk_bytes: int | None = None
    on_read: Callable[[bytes, int, int], None] = nothing
    on_open: Callable[[bytes], None] = nothing
    changed: set[bytes] = field(default_factory=set)
    shown_contents: dict[bytes, bytes] = field(default_factory=dict)
    """What reads return, where that differs from what the manifest was made of."""
    extra: tuple[Entry, ...] = ()
    reads: list[tuple[bytes, int, int]] = field(default_factory=list)
    open_handles: int = 0
    closed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def header(self) -> ManifestHeader:
        return HEADER

    @property
    def has_digests(self) -> bool:
        return self.with_digests

    @property
    def bytes_read(self) -> int:
        return sum(length for _, _, length in self.reads)

    def entries(self) -> Iterator[Entry]:
        """In the order of a manifest, as every source has them."""
        yield from sorted([*self.extra, *self._files()], key=entry_order)

    def _files(self) -> Iterator[FileEntry]:
        for path, content in self.contents.items():
            chunks = chunks_of(content, self.chunk_bytes)
            if not self.with_digests:
                chunks = tuple(chunk._replace(digest=b"") for chunk in chunks)
                if self.chunk_bytes is None:
                    chunks = ()
            yield FileEntry(path=rel_path(path), size=len(content), meta=META, chunks=chunks)

    def open_file(self, entry: FileEntry) -> FakeReadHandle:
        self.on_open(entry.path)
        with self.lock:
            self.open_handles += 1
        return FakeReadHandle(self, entry.path)

    def close(self) -> None:
        self.closed = True


class FakeReadHandle:
    def __init__(self, source: FakeSource, path: bytes) -> None:
        self.source, self.path = source, path

    def read_into(self, buffer: memoryview, offset: int) -> int:
        self.source.on_read(self.path, offset, len(buffer))
        content = self.source.shown_contents.get(self.path, self.source.contents[self.path])
        part = content[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        with self.source.lock:
            self.source.reads.append((self.path, offset, len(part)))
        return len(part)

    def unchanged(self) -> bool:
        return self.path not in self.source.changed

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        with self.source.lock:
            self.source.open_handles -= 1


@dataclass
class Store:
    """What a destination holds across tries: written bytes, what was synced, journal, publication."""

    files: dict[bytes, bytearray] = field(default_factory=dict)
    synced: dict[bytes, bytes] = field(default_factory=dict)
    journal: dict[tuple[bytes, int], Chunk] = field(default_factory=dict)
    ends: dict[bytes, list[PieceEnd]] = field(default_factory=dict)
    published: list[Entry] | None = None
    header: ManifestHeader | None = None
    records: int = 0
    batches: int = 0
    writes: int = 0

    def writer(self, **hooks: Callable[..., None]) -> FakeWriter:
        return FakeWriter(self, **hooks)

    def content(self) -> dict[bytes, bytes]:
        """The published files."""
        assert self.published is not None
        return {
            entry.path: bytes(self.synced[entry.path])
            for entry in self.published
            if isinstance(entry, FileEntry)
        }


@dataclass
class FakeWriter:
    store: Store
    on_write: Callable[[bytes, int, int], None] = nothing
    on_sync: Callable[[bytes], None] = nothing
    on_batch: Callable[[Sequence[bytes]], None] = nothing
    on_record: Callable[[list[Done]], None] = nothing
    on_publish: Callable[[], None] = nothing
    on_open: Callable[[bytes], None] = nothing
    warnings: Sequence[str] = ()
    open_handles: int = 0
    closed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        resumed: dict[RelPath, list[Chunk]] = {}
        for (path, _), chunk in self.store.journal.items():
            resumed.setdefault(RelPath(path), []).append(chunk)
        self._resumed = resumed
        self._ended = {path: tuple(ends) for path, ends in self.store.ends.items() if ends}

    @property
    def resumed(self) -> dict[RelPath, list[Chunk]]:
        return self._resumed

    def open_file(self, entry: FileEntry) -> FakeWriteHandle:
        self.on_open(entry.path)
        with self.lock:
            self.open_handles += 1
            self.store.files.setdefault(entry.path, bytearray(entry.size))
        return FakeWriteHandle(self, entry.path)

    @property
    def ended(self) -> dict[RelPath, list[PieceEnd]]:
        return {RelPath(path): list(ends) for path, ends in self._ended.items()}

    def open_growing(self, path: RelPath, at: int) -> FakeWriteHandle:
        self.on_open(path)
        with self.lock:
            self.open_handles += 1
            del self.store.files.setdefault(path, bytearray())[at:]
        return FakeWriteHandle(self, path)

    def write_batch(self, files: Sequence[tuple[FileEntry, memoryview]]) -> None:
        self.on_batch([entry.path for entry, _ in files])
        with self.lock:
            self.store.batches += 1
            for entry, view in files:
                self.store.files[entry.path] = bytearray(view)
                self.store.synced[entry.path] = bytes(view)

    def record(self, done: Iterable[Done]) -> None:
        listed = list(done)
        self.on_record(listed)
        with self.lock:
            self.store.records += 1
            for path, chunk, ends in listed:
                part = self.store.synced[path][chunk.offset : chunk.offset + chunk.length]
                assert blake3(part).digest() == chunk.digest, "journaled before it was durable"
                self.store.journal[path, chunk.offset] = chunk
                self.store.ends.setdefault(path, []).extend(ends)

    def read_back(self, entry: FileEntry) -> FakeReadBack:
        return FakeReadBack(self.store.files[entry.path])

    def distrust(self, path: RelPath) -> None:
        self.store.journal = {at: c for at, c in self.store.journal.items() if at[0] != path}
        self.store.ends.pop(path, None)

    def publish(self, header: ManifestHeader, entries: Iterable[Entry]) -> bytes:
        self.on_publish()
        listed = list(entries)
        with self.lock:
            for entry in listed:
                if not isinstance(entry, FileEntry):
                    continue
                assert sum(chunk.length for chunk in entry.chunks) == entry.size
                for chunk in entry.chunks:
                    if self.store.journal.get((entry.path, chunk.offset)) != chunk:
                        raise ManifestError("a chunk is not in the journal")
                assert entry.path in self.store.synced
            self.store.published, self.store.header = listed, header
        return blake3(repr(listed).encode()).digest()

    def discard(self) -> None:
        self.store.journal.clear()

    def close(self) -> None:
        self.closed = True


@dataclass
class FollowedWriter(FakeWriter, PublishesBehind):
    """A writer whose publication goes on behind the streams."""

    on_taken: Callable[[Entry], None] = nothing

    def publish_behind(self, header: ManifestHeader, entries: Iterable[Entry]) -> bytes:
        taken: list[Entry] = []
        for entry in entries:
            self.on_taken(entry)
            if isinstance(entry, FileEntry):
                with self.lock:
                    known = [self.store.journal.get((entry.path, c.offset)) for c in entry.chunks]
                assert known == list(entry.chunks), "taken before it was journaled"
            taken.append(entry)
        return self.publish(header, taken)


class FakeReadBack:
    def __init__(self, content: bytearray) -> None:
        self.content = content

    def read_into(self, buffer: memoryview, offset: int) -> int:
        part = self.content[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        return len(part)

    def unchanged(self) -> bool:
        return True

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        return None


class FakeWriteHandle:
    def __init__(self, writer: FakeWriter, path: bytes) -> None:
        self.writer, self.path = writer, path
        self.is_dead = False

    def write(self, buffer: memoryview, offset: int) -> None:
        self.writer.on_write(self.path, offset, len(buffer))
        with self.writer.lock:
            self.writer.store.writes += 1
            self.writer.store.files[self.path][offset : offset + len(buffer)] = buffer

    def sync(self) -> None:
        assert not self.is_dead, "a handle is never synced again after an error"
        self.is_dead = True
        self.writer.on_sync(self.path)
        self.is_dead = False
        with self.writer.lock:
            self.writer.store.synced[self.path] = bytes(self.writer.store.files[self.path])

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        with self.writer.lock:
            self.writer.open_handles -= 1


def destination(
    writer: JobWriter | Callable[[], JobWriter],
    copy_id: int = 2,
    *,
    throttle: Throttle | None = None,
) -> OrderDestination:
    """A destination of an order."""
    made = writer if callable(writer) else lambda: writer
    return OrderDestination(
        copy_id=copy_id,
        copy_name=f"copy-{copy_id}",
        library="lib",
        open_writer=made,
        throttle=throttle,
    )


def order(
    source: JobReader,
    *destinations: OrderDestination,
    job_id: int = 1,
    remember: Callable[[ManifestHeader, Sequence[Entry]], None] | None = None,
) -> TransferOrder:
    """An order for one backup job."""
    return TransferOrder(
        backup_job_id=job_id,
        header=replace(HEADER, backup_job_id=job_id),
        size_bytes=0,
        open_source=lambda: source,
        destinations=destinations,
        remember=remember,
    )


def directory(path: bytes) -> DirectoryEntry:
    """A directory entry."""
    return DirectoryEntry(path=rel_path(path), meta=replace(META, mode=0o755))
