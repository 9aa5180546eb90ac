"""Writes one job copy into an object store: parts as they are full, a journal of what arrived."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from engine.library.blame import on_destination as on_disk
from engine.library.digesting import Piece
from engine.library.interface import Done
from engine.library.journal import Journal
from engine.library.objects.connection import waited
from engine.library.objects.faults import StoreFault, on_destination, on_source
from engine.library.objects.files import (
    Job,
    Ready,
    StagedFile,
    StraightFile,
    kept_of,
    put_all,
)
from engine.library.objects.handles import ObjectHandle
from engine.library.objects.notes import note_of, note_of_sent
from engine.library.objects.parts import goes_straight, parts_of
from engine.library.objects.publishing import Publication
from engine.library.objects.reading import ObjectReadHandle, StagedReadHandle
from engine.library.objects.sending import Sent
from engine.library.proof import Proof, ProvingWriter, Resumption
from engine.model.entries import Entry, FileEntry, ManifestHeader
from engine.model.errors import AuxError, Cancelled, DestinationWrite
from engine.model.names import RelPath, shown

_NEAR_S = 0.005
_NEAR_PUTS, _FAR_PUTS = 8, 32  # of one batch at once; a stream has one batch at a time


class ObjectJobWriter(ProvingWriter):
    """A job copy being made; `JobWriter` of object-store libraries. Thread-safe.

    Args:
        job: claimed; the writer closes its home.
        journal: open at its end; the writer closes it.
        found: what is proven already.
        files: what is known of the files of these chunks.
        publication: puts the manifest.
    """

    def __init__(
        self,
        job: Job,
        journal: Journal,
        found: Resumption,
        files: dict[RelPath, StraightFile | StagedFile],
        publication: Publication,
    ) -> None:
        super().__init__(Proof(job.home.where, found, suspect=_suspect))
        self._job = job
        self._journal = journal
        self._files = files
        self._publication = publication
        self._completing: dict[RelPath, Future[None]] = {}

    def open_file(self, entry: FileEntry) -> ObjectHandle:
        """See `JobWriter`."""
        return self._handle(self._file(entry))

    def open_growing(self, path: RelPath, at: int) -> ObjectHandle:
        """See `JobWriter`; its end is not known, so it is staged until it is closed."""
        self._proof.refuse_suspects([path])
        with self._lock, on_disk("stage", path):
            file = self._files.get(path)
            if not isinstance(file, StagedFile):
                file = self._files[path] = StagedFile(self._job, path, None)
            handle = self._handle(file)
            file.cut_off(at)
        return handle

    def write_batch(self, files: Sequence[tuple[FileEntry, memoryview]]) -> None:
        """See `JobWriter`."""
        self._proof.refuse_at_end()
        latency_s = self._job.connection.store.latency_s or 0.0
        at_once = _NEAR_PUTS if latency_s < _NEAR_S else _FAR_PUTS
        ready: deque[Ready] = deque()
        for entry, content in files:
            file = self._file(entry)
            if isinstance(file, StagedFile):
                file.write(content, 0)
                file.sync()
            else:
                ready.append(file.ready(content))
        if ready:
            self._job.connection.run_to_end(put_all(ready, at_once), self._job.checkpoint)

    def record(self, done: Iterable[Done]) -> None:
        """See `JobWriter`."""
        every = list(done)
        with self._lock:
            self._proof.refuse_at_end()
            self._proof.refuse_suspects(one.path for one in every)
            notes = [note for one in every if (note := self._note(one)) is not None]
            try:
                with on_disk("record chunks in", self._job.home.where):
                    self._journal.append(every, notes)
            except AuxError:
                self._proof.is_at_end = True
                raise
            self._proof.note(every)
            for path in {one.path for one in every}:
                self._complete(path)
        for path in {one.path for one in every}:
            self._send_staged(self._files[path])

    def read_back(self, entry: FileEntry) -> ObjectReadHandle | StagedReadHandle:
        """See `JobWriter`."""
        file = self._file(entry)
        if isinstance(file, StagedFile) and not file.etag:
            return StagedReadHandle(file, entry.size)
        completing = self._completing.get(entry.path)
        if completing is not None:
            with on_source("open", entry.path):
                waited(completing, self._job.checkpoint)
        return ObjectReadHandle(
            self._job.connection, file.key, entry, etag=file.etag, checkpoint=self._job.checkpoint
        )

    def far_digests(self, pieces: Sequence[Piece]) -> Sequence[bytes] | None:
        """See `DigestsThere`; by the checksums that the store has verified and keeps.

        They tell that what arrived is what was sent and hashed, which is what a proof before the
        publication asks; what lies there later is only told by reading it.
        """
        if self._job.sender.caps.sha256 != "verified":
            return None
        files = {piece.entry.path: self._file(piece.entry) for piece in pieces}
        with on_source("look at", pieces[0].entry.path):
            for path in files.keys() & self._completing.keys():
                waited(self._completing[path], self._job.checkpoint)
            asked = [file for file in files.values() if isinstance(file, StraightFile)]
            kept = self._job.connection.run(kept_of(asked), self._job.checkpoint)
        return [
            piece.chunk.digest
            if piece.entry.path in kept and self._proof.has(piece.entry.path, piece.chunk)
            else b""
            for piece in pieces
        ]

    def distrust(self, path: RelPath) -> None:
        """See `JobWriter`; the object goes first, so that it is not taken for the right one."""
        with self._lock:
            self._proof.distrust(path)
            file = self._files.get(path)
            with on_destination("remove", path):
                key = self._job.keys.of(path)
                self._job.connection.run(
                    self._job.connection.store.call("delete_object", Key=key),
                    self._job.checkpoint,
                )
            if isinstance(file, StraightFile):
                file.forget()
            elif file is not None:
                file.etag = ""
            with on_disk("record in", self._job.home.where):
                self._job.home.drop_staged(path)
                self._journal.drop(path)

    def publish(self, header: ManifestHeader, entries: Iterable[Entry]) -> bytes:
        """See `JobWriter`."""
        with self._lock:
            self._proof.refuse_at_end()
            every = list(entries)
            files: list[FileEntry] = [e for e in every if isinstance(e, FileEntry)]
            self._proof.check(files)
            self._proof.refuse_suspects(entry.path for entry in files)
            self._publication.prepare(header, every)
            self._proof.is_at_end = True  # whatever comes now
            self._await_completions()
            digest = self._publication.publish(
                [(self._file(entry), entry.size) for entry in files], self._journal
            )
            self._end(remove=True)
            return digest

    def discard(self) -> None:
        """See `JobWriter`."""
        with self._lock:
            self._proof.is_at_end = True
            self._journal.close()
            with on_disk("remove", self._job.home.where):
                self._job.home.remove()
            try:
                self._publication.discard()
            finally:
                self.close()

    def close(self) -> None:
        """See `JobWriter`."""
        with self._lock:
            self._proof.is_at_end = True
            self._end(remove=False)

    def _end(self, *, remove: bool) -> None:
        for future in self._completing.values():
            future.cancel()
        for file in self._files.values():
            if isinstance(file, StagedFile):
                file.close()
        self._journal.close()
        if remove:
            self._job.home.remove()
        self._job.home.close()

    def _file(self, entry: FileEntry) -> StraightFile | StagedFile:
        self._proof.refuse_suspects([entry.path])
        with self._lock:
            file = self._files.get(entry.path)
            if file is None:
                parts = parts_of(entry)
                file = (
                    StraightFile(self._job, entry.path, parts)
                    if goes_straight(entry, parts)
                    else StagedFile(self._job, entry.path, entry.size)
                )
                self._files[entry.path] = file
            return file

    def _handle(self, file: StraightFile | StagedFile) -> ObjectHandle:
        if isinstance(file, StagedFile):
            with self._lock, on_disk("stage", file.path), on_destination("go on with", file.path):
                if file.etag:
                    file.come_back()
                file.handles += 1
        return ObjectHandle(file, lambda: not self._proof.is_at_end, lambda: self._closed(file))

    def _closed(self, file: StraightFile | StagedFile) -> None:
        if isinstance(file, StagedFile):
            with self._lock:
                file.handles -= 1
            self._send_staged(file)

    def _send_staged(self, file: StraightFile | StagedFile) -> None:
        """Sends a staged file that nobody writes to and that is journaled whole: its room is free.

        What fails here is tried again at the publication, where it is an error.
        """
        if not isinstance(file, StagedFile):
            return
        with self._lock:
            journaled = self._proof.proven_bytes(file.path)
            is_due = bool(journaled) and not (file.handles or file.etag)
            whole = file.end if file.size is None else file.size
            if self._proof.is_at_end or not is_due or journaled != whole:
                return
            file.handles += 1  # nobody else sends it meanwhile
        try:
            with suppress(StoreFault, OSError, Cancelled):
                sent = self._publication.send(file, journaled)
                self._note_sent(file, sent)
        finally:
            with self._lock:
                file.handles -= 1

    def _note_sent(self, file: StagedFile, sent: Sent) -> None:
        with self._lock:
            if self._proof.is_at_end or file.handles > 1 or file.end > sent.size:
                return  # somebody writes to it again
            file.was_sent(sent.etag, sent.size)
            self._journal.append([], [note_of_sent(file)])
            self._job.home.drop_staged(file.path)

    def _note(self, done: Done) -> dict[str, Any] | None:
        file = self._files.get(done.path)
        if isinstance(file, StagedFile):
            return note_of(file, done.chunk)
        if file is None or not file.has(done.chunk):
            raise DestinationWrite(
                f"cannot record {shown(done.path)}: not all of it has arrived in the store",
                hint="the next try copies this chunk again",
            )
        return note_of(file, done.chunk)

    def _complete(self, path: RelPath) -> None:
        """Puts a file together as soon as all its chunks are journaled."""
        file = self._files[path]
        if isinstance(file, StagedFile) or file.parts.is_whole or path in self._completing:
            return
        if self._proof.proven_bytes(path) == file.parts.size:
            self._completing[path] = self._job.connection.submit(file.complete())

    def _await_completions(self) -> None:
        for path in self._proof.paths():
            if isinstance(self._files.get(path), StraightFile):
                self._complete(path)
        for path, future in self._completing.items():
            self._job.wait(future, "complete", path)


def _suspect(path: RelPath) -> DestinationWrite:
    return DestinationWrite(
        f"cannot write {shown(path)}: what lies in the store is not what was sent",
        hint="the next try copies this file anew",
    )
