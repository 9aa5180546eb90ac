"""The blocking part of a backup: from the file system into a job copy, in one thread and its helpers."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from engine.archive.index import IndexEnd, IndexHeader
from engine.archive.index_file import IndexFile, IndexWriter
from engine.archive.packing import Content, Identity, Packer, PackResult
from engine.archive.stream import FRAME_BYTES, TarStream
from engine.catalog.home import Home
from engine.catalog.values import SubclientValue
from engine.library.interface import JobWriter, Library, Place
from engine.model.clock import Clock
from engine.model.entries import Entry, FileEntry, ManifestHeader
from engine.model.errors import AuxError, DestinationExists, NotFoundError
from engine.model.states import Level, SubclientKind
from engine.operations.indexes import fetch_index, keep_index, new_index_file, open_index
from engine.policy.backup import Amount
from engine.transfer.archiving import Archiving
from engine.transfer.cancel import CancelToken
from engine.transfer.progress import ReadProgress
from engine.transfer.throttle import Throttle
from engine.transfer.volumes import Volumes


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be backed up, and where to."""

    home: Home
    job_id: int
    commcell_id: str
    commcell: str
    subclient: SubclientValue
    library: Library
    library_urls: tuple[str, ...]
    """Of all libraries: none of them is ever part of a backup."""
    place: Place
    base: IndexFile | None
    """The index that an incremental goes on from."""
    level: Level
    cycle: int
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A backup that is published."""

    header: ManifestHeader
    manifest_digest: bytes
    size_bytes: int
    """On the media, with its index."""
    files: int
    """Names of files that are in its archive."""
    chunks: int
    amount: Amount
    """What there was to protect, archived now or by an earlier backup."""


class BackupRun:
    """One backup; every call blocks. `pack`, then `publish`, then `close`.

    Args:
        task: what and where to.
        cancel: stops it.
        throttle: of what is read.
        progress: told what is read.
    """

    def __init__(
        self, task: Task, cancel: CancelToken, throttle: Throttle, progress: ReadProgress
    ) -> None:
        self.amount = Amount(files=0, size_bytes=0)
        self._task = task
        self._cancel = cancel
        self._throttle = throttle
        self._progress = progress
        self._started_at = task.clock()
        self._writer: JobWriter | None = None
        self._volumes: Volumes | None = None
        self._index_stream: BinaryIO | None = None
        self._end = IndexEnd()
        self._archived = 0
        self._is_published = False

    def pack(self) -> PackResult:
        """Reads everything into the unpublished job copy.

        Raises:
            DestinationError, LibraryOffline: the job copy cannot be made.
            SourceError: nothing can be read.
            Cancelled: stopped.
        """
        task, subclient = self._task, self._task.subclient
        # Whatever an earlier try left is of another time: its journal is not gone on with.
        source_key = f"backup:{task.job_id}:{secrets.token_hex(8)}"
        self._writer = task.library.write_job(
            task.place, self._header(self._started_at), source_key=source_key
        )
        self._volumes = Volumes(self._writer, subclient.volume_bytes, time.time_ns())
        self._index_stream = new_index_file(task.home, task.job_id)
        index = IndexWriter(self._index_stream, self._index_header())
        archiving = Archiving(
            self._volumes,
            level=subclient.compression_level,
            threads=subclient.compression_threads,
            cancel=self._cancel,
            throttle=self._throttle,
            progress=self._progress,
        )
        try:
            stream = TarStream(archiving.deliver)
            packer = Packer(
                self._content(), task.job_id, stream, index, base=task.base, pulse=self._pulse
            )
            result = packer.run()
            tar_bytes = stream.finish()
        except BaseException:
            archiving.abandon()
            raise
        archiving.finish()
        self._archived = result.archived
        self._end = index.finish(
            archiving.frames,
            tar_bytes=tar_bytes,
            volumes=self._volumes.volumes,
            volume_bytes=subclient.volume_bytes,
            archived=result.archived,
        )
        self.amount = Amount(files=self._end.files, size_bytes=self._end.size_bytes)
        return result

    def publish(self) -> Packed:
        """Makes it a job copy; the index is durable here before.

        Raises:
            DestinationError, LibraryOffline: nothing is published.
        """
        task = self._task
        if self._writer is None or self._volumes is None or self._index_stream is None:
            raise AssertionError("a backup is packed before it is published")
        self._volumes.add_index(self._index_stream)
        keep_index(task.home, task.job_id, self._index_stream)
        header = self._header(task.clock())
        entries: list[Entry] = list(self._volumes.entries)
        digest = self._writer.publish(header, entries)
        self._is_published = True
        return Packed(
            header=header,
            manifest_digest=digest,
            files=self._archived,
            amount=self.amount,
            **_facts(entries),
        )

    def close(self) -> None:
        """Lets everything go; what is not published is removed, here and in the library."""
        if self._index_stream is not None:
            self._index_stream.close()
        if self._writer is None:
            return
        if self._volumes is not None:
            self._volumes.close()
        if self._is_published:
            self._writer.close()
            return
        with suppress(AuxError):  # the library may be gone; the next backup of this id begins anew
            self._writer.discard()
        with suppress(FileNotFoundError):
            os.unlink(self._task.home.index(self._task.job_id))

    def _pulse(self, path: bytes) -> None:
        self._cancel.raise_if_cancelled()
        self._progress.begin(path)

    def _content(self) -> Content:
        subclient = self._task.subclient
        return Content(
            paths=subclient.content,
            exclude=subclient.exclude,
            one_file_system=subclient.one_file_system,
            left_out=never_content(self._task.home, self._task.library_urls),
        )

    def _header(self, completed_at: datetime) -> ManifestHeader:
        task = self._task
        return ManifestHeader(
            backup_job_id=task.job_id,
            commcell_id=task.commcell_id,
            commcell=task.commcell,
            policy=task.place.policy,
            client=task.subclient.client,
            subclient=task.subclient.name,
            level=task.level,
            kind=SubclientKind.CONTENT,
            started_at=self._started_at.isoformat(),
            completed_at=completed_at.isoformat(),
            adopted_at=completed_at.isoformat(),
            cycle=task.cycle,
        )

    def _index_header(self) -> IndexHeader:
        task, subclient = self._task, self._task.subclient
        return IndexHeader(
            backup_job_id=task.job_id,
            commcell_id=task.commcell_id,
            client=subclient.client,
            subclient=subclient.name,
            level=task.level,
            cycle=task.cycle,
            based_on=0 if task.base is None else task.base.header.backup_job_id,
            started_at=self._started_at.isoformat(),
            content=subclient.content,
            exclude=subclient.exclude,
            one_file_system=subclient.one_file_system,
            frame_bytes=FRAME_BYTES,
        )


def never_content(home: Home, library_urls: tuple[str, ...]) -> frozenset[Identity]:
    """Directories that no backup takes in: it would back itself up."""
    found: set[Identity] = set()
    local = [url.removeprefix("file://") for url in library_urls]
    for path in [str(home.path), *(path for path in local if path.startswith("/"))]:
        with suppress(OSError):  # an unmounted library is in nobody's way
            look = os.stat(path)
            found.add((look.st_dev, look.st_ino))
    return frozenset(found)


def discard_partial(library: Library, place: Place, job_id: int) -> None:
    """Removes an unpublished job copy that nobody goes on with; one that cannot go now stays."""
    header = ManifestHeader(
        backup_job_id=job_id,
        commcell_id="",
        commcell="",
        policy=place.policy,
        client="",
        subclient="",
        level=Level.FULL,
        kind=SubclientKind.CONTENT,
        started_at="",
        completed_at="",
        adopted_at="",
    )
    with suppress(AuxError):
        library.write_job(place, header, source_key=f"discard:{job_id}").discard()


def published_before(home: Home, library: Library, place: Place, job_id: int) -> Packed | None:
    """A backup that was published, and then the service was killed; None when there is none.

    Raises:
        AuxError: it is there and cannot be read.
    """
    try:
        reader = library.read_job(place, job_id)
    except NotFoundError:
        return None
    try:
        header, entries = reader.header, list(reader.entries())
        if (index := open_index(home, job_id)) is None:
            fetch_index(home, reader)
            index = open_index(home, job_id)
    finally:
        reader.close()
    if index is None:
        raise NotFoundError(f"the index of backup job {job_id} cannot be read")
    end = index.end
    index.close()
    with suppress(DestinationExists):  # does what the crash may have left undone after the rename
        library.write_job(place, header, source_key="").close()
    return Packed(
        header=header,
        manifest_digest=library.manifest_digest(place, job_id),
        files=end.archived,
        amount=Amount(files=end.files, size_bytes=end.size_bytes),
        **_facts(entries),
    )


def _facts(entries: list[Entry]) -> dict[str, int]:
    files = [entry for entry in entries if isinstance(entry, FileEntry)]
    return {
        "size_bytes": sum(entry.size for entry in files),
        "chunks": sum(len(entry.chunks) for entry in files),
    }
