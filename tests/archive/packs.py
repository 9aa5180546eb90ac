"""Backups into memory: the tar stream and the index, without a library."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.archive.index import ArchiveFrame, IndexEntry, IndexHeader
from engine.archive.index_file import IndexFile, IndexWriter
from engine.archive.packing import Content, Packer, PackResult
from engine.archive.stream import TarStream

FRAME = 64 * 1024


@dataclass
class Pack:
    """What a backup made."""

    tar: bytes
    index_bytes: bytes
    result: PackResult

    def index(self) -> IndexFile:
        """The index, open."""
        return IndexFile(io.BytesIO(self.index_bytes))

    def entries(self) -> dict[bytes, IndexEntry]:
        """Its entries by path."""
        return {entry.path: entry for entry in self.index().entries()}


def members(stream: bytes) -> list[tarfile.TarInfo]:
    """What the standard library finds in a tar stream."""
    with tarfile.open(fileobj=io.BytesIO(stream), errors="surrogateescape") as archive:
        return archive.getmembers()


def header(job_id: int, *, based_on: int = 0) -> IndexHeader:
    """A header of an index."""
    return IndexHeader(
        backup_job_id=job_id,
        commcell_id="c",
        client="web",
        subclient="www",
        level="incremental" if based_on else "full",
        cycle=1,
        based_on=based_on,
        started_at="2026-03-02T21:00:00+00:00",
        content=("/srv",),
        exclude=(),
        one_file_system=True,
        frame_bytes=FRAME,
    )


def pack(
    *paths: Path,
    job_id: int = 1,
    base: Pack | None = None,
    exclude: tuple[str, ...] = (),
    left_out: frozenset[tuple[int, int]] = frozenset(),
    pulse: Callable[[bytes], None] = lambda _: None,
) -> Pack:
    """Backs up some paths."""
    parts: list[bytes] = []

    def deliver(buffer: bytearray, filled: int) -> bytearray:
        parts.append(bytes(buffer[:filled]))
        return buffer

    stream = TarStream(deliver, FRAME)
    target = io.BytesIO()
    writer = IndexWriter(target, header(job_id, based_on=job_id - 1 if base else 0))
    content = Content(paths=tuple(map(str, paths)), exclude=exclude, left_out=left_out)
    packer = Packer(
        content, job_id, stream, writer, base=base.index() if base else None, pulse=pulse
    )
    result = packer.run()
    total = stream.finish()
    frames = [ArchiveFrame(at, 1, b"\0" * 32) for at in range(len(parts))]
    writer.finish(frames, tar_bytes=total, volumes=1, volume_bytes=2**30, archived=result.archived)
    return Pack(b"".join(parts), target.getvalue(), result)
