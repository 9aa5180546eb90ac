"""Writes one job copy on the other host: files by ranges, small ones many at once, a journal of what is proven."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from engine.library.blame import on_destination, on_source
from engine.library.digesting import Piece
from engine.library.file_handles import suspect_error
from engine.library.interface import Done
from engine.library.journal import ChunksByOffset, JournalHeader, all_done, ends_in_order
from engine.library.manifest import is_proven
from engine.library.sftp import wire
from engine.library.sftp.digests import far_digests
from engine.library.sftp.journaling import FarJournal, far_boot_id, read_far_journal
from engine.library.sftp.partial import FarPartial
from engine.library.sftp.proving import proven_chunks
from engine.library.sftp.publishing import Publication
from engine.library.sftp.reading import FarReader
from engine.library.sftp.session import SftpSession
from engine.library.sftp.small import put_small_files
from engine.library.sftp.together import gathered
from engine.library.sftp.tree import Directories
from engine.library.sftp.writing import FarWriter
from engine.model.entries import (
    MIN_CHUNK_BYTES,
    Chunk,
    Entry,
    FileEntry,
    ManifestHeader,
    PieceEnd,
)
from engine.model.errors import DestinationWrite, ManifestError, StorageError
from engine.model.names import RelPath, shown

T = TypeVar("T")
_MAX_WARNINGS = 100  # of one job copy


class SftpJobWriter:
    """A job copy being made; `JobWriter` of remote libraries. Thread-safe.

    Args:
        partial: its claimed directory; the writer closes it.
        journal: open at its end; the writer closes it.
        chunks: what is proven already.
        ends: of the encoded files among it, in order.
        warnings: what was noticed so far.
    """

    def __init__(
        self,
        partial: FarPartial,
        journal: FarJournal,
        chunks: dict[RelPath, ChunksByOffset],
        ends: Mapping[RelPath, Sequence[PieceEnd]],
        warnings: Sequence[str] = (),
    ) -> None:
        self._partial = partial
        self._far = partial.far
        self._journal = journal
        self._chunks = chunks
        self._resumed = {path: _in_order(by_offset) for path, by_offset in chunks.items()}
        self._ended = ends
        self._warnings = list(warnings)
        self._suspects: set[RelPath] = set()
        self._directories = Directories(self._far, partial.data)
        self._is_broken = False
        self._lock = threading.RLock()

    @property
    def resumed(self) -> Mapping[RelPath, Sequence[Chunk]]:
        """See `JobWriter`."""
        return self._resumed

    @property
    def ended(self) -> Mapping[RelPath, Sequence[PieceEnd]]:
        """See `JobWriter`."""
        return self._ended

    @property
    def warnings(self) -> Sequence[str]:
        """See `JobWriter`."""
        return tuple(self._warnings)

    def open_file(self, entry: FileEntry) -> FarWriter:
        """See `JobWriter`."""
        return self._writer(entry.path, entry.size, most_bytes=entry.size, sparse=entry.sparse)

    def open_growing(self, path: RelPath, at: int) -> FarWriter:
        """See `JobWriter`."""
        return self._writer(path, at, most_bytes=MIN_CHUNK_BYTES, sparse=False)

    def write_batch(self, files: Sequence[tuple[FileEntry, memoryview]]) -> None:
        """See `JobWriter`."""
        for entry, _ in files:
            self._refuse_suspect(entry.path)
        with on_destination("write a batch of files to", self._partial.where):
            self._call(put_small_files(self._far, self._directories, files))

    def record(self, done: Iterable[Done]) -> None:
        """See `JobWriter`."""
        every = list(done)
        with self._lock, on_destination("record chunks in", self._partial.where):
            self._refuse_broken()
            trusted = [one for one in every if one.path not in self._suspects]
            try:
                self._call(self._record(trusted))
            except (OSError, StorageError):
                self._is_broken = True
                raise
            for one in trusted:
                self._chunks.setdefault(one.path, {})[one.chunk.offset] = one.chunk
            if len(trusted) != len(every):
                raise suspect_error(next(d.path for d in every if d.path in self._suspects))

    def read_back(self, entry: FileEntry) -> FarReader:
        """See `JobWriter`."""
        with on_source("open", entry.path):
            return self._call(FarReader.open(self._far, self._partial.data, entry.path))

    def far_digests(self, pieces: Sequence[Piece]) -> Sequence[bytes] | None:
        """See `DigestsThere`."""
        return self._call(far_digests(self._far, self._partial.data, pieces))

    def distrust(self, path: RelPath) -> None:
        """See `JobWriter`."""
        self._drop(path)

    def publish(self, header: ManifestHeader, entries: Iterable[Entry]) -> bytes:
        """See `JobWriter`."""
        with self._lock:
            self._refuse_broken()
            every = list(entries)
            for entry in every:
                if isinstance(entry, FileEntry):
                    self._check_proven(entry)
            self._is_broken = True  # whatever comes now, this writer is at its end
            publication = Publication(self._partial, self._directories, warn=self._warn)
            with on_destination("publish", self._partial.where):
                digest = self._call(publication.publish(header, every))
            self.close()
            return digest

    def discard(self) -> None:
        """See `JobWriter`."""
        with self._lock, on_destination("remove", self._partial.where):
            self._is_broken = True
            self._call(self._journal.close())
            self._call(self._partial.remove())
            self.close()

    def close(self) -> None:
        """See `JobWriter`."""
        with self._lock:
            self._is_broken = True
            self._call(self._journal.close())
            self._call(self._partial.close())

    def _writer(self, path: RelPath, size: int, *, most_bytes: int, sparse: bool) -> FarWriter:
        self._refuse_suspect(path)
        with on_destination("open", path):
            handles, is_fresh = self._call(self._open(path, size, most_bytes, sparse=sparse))
        return FarWriter(
            self._far,
            path,
            handles,
            leaves_holes=is_fresh and sparse,
            is_suspect=lambda one: one in self._suspects,
            failed=self._drop,
        )

    async def _open(
        self, path: RelPath, size: int, most_bytes: int, *, sparse: bool
    ) -> tuple[dict[SftpSession, bytes], bool]:
        """A file that is at most this long, made or found, on the sessions for so many bytes."""
        parent = path.rpartition(b"/")[0]
        await self._directories.ensure(parent)
        where = self._directories.at(path)
        first, *others = await self._far.link.sessions_for(most_bytes)
        try:
            handle = await self._far.create(first, where)
            self._directories.note(parent)
            is_fresh, found_size = True, 0
        except FileExistsError:
            flags = wire.WRITING | wire.READING
            handle, found = await self._far.open_regular(first, where, flags)
            is_fresh, found_size = False, found.size
        if (is_fresh and sparse) or found_size > size:
            body = wire.text(handle) + wire.attributes(size=size)
            await first.status(wire.FSETSTAT, body)
        handles = {first: handle}
        for session in others:
            handles[session] = await session.open(where, wire.WRITING)
        return handles, is_fresh

    async def _record(self, done: Sequence[Done]) -> None:
        await gathered([self._partial.check_held(), self._directories.sync()])
        await self._journal.append(done)

    def _drop(self, path: RelPath) -> None:
        """Distrusts a file whose sync failed: never used again here, copied anew by the next try.

        The file goes first: then it is not believed even if the journal cannot be written.
        """
        with self._lock:
            self._suspects.add(path)
            self._chunks.pop(path, None)
            with on_destination("remove", path):
                self._call(self._forget(path))

    async def _forget(self, path: RelPath) -> None:
        try:
            await self._far.remove_if_there(self._partial.data + b"/" + path)
        finally:
            await self._journal.drop(path)

    def _check_proven(self, entry: FileEntry) -> None:
        """Checks that every chunk of a file is journaled with the digest that will be published."""
        proven = self._chunks.get(entry.path, {})
        stated = {chunk.offset: chunk for chunk in entry.chunks}
        if proven != stated or not is_proven(entry):
            raise ManifestError(
                f"cannot publish {shown(entry.path)}: {len(proven)} chunks of it are proven there, "
                f"and they are not the {len(stated)} of the manifest",
                hint="run the copy again: what is missing is copied anew",
            )

    def _refuse_suspect(self, path: RelPath) -> None:
        if path in self._suspects:
            raise suspect_error(path)

    def _refuse_broken(self) -> None:
        if self._is_broken:
            raise DestinationWrite(
                f"cannot go on with {self._partial.where.decode()}: an earlier step failed, "
                "or it is closed",
                hint="the next try goes on from what is journaled",
            )

    def _warn(self, text: str) -> None:
        """From the loop, while a thread that waits for it holds the lock: so without it."""
        if len(self._warnings) < _MAX_WARNINGS:
            self._warnings.append(text)

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return self._far.link.call(work)


async def start_writer(
    partial: FarPartial,
    header: ManifestHeader,
    *,
    source_key: str,
    checkpoint: Callable[[], None],
) -> SftpJobWriter:
    """A writer that goes on from what an earlier try has proven, or starts afresh.

    Args:
        partial: the claimed directory; the writer closes it.
        source_key: a journal of another source is discarded with all that it speaks of.
        checkpoint: see `Library.write_job`.

    Raises:
        OSError, StorageError: the directory cannot be used.
    """
    far, warnings = partial.far, []
    boot_id = await far_boot_id(far)
    session = await far.link.session()
    if not session.has(wire.FSYNC):
        warnings.append(
            "the server has no fsync@openssh.com: nothing proves that what was written survives a "
            "crash of that host"
        )
    wanted = JournalHeader(
        backup_job_id=header.backup_job_id, source_key=source_key, boot_id=boot_id
    )
    content = None if partial.is_fresh else await read_far_journal(far, partial.job)
    if content is None or not content.header.is_for_same_source(wanted):
        await partial.wipe()
        journal = await FarJournal.begin(far, partial.job, wanted)
        return SftpJobWriter(partial, journal, {}, {}, warnings)
    is_same_boot = bool(boot_id) and content.header.boot_id == boot_id
    proven = await proven_chunks(
        far, partial.data, content.chunks, is_same_boot=is_same_boot, checkpoint=checkpoint
    )
    if proven == content.chunks and content.header == wanted and not content.damaged:
        journal = await FarJournal.go_on(far, partial.job, content.header)
    else:
        journal = await FarJournal.begin(far, partial.job, wanted, all_done(proven, content.ends))
    if content.damaged:
        warnings.append(
            f"{content.damaged} lines of the journal were damaged: their chunks are copied again"
        )
    ends = {path: ends_in_order(content.ends[path]) for path in proven if path in content.ends}
    return SftpJobWriter(partial, journal, proven, ends, warnings)


def _in_order(by_offset: ChunksByOffset) -> tuple[Chunk, ...]:
    return tuple(by_offset[offset] for offset in sorted(by_offset))
