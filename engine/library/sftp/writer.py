"""Writes one job copy on the other host: files by ranges, small ones many at once, a journal of what is proven."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from engine.library.blame import on_destination, on_source
from engine.library.digesting import Piece
from engine.library.interface import Done
from engine.library.journal import JournalHeader, all_done
from engine.library.proof import AFRESH, Proof, ProvingWriter, Resumption, resumption, says_the_same
from engine.library.sftp import wire
from engine.library.sftp.digests import far_digests
from engine.library.sftp.journaling import FarJournal, far_boot_id, read_far_journal
from engine.library.sftp.partial import FarPartial
from engine.library.sftp.proving import proven_chunks
from engine.library.sftp.publishing import Publication
from engine.library.sftp.reading import FarReader
from engine.library.sftp.session import SftpSession
from engine.library.sftp.small import Sent, put_small_files, settle
from engine.library.sftp.together import gathered
from engine.library.sftp.tree import Directories
from engine.library.sftp.writing import FarWriter
from engine.model.entries import (
    MIN_CHUNK_BYTES,
    Entry,
    FileEntry,
    ManifestHeader,
)
from engine.model.errors import StorageError
from engine.model.names import RelPath

T = TypeVar("T")


class SftpJobWriter(ProvingWriter):
    """A job copy being made; `JobWriter` of remote libraries. Thread-safe.

    Args:
        partial: its claimed directory; the writer closes it.
        journal: open at its end; the writer closes it.
        found: what is proven already.
    """

    def __init__(self, partial: FarPartial, journal: FarJournal, found: Resumption) -> None:
        super().__init__(Proof(partial.where, found))
        self._partial = partial
        self._far = partial.far
        self._journal = journal
        self._unsettled: Sent = []
        """Of small files: sent, and their answers not seen."""
        self._directories = Directories(self._far, partial.data, is_fresh=partial.is_fresh)

    def open_file(self, entry: FileEntry) -> FarWriter:
        """See `JobWriter`."""
        return self._writer(entry.path, entry.size, most_bytes=entry.size, sparse=entry.sparse)

    def open_growing(self, path: RelPath, at: int) -> FarWriter:
        """See `JobWriter`."""
        return self._writer(path, at, most_bytes=MIN_CHUNK_BYTES, sparse=False)

    def write_batch(self, files: Sequence[tuple[FileEntry, memoryview]]) -> None:
        """See `JobWriter`."""
        self._proof.refuse_suspects(entry.path for entry, _ in files)
        with on_destination("write a batch of files to", self._partial.where):
            sent = self._call(put_small_files(self._far, self._directories, files))
        with self._lock:
            self._unsettled += sent

    def record(self, done: Iterable[Done]) -> None:
        """See `JobWriter`."""
        every = list(done)
        with self._lock, on_destination("record chunks in", self._partial.where):
            self._proof.refuse_at_end()
            trusted = self._proof.trusted(every)
            sent, self._unsettled = self._unsettled, []
            try:
                self._call(settle(self._far, sent))
                self._call(self._record(trusted))
            except (OSError, StorageError):
                self._proof.is_at_end = True
                raise
            self._proof.note(trusted)
            self._proof.refuse_suspects(one.path for one in every)

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
            self._proof.refuse_at_end()
            every = list(entries)
            self._proof.check(every)
            self._proof.is_at_end = True  # whatever comes now
            # It warns from the loop, while this thread waits for it and holds the lock.
            publication = Publication(self._partial, self._directories, warn=self._proof.warn)
            with on_destination("publish", self._partial.where):
                self._call(
                    gathered([settle(self._far, self._unsettled), self._journal.has_begun()])
                )
                digest = self._call(publication.publish(header, every))
            self.close()
            return digest

    def discard(self) -> None:
        """See `JobWriter`."""
        with self._lock, on_destination("remove", self._partial.where):
            self._proof.is_at_end = True
            self._call(self._journal.close())
            self._call(self._partial.remove())
            self.close()

    def close(self) -> None:
        """See `JobWriter`."""
        with self._lock:
            self._proof.is_at_end = True
            self._call(self._close())

    async def _close(self) -> None:
        await self._journal.close()
        await self._directories.close()
        await self._partial.close()

    def _writer(self, path: RelPath, size: int, *, most_bytes: int, sparse: bool) -> FarWriter:
        self._proof.refuse_suspects([path])
        with on_destination("open", path):
            handles, is_fresh = self._call(self._open(path, size, most_bytes, sparse=sparse))
        return FarWriter(
            self._far,
            path,
            handles,
            leaves_holes=is_fresh and sparse,
            is_suspect=self._proof.is_suspect,
            failed=self._drop,
        )

    async def _open(
        self, path: RelPath, size: int, most_bytes: int, *, sparse: bool
    ) -> tuple[dict[SftpSession, bytes], bool]:
        """A file that is at most this long, made or found, on the sessions for so many bytes."""
        parent = path.rpartition(b"/")[0]
        await self._directories.ensure([parent])
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
        more = await gathered([session.open(where, wire.WRITING) for session in others])
        return {first: handle, **dict(zip(others, more, strict=True))}, is_fresh

    async def _record(self, done: Sequence[Done]) -> None:
        """All at once: a chunk whose file has no durable name is not believed after a crash."""
        await gathered(
            [
                self._partial.check_held(),
                self._directories.sync(),
                self._journal.append(done),
            ]
        )

    def _drop(self, path: RelPath) -> None:
        """Distrusts a file whose sync failed: never used again here, copied anew by the next try.

        The file goes first: then it is not believed even if the journal cannot be written.
        """
        with self._lock:
            self._proof.distrust(path)
            with on_destination("remove", path):
                self._call(self._forget(path))

    async def _forget(self, path: RelPath) -> None:
        try:
            await self._far.remove_if_there(self._partial.data + b"/" + path)
        finally:
            await self._journal.drop(path)

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
        journal = await FarJournal.begin_in(far, partial, wanted)
        return SftpJobWriter(partial, journal, AFRESH._replace(warnings=warnings))
    is_same_boot = bool(boot_id) and content.header.boot_id == boot_id
    proven = await proven_chunks(
        far, partial.data, content.chunks, is_same_boot=is_same_boot, checkpoint=checkpoint
    )
    if says_the_same(content, proven, wanted):
        journal = await FarJournal.go_on(far, partial.job, content.header)
    else:
        journal = await FarJournal.begin(far, partial.job, wanted, all_done(proven, content.ends))
    found = resumption(content, proven)
    return SftpJobWriter(partial, journal, found._replace(warnings=(*warnings, *found.warnings)))
