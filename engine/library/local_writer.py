"""Writes one job copy into a local library: files by ranges, a journal of what is proven."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

from engine.library.beneath import (
    Parents,
    create_file,
    open_own_file,
    unlink_if_there,
)
from engine.library.blame import on_destination, on_source
from engine.library.file_handles import FileReader, FileWriter, suspect_error, write_range
from engine.library.interface import Done
from engine.library.journal import (
    ChunksByOffset,
    Journal,
    JournalHeader,
    all_done,
    ends_in_order,
    read_journal,
)
from engine.library.local_partial import PartialJob
from engine.library.local_publish import Publication
from engine.library.manifest import is_proven
from engine.library.resuming import proven_chunks
from engine.library.syscalls import has_honest_syncfs, sync_file_system
from engine.model.entries import Chunk, Entry, FileEntry, ManifestHeader, PieceEnd
from engine.model.errors import DestinationWrite, ManifestError, StorageError
from engine.model.names import RelPath, shown

_SYNC_EACH_AT_MOST = 4  # files of a batch; above it one sync of the file system is cheaper
_MAX_WARNINGS = 100  # of one job copy; a file system that keeps no owners would warn of each file


class LocalJobWriter:
    """A job copy being made; `JobWriter` of local libraries. Thread-safe.

    Args:
        partial: its claimed directory; the writer closes it.
        journal: open at its end; the writer closes it.
        chunks: what is proven already.
        ends: of the encoded files among it, in order.
        warnings: what was noticed so far.
    """

    def __init__(
        self,
        partial: PartialJob,
        journal: Journal,
        chunks: dict[RelPath, ChunksByOffset],
        ends: Mapping[RelPath, Sequence[PieceEnd]],
        warnings: Sequence[str] = (),
    ) -> None:
        self._partial = partial
        self._journal = journal
        self._chunks = chunks
        self._resumed = {path: _in_order(by_offset) for path, by_offset in chunks.items()}
        self._ended = ends
        self._warnings = list(warnings)
        self._suspects: set[RelPath] = set()
        self._unsynced_directories: set[bytes] = set()
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
        with self._lock:
            return tuple(self._warnings)

    def open_file(self, entry: FileEntry) -> FileWriter:
        """See `JobWriter`."""
        fd = self._open(entry.path, entry.size)
        return self._file_writer(fd, entry.path, size=entry.size, sparse=entry.sparse)

    def open_growing(self, path: RelPath, at: int) -> FileWriter:
        """See `JobWriter`."""
        return self._file_writer(self._open(path, at), path, size=None, sparse=False)

    def _open(self, path: RelPath, size: int) -> int:
        """A file with this size, made or found."""
        self._refuse_suspect(path)
        with on_destination("open", path), self._parents() as parents:
            parent, name = parents.of(path)
            try:
                fd = create_file(name, parent=parent)
                self._note_directory(path.rpartition(b"/")[0])
            except FileExistsError:
                fd = open_own_file(name, parent=parent, write=True)
            try:
                found = os.fstat(fd)
                if found.st_nlink == 1 and found.st_size != size:
                    os.ftruncate(fd, size)
            except OSError:
                os.close(fd)
                raise
        if found.st_nlink != 1:
            os.close(fd)
            self._drop(path)
            raise suspect_error(path)
        return fd

    def _file_writer(self, fd: int, path: RelPath, *, size: int | None, sparse: bool) -> FileWriter:
        return FileWriter(
            fd,
            path,
            size=size,
            sparse=sparse,
            is_suspect=lambda path: path in self._suspects,
            failed=self._drop,
        )

    def write_batch(self, files: Sequence[tuple[FileEntry, memoryview]]) -> None:
        """See `JobWriter`."""
        at_once = has_honest_syncfs() and len(files) > _SYNC_EACH_AT_MOST
        with on_destination("write a batch of files to", self._partial.where):
            # Its own descriptor: it reports every write-back error from here on, to nobody else.
            watch_fd = os.open(".", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._partial.data_fd)
            try:
                made = None if at_once else self._note_directory
                with Parents(self._partial.data_fd, make=True, made=made) as parents:
                    for entry, content in files:
                        self._write_small(entry, content, parents, sync=not at_once)
                if at_once:
                    sync_file_system(watch_fd)
            finally:
                os.close(watch_fd)

    def record(self, done: Iterable[Done]) -> None:
        """See `JobWriter`."""
        every = list(done)
        with self._lock, on_destination("record chunks in", self._partial.where):
            self._refuse_broken()
            trusted = [one for one in every if one.path not in self._suspects]
            try:
                self._sync_directories()
                self._journal.append(trusted)
            except (OSError, StorageError):
                self._is_broken = True
                raise
            for one in trusted:
                self._chunks.setdefault(one.path, {})[one.chunk.offset] = one.chunk
            if len(trusted) != len(every):
                raise suspect_error(next(d.path for d in every if d.path in self._suspects))

    def read_back(self, entry: FileEntry) -> FileReader:
        """See `JobWriter`."""
        with on_source("open", entry.path), Parents(self._partial.data_fd) as parents:
            parent, name = parents.of(entry.path)
            return FileReader(open_own_file(name, parent=parent, write=False), entry.path)

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
            digest = Publication(self._partial, warn=self._warn).publish(header, every)
            self.close()
            return digest

    def discard(self) -> None:
        """See `JobWriter`."""
        with self._lock:
            self._is_broken = True
            self._journal.close()
            self._partial.remove()
            self.close()

    def close(self) -> None:
        """See `JobWriter`."""
        with self._lock:
            self._is_broken = True
            self._journal.close()
            self._partial.close()

    def _parents(self) -> Parents:
        return Parents(self._partial.data_fd, make=True, made=self._note_directory)

    def _write_small(
        self, entry: FileEntry, content: memoryview, parents: Parents, *, sync: bool
    ) -> None:
        self._refuse_suspect(entry.path)
        with on_destination("write", entry.path):
            parent, name = parents.of(entry.path)
            _remove_earlier_try(name, parent)
            fd = create_file(name, parent=parent)
            try:
                write_range(fd, content, 0, sparse=entry.sparse)
                if os.fstat(fd).st_size != entry.size:  # ends in a hole
                    os.ftruncate(fd, entry.size)
                if sync:
                    os.fdatasync(fd)
            finally:
                os.close(fd)
        if sync:
            self._note_directory(entry.path.rpartition(b"/")[0])

    def _note_directory(self, path: bytes) -> None:
        """Remembers a directory that has a new name in it, to be synced before that is journaled."""
        with self._lock:
            self._unsynced_directories.add(path)

    def _sync_directories(self) -> None:
        if not self._unsynced_directories:
            return
        with Parents(self._partial.data_fd) as parents:
            for path in sorted(self._unsynced_directories):
                os.fsync(parents.at(path))
        self._unsynced_directories.clear()

    def _drop(self, path: RelPath) -> None:
        """Distrusts a file whose sync failed: never used again here, copied anew by the next try.

        The file goes first: then it is not believed even if the journal cannot be written.
        """
        with self._lock:
            self._suspects.add(path)
            self._chunks.pop(path, None)
            with on_destination("remove", path), self._parents() as parents:
                parent, name = parents.of(path)
                try:
                    unlink_if_there(name, parent=parent)
                finally:
                    self._journal.drop(path)

    def _check_proven(self, entry: FileEntry) -> None:
        """Checks that every chunk of a file is journaled with the digest that will be published."""
        proven = self._chunks.get(entry.path, {})
        stated = {chunk.offset: chunk for chunk in entry.chunks}
        if proven != stated or not is_proven(entry):
            raise ManifestError(
                f"cannot publish {shown(entry.path)}: {len(proven)} chunks of it are proven here, "
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
        with self._lock:
            if len(self._warnings) < _MAX_WARNINGS:
                self._warnings.append(text)


def start_writer(
    partial: PartialJob,
    header: ManifestHeader,
    *,
    source_key: str,
    boot_id: str,
    checkpoint: Callable[[], None],
) -> LocalJobWriter:
    """A writer that goes on from what an earlier try has proven, or starts afresh.

    Args:
        partial: the claimed directory; the writer closes it.
        source_key: a journal of another source is discarded with all that it speaks of.
        boot_id: of now.
        checkpoint: see `Library.write_job`.

    Raises:
        DestinationError: the directory cannot be used.
    """
    wanted = JournalHeader(
        backup_job_id=header.backup_job_id, source_key=source_key, boot_id=boot_id
    )
    with on_destination("resume", partial.where):
        content = read_journal(partial.job_fd)
        if content is None or not content.header.is_for_same_source(wanted):
            partial.wipe()
            return LocalJobWriter(partial, Journal.begin(partial.job_fd, wanted), {}, {})
        proven = proven_chunks(partial.data_fd, content, boot_id=boot_id, checkpoint=checkpoint)
        if proven == content.chunks and content.header == wanted and not content.damaged:
            journal = Journal.go_on(partial.job_fd, content.header)
        else:
            journal = Journal.begin(partial.job_fd, wanted, all_done(proven, content.ends))
    warnings = []
    if content.damaged:
        warnings.append(
            f"{content.damaged} lines of the journal were damaged: their chunks are copied again"
        )
    ends = {path: ends_in_order(content.ends[path]) for path in proven if path in content.ends}
    return LocalJobWriter(partial, journal, proven, ends, warnings)


def _in_order(by_offset: ChunksByOffset) -> tuple[Chunk, ...]:
    return tuple(by_offset[offset] for offset in sorted(by_offset))


def _remove_earlier_try(name: bytes, parent: int) -> None:
    """Removes the file that an earlier try left; anything else is not ours and stays."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    if stat.S_ISREG(found.st_mode):
        os.unlink(name, dir_fd=parent)
