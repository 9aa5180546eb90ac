"""Writes one job copy into a local library: files by ranges, a journal of what is proven."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterable, Sequence

from engine.library.beneath import (
    OWN_FILE_MODE,
    Parents,
    create_file,
    open_own_file,
    unlink_if_there,
    write_all,
)
from engine.library.blame import destination_error, on_destination, on_source
from engine.library.file_handles import FileReader, FileWriter, suspect_error, write_range
from engine.library.interface import Done, PublishesBehind
from engine.library.journal import Journal, JournalHeader, all_done, read_journal
from engine.library.local_partial import PartialJob
from engine.library.local_publish import Publication
from engine.library.metadata import Born, is_simple, preset_metadata
from engine.library.proof import AFRESH, Proof, ProvingWriter, Resumption, resumption, says_the_same
from engine.library.resuming import proven_chunks
from engine.library.syscalls import has_honest_syncfs, sync_file_system
from engine.model.entries import Entry, FileEntry, ManifestHeader
from engine.model.errors import ManifestError, StorageError
from engine.model.names import RelPath

_SYNC_EACH_AT_MOST = 4  # files of a batch; above it one sync of the file system is cheaper


class LocalJobWriter(ProvingWriter, PublishesBehind):
    """A job copy being made; `JobWriter` of local libraries. Thread-safe.

    Args:
        partial: its claimed directory; the writer closes it.
        journal: open at its end; the writer closes it.
        found: what is proven already.
    """

    def __init__(self, partial: PartialJob, journal: Journal, found: Resumption) -> None:
        super().__init__(Proof(partial.where, found))
        self._partial = partial
        self._journal = journal
        self._unsynced_directories: set[bytes] = set()
        self._watch_fd = -1
        self._has_unsynced_batch = False
        self._syncing = threading.Lock()
        self._is_root = os.geteuid() == 0

    def open_file(self, entry: FileEntry) -> FileWriter:
        """See `JobWriter`."""
        fd = self._open(entry.path, entry.size)
        return self._file_writer(fd, entry.path, size=entry.size, sparse=entry.sparse)

    def open_growing(self, path: RelPath, at: int) -> FileWriter:
        """See `JobWriter`."""
        return self._file_writer(self._open(path, at), path, size=None, sparse=False)

    def _open(self, path: RelPath, size: int) -> int:
        """A file with this size, made or found."""
        self._proof.refuse_suspects([path])
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
            is_suspect=self._proof.is_suspect,
            failed=self._drop,
        )

    def write_batch(self, files: Sequence[tuple[FileEntry, memoryview]]) -> None:
        """See `JobWriter`."""
        at_once = len(files) > _SYNC_EACH_AT_MOST and has_honest_syncfs(self._partial.data_fd)
        with on_destination("write a batch of files to", self._partial.where):
            if at_once:
                self._watch()
            made = None if at_once else self._note_directory
            with Parents(self._partial.data_fd, make=True, made=made) as parents:
                if at_once:
                    self._write_presetting(files, parents)
                    self._has_unsynced_batch = True
                    return
                for entry, content in files:
                    self._write_syncing(entry, content, parents)

    def record(self, done: Iterable[Done]) -> None:
        """See `JobWriter`."""
        every = list(done)
        self._sync_batches()
        with self._lock, on_destination("record chunks in", self._partial.where):
            self._proof.refuse_at_end()
            trusted = self._proof.trusted(every)
            try:
                self._sync_directories()
                self._journal.append(trusted)
            except (OSError, StorageError):
                self._proof.is_at_end = True
                raise
            self._proof.note(trusted)
            self._proof.refuse_suspects(one.path for one in every)

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
            self._proof.refuse_at_end()
            self._proof.is_at_end = True  # whatever comes now
            try:
                digest = self._publication(lambda: None).publish(header, entries)
            except ManifestError:  # no fault of what is written: what is missing may still come
                self._proof.is_at_end = False
                raise
            self.close()
            return digest

    def publish_behind(self, header: ManifestHeader, entries: Iterable[Entry]) -> bytes:
        """See `PublishesBehind`."""
        self._proof.refuse_at_end()
        digest = self._publication(self._end).publish(header, entries)
        self.close()
        return digest

    def _publication(self, last: Callable[[], None]) -> Publication:
        proof = self._proof
        return Publication(self._partial, warn=proof.warn, check=proof.check_file, last=last)

    def _end(self) -> None:
        """Nothing more is written; what was distrusted after it was taken is not published."""
        with self._lock:
            self._proof.refuse_at_end()
            self._proof.refuse_suspected()
            self._proof.is_at_end = True

    def discard(self) -> None:
        """See `JobWriter`."""
        with self._lock:
            self._proof.is_at_end = True
            self._journal.close()
            self._partial.remove()
            self.close()

    def close(self) -> None:
        """See `JobWriter`."""
        with self._lock:
            self._proof.is_at_end = True
            self._journal.close()
            self._partial.close()
            if self._watch_fd >= 0:
                os.close(self._watch_fd)
                self._watch_fd = -1

    def _parents(self) -> Parents:
        return Parents(self._partial.data_fd, make=True, made=self._note_directory)

    def _write_presetting(
        self, files: Sequence[tuple[FileEntry, memoryview]], parents: Parents
    ) -> None:
        """Writes files that are synced later, and sets what is kept of them besides their bytes.

        They are made with the mode that they shall have: it is set only where something, such as
        the umask, was in the way. Until the publication nobody else comes this far.
        """
        born = Born()
        path = RelPath(b"")
        try:
            for entry, content in files:
                path, meta = entry.path, entry.meta
                self._proof.refuse_suspects((path,))
                parent, name = parents.of(path)
                presets = is_simple(meta)
                mode = meta.mode if presets else OWN_FILE_MODE
                fd = _create_anew(name, parent, mode)
                try:
                    _fill(fd, entry, content)
                    if presets:
                        found = born.look(fd, path.rpartition(b"/")[0], mode)
                        preset_metadata(fd, meta, found=found, is_root=self._is_root)
                finally:
                    os.close(fd)
        except OSError as err:
            raise destination_error(err, "write", path) from err

    def _write_syncing(self, entry: FileEntry, content: memoryview, parents: Parents) -> None:
        self._proof.refuse_suspects((entry.path,))
        with on_destination("write", entry.path):
            parent, name = parents.of(entry.path)
            fd = _create_anew(name, parent, OWN_FILE_MODE)
            try:
                _fill(fd, entry, content)
                os.fdatasync(fd)
            finally:
                os.close(fd)
        self._note_directory(entry.path.rpartition(b"/")[0])

    def _watch(self) -> None:
        """Opens what reports every write-back error from here on, to this writer and nobody else."""
        with self._lock:
            self._proof.refuse_at_end()
            if self._watch_fd < 0:
                self._watch_fd = os.open(
                    ".", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._partial.data_fd
                )

    def _sync_batches(self) -> None:
        """One sync for all batches that were written since the last one.

        Streams write on meanwhile; whoever records meanwhile waits, as its batch may be among them.
        """
        with self._syncing, on_destination("sync batches of files in", self._partial.where):
            if not self._has_unsynced_batch:
                return
            self._proof.refuse_at_end()
            self._has_unsynced_batch = False
            try:
                sync_file_system(self._watch_fd)
            except OSError:
                self._proof.is_at_end = True
                raise

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
            self._proof.distrust(path)
            with on_destination("remove", path), self._parents() as parents:
                parent, name = parents.of(path)
                try:
                    unlink_if_there(name, parent=parent)
                finally:
                    self._journal.drop(path)


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
        content = None if partial.is_new else read_journal(partial.job_fd)
        if content is None or not content.header.is_for_same_source(wanted):
            if not partial.is_new:
                partial.wipe()
            return LocalJobWriter(partial, Journal.begin(partial.job_fd, wanted), AFRESH)
        proven = proven_chunks(partial.data_fd, content, boot_id=boot_id, checkpoint=checkpoint)
        if says_the_same(content, proven, wanted):
            journal = Journal.go_on(partial.job_fd, content.header)
        else:
            journal = Journal.begin(partial.job_fd, wanted, all_done(proven, content.ends))
    return LocalJobWriter(partial, journal, resumption(content, proven))


def _fill(fd: int, entry: FileEntry, content: memoryview) -> None:
    """Writes all of a new file."""
    if not entry.sparse:
        write_all(fd, content, 0)
        return
    write_range(fd, content, 0, sparse=True)
    os.ftruncate(fd, entry.size)  # it may end in a hole


def _create_anew(name: bytes, parent: int, mode: int) -> int:
    """Creates a file, in place of what an earlier try left."""
    try:
        return create_file(name, parent=parent, mode=mode)
    except FileExistsError:
        _remove_earlier_try(name, parent)
        return create_file(name, parent=parent, mode=mode)


def _remove_earlier_try(name: bytes, parent: int) -> None:
    """Removes the file that an earlier try left; anything else is not ours and stays."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    if stat.S_ISREG(found.st_mode):
        os.unlink(name, dir_fd=parent)
