"""Backup jobs to write into libraries, and the shortest way to write one."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from blake3 import blake3

from engine.library.interface import Done, JobReader, JobWriter, Library, LibraryIdentity, Place
from engine.model.entries import (
    Chunk,
    DirectoryEntry,
    Entry,
    FileEntry,
    HardlinkEntry,
    ManifestHeader,
    Metadata,
    SymlinkEntry,
)
from engine.model.names import RelPath, rel_path

COMMCELL = "1c7f3a52-cell"
PLACE = Place("databases", "offsite")
IDENTITY = LibraryIdentity(uuid="u-1", name="vault", commcell_id=COMMCELL, commcell="Sample")
MTIME_NS = 1_700_000_000_123_456_789


def header(job_id: int = 7, **changes: object) -> ManifestHeader:
    """A header of a landing job."""
    base = ManifestHeader(
        backup_job_id=job_id,
        commcell_id=COMMCELL,
        commcell="Sample",
        policy=PLACE.policy,
        client="db1",
        subclient="pg",
        level="full",
        kind="landing",
        started_at="2026-01-01T00:00:00+00:00",
        completed_at="2026-01-01T01:00:00+00:00",
        adopted_at="2026-01-01T02:00:00+00:00",
        name=b"monday.dump",
    )
    return replace(base, **changes)


def meta(mode: int = 0o644, **changes: object) -> Metadata:
    """Metadata of whoever runs the tests."""
    base = Metadata(mode=mode, mtime_ns=MTIME_NS, uid=os.geteuid(), gid=os.getegid())
    return replace(base, **changes)


@dataclass
class Job:
    """A backup job: its entries with digests, and the bytes of its files."""

    entries: list[Entry] = field(default_factory=list)
    content: dict[RelPath, bytes] = field(default_factory=dict)

    def file(
        self, path: bytes, content: bytes, *, chunk: int = 0, mode: int = 0o644, **more: bool
    ) -> FileEntry:
        """Adds a file; `chunk` is the size of its chunks, 0 for one."""
        step = chunk or len(content) or 1
        chunks = tuple(
            Chunk(at, len(content[at : at + step]), blake3(content[at : at + step]).digest())
            for at in range(0, len(content), step)
        )
        entry = FileEntry(
            path=rel_path(path), size=len(content), meta=meta(mode), chunks=chunks, **more
        )
        self.entries.append(entry)
        self.content[entry.path] = content
        return entry

    def directory(self, path: bytes, mode: int = 0o755) -> None:
        """Adds a directory."""
        self.entries.append(DirectoryEntry(path=rel_path(path), meta=meta(mode)))

    def symlink(self, path: bytes, target: bytes) -> None:
        """Adds a symbolic link."""
        entry = SymlinkEntry(path=rel_path(path), target=target, meta=meta(0o777))
        self.entries.append(entry)

    def hardlink(self, path: bytes, to: bytes) -> None:
        """Adds a hard link."""
        self.entries.append(HardlinkEntry(path=rel_path(path), to=rel_path(to)))

    @property
    def files(self) -> list[FileEntry]:
        """Its files."""
        return [entry for entry in self.entries if isinstance(entry, FileEntry)]

    @property
    def dones(self) -> list[Done]:
        """All its chunks."""
        return [Done(file.path, chunk) for file in self.files for chunk in file.chunks]

    def chunk_bytes(self, done: Done) -> memoryview:
        """The bytes of a chunk."""
        at = done.chunk.offset
        return memoryview(self.content[done.path])[at : at + done.chunk.length]


def sample_job() -> Job:
    """A tree with a bit of everything."""
    chance = random.Random(7)  # the same bytes every time
    job = Job()
    job.directory(b"tree", 0o555)
    job.file(b"tree/big", chance.randbytes(300_000), chunk=65_536, mode=0o444)
    job.file(b"tree/empty", b"")
    job.hardlink(b"tree/same", b"tree/big")
    job.directory(b"tree/sub", 0o700)
    job.file(b"tree/sub/small", b"small")
    job.symlink(b"tree/sub/up", b"../../../../etc/passwd")
    return job


def write_chunks(writer: JobWriter, job: Job, dones: list[Done] | None = None) -> None:
    """Writes, syncs and records chunks, one by one."""
    entries = {entry.path: entry for entry in job.files}
    for done in job.dones if dones is None else dones:
        handle = writer.open_file(entries[done.path])
        handle.write(job.chunk_bytes(done), done.chunk.offset)
        handle.sync()
        handle.close()
        writer.record([done])


def followed_job() -> Job:
    """A job whose publication can go on behind its writing to the last: links at its end."""
    job = Job()
    job.directory(b"tree", 0o555)
    job.file(b"tree/big", b"0123456789" * 20_000, chunk=65_536, mode=0o444)
    job.file(b"tree/empty", b"")
    job.directory(b"tree/sub", 0o700)
    for number in range(14):
        job.file(b"tree/sub/x%02d" % number, b"%d" % number, mode=0o640)
    job.directory(b"tree/void")
    job.directory(b"tree/void/below", 0o711)
    job.hardlink(b"tree/z-same", b"tree/big")
    job.symlink(b"tree/z-up", b"../../../../etc/passwd")
    return job


def as_written(writer: JobWriter, job: Job) -> Iterator[Entry]:
    """The entries of a job, each file written and recorded before it comes: small ones in batches."""
    waiting = [file for file in job.files if file.path not in writer.resumed]
    for entry in sorted(job.entries, key=lambda each: each.path.replace(b"/", b"\0")):
        while entry in waiting or (waiting and isinstance(entry, (SymlinkEntry, HardlinkEntry))):
            if len(waiting[0].chunks) > 1:
                large = waiting.pop(0)
                write_chunks(writer, job, [Done(large.path, chunk) for chunk in large.chunks])
                continue
            batch, waiting = waiting[:6], waiting[6:]
            writer.write_batch([(file, memoryview(job.content[file.path])) for file in batch])
            writer.record([Done(file.path, chunk) for file in batch for chunk in file.chunks])
        yield entry


def copy_job(
    library: Library,
    job: Job,
    of: ManifestHeader | None = None,
    *,
    source_key: str = "source",
    replace: bool = False,
) -> bytes:
    """Writes and publishes a whole job copy; returns the digest of its manifest."""
    of = of or header()
    writer = library.write_job(PLACE, of, source_key=source_key, replace=replace)
    try:
        missing = [d for d in job.dones if d.chunk not in writer.resumed.get(d.path, ())]
        write_chunks(writer, job, missing)
        return writer.publish(of, job.entries)
    finally:
        writer.close()


def read_all(reader: JobReader, entry: FileEntry) -> bytes:
    """The content of a file."""
    handle = reader.open_file(entry)
    try:
        buffer = bytearray(entry.size + 1)
        count = handle.read_into(memoryview(buffer), 0)
        assert handle.unchanged()
        return bytes(buffer[:count])
    finally:
        handle.close()


def check_copy(library: Library, job: Job, job_id: int = 7) -> None:
    """Asserts that a published job copy is the backup job, entry by entry and byte by byte."""
    reader = library.read_job(PLACE, job_id)
    try:
        found = list(reader.entries())
        assert found == sorted(job.entries, key=lambda e: e.path.replace(b"/", b"\0"))
        for entry in found:
            if isinstance(entry, FileEntry):
                assert read_all(reader, entry) == job.content[entry.path]
    finally:
        reader.close()
