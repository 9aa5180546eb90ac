"""A library in an object store: `s3://bucket/prefix?…`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.library import layout
from engine.library.blame import on_destination as on_disk
from engine.library.discovery import Discovered
from engine.library.interface import LibraryIdentity, Place, Probe
from engine.library.journal import Journal, JournalContent, JournalHeader
from engine.library.objects.address import S3Address, parse_address
from engine.library.objects.erasing import Upload
from engine.library.objects.faults import on_destination, on_source
from engine.library.objects.files import Job
from engine.library.objects.jobhome import JobHome, LibraryHome
from engine.library.objects.keys import JobKeys, copy_prefix, job_base
from engine.library.objects.listing import Ids, generations_of, ids_of, places_in, sent_bytes
from engine.library.objects.notes import GENERATION, Notes, read_notes
from engine.library.objects.publishing import (
    Publication,
    abandoned,
    clean,
    remove_generation,
    take_away,
    taken,
)
from engine.library.objects.reading import Manifest, ObjectJobReader, fetch_manifest
from engine.library.objects.resuming import arrived
from engine.library.objects.root import Root
from engine.library.objects.trying import try_out
from engine.library.objects.writer import ObjectJobWriter
from engine.library.proof import AFRESH, resumption
from engine.library.trying import Step
from engine.model.entries import ManifestHeader
from engine.model.errors import DestinationRefused, ManifestError, NotFoundError
from engine.model.names import shown

ABANDONED_AFTER = timedelta(days=7)  # another host may be at work on it


def _go_on() -> None:
    """The checkpoint of a caller that never stops."""


class ObjectLibrary:
    """`Library` and `Discovery` in a bucket.

    Args:
        name: of the library in the site file.
        address: where it lies.
        home: `AUXTUI_HOME`, for journals; None for whoever only looks.
        uuid: what its marker must say; empty while that is not known.
        commcell_id: whose library it is.
    """

    def __init__(
        self, name: str, address: S3Address, *, home: Path | None, uuid: str, commcell_id: str
    ) -> None:
        self._root = Root(name, address, home, uuid, commcell_id)
        self._address = address
        self._connection = self._root.connection
        self._lock_until: datetime | None = None

    @classmethod
    def of_url(
        cls, name: str, url: str, *, home: Path | None, uuid: str, commcell_id: str
    ) -> ObjectLibrary:
        """Opens by a URL; touches nothing yet.

        Raises:
            UsageError: it cannot be understood.
        """
        address = parse_address(name, url)
        return cls(name, address, home=home, uuid=uuid, commcell_id=commcell_id)

    @property
    def name(self) -> str:
        """See `Library`."""
        return self._root.name

    def locked_until(self, until: datetime) -> ObjectLibrary:
        """See `LockingLibrary`; the same when the URL asks for no locks."""
        if not self._address.object_lock:
            return self
        locking = copy.copy(self)
        locking._lock_until = until
        return locking

    @property
    def latency_s(self) -> float:
        """Of the quickest recent answer; 0 before there was one."""
        return self._connection.store.latency_s or 0.0

    def initialise(self, identity: LibraryIdentity) -> LibraryIdentity:
        """See `Library`."""
        return self._root.initialise(identity)

    def probe(self) -> Probe:
        """See `Library`; a store has no end that it could tell."""
        identity = self._root.require()
        with self._root.in_use("try out"):
            line = self._root.line()
        return Probe(identity=identity, free_bytes=None, total_bytes=None, line=line)

    def try_out(self, *, is_marked: bool = True) -> list[Step]:
        """See `TriesOut`."""
        if is_marked:
            self._root.require()
        with self._root.in_use("try out"):
            sender = self._root.sender()
        steps = self._connection.run(try_out(sender))
        if self._address.object_lock:
            self._require_object_lock()
        return steps

    def identity(self) -> LibraryIdentity:
        """See `Discovery`."""
        return self._root.any_identity()

    def copies(self) -> Iterator[Discovered]:
        """See `Discovery`."""
        with self._root.in_use("list"):
            places = self._connection.run(places_in(self._connection.store))
        for place in places:
            published, ids = self._ids(place)
            partial = set(ids) - set(published)
            yield Discovered(
                place=place, job_ids=tuple(published), partial_ids=tuple(sorted(partial))
            )

    def published(self, place: Place) -> list[int]:
        """See `Library`."""
        self._root.require()
        return self._ids(place).published

    def partial(self, place: Place) -> list[int]:
        """See `Library`: what has a journal here, or data and no manifest there."""
        home = self._root.library_home(self._root.require().uuid)
        published, ids = self._ids(place)
        return sorted({*home.unfinished(place), *ids} - set(published))

    def occupied_bytes(self, place: Place, job_id: int) -> int:
        """See `Library`."""
        home = self._root.library_home(self._root.require().uuid)
        with self._root.in_use("look at"):
            generations = self._generations(place, job_id)
            keys = JobKeys(job_base(self._address, place, job_id), max(generations, default=0) + 1)
            sent = self._connection.run(sent_bytes(self._connection.store, keys))
        return sent + home.staged_bytes(place, job_id)

    def read_job(self, place: Place, job_id: int) -> ObjectJobReader:
        """See `Library`."""
        keys, manifest = self._manifest(place, job_id)
        if manifest.header.backup_job_id != job_id:
            manifest.close()
            raise ManifestError(
                f"the manifest of {_where(place, job_id)} is of backup job "
                f"{manifest.header.backup_job_id}",
                hint="somebody renamed or swapped job copies there: look at them",
            )
        return ObjectJobReader(self._connection, keys, manifest)

    def write_job(
        self,
        place: Place,
        header: ManifestHeader,
        *,
        source_key: str,
        checkpoint: Callable[[], None] = _go_on,
        replace: bool = False,
    ) -> ObjectJobWriter:
        """See `Library`."""
        home = self._root.library_home(self._root.require().uuid)
        job_id = header.backup_job_id
        claimed = home.claim(place, job_id)
        try:
            with (
                on_destination("begin", claimed.where),
                on_disk("begin", claimed.where),
            ):
                self._sweep(home, place)
                content = claimed.journal()
                notes = read_notes(content.notes) if content else Notes()
                generations = self._generations(place, job_id)
                job = self._job(claimed, place, job_id, generations, checkpoint)
                self._look_for_published(job, generations, notes, replace=replace)
                return self._begun(job, generations, content, notes, header, source_key)
        except BaseException:
            claimed.close()
            raise

    def manifest_digest(self, place: Place, job_id: int) -> bytes:
        """See `Library`."""
        _, manifest = self._manifest(place, job_id)
        try:
            return manifest.digest()
        finally:
            manifest.close()

    def remove_job(self, place: Place, job_id: int) -> None:
        """See `Library`: the manifest first, then the data."""
        self._root.require()
        with self._root.in_use("look at"):
            generations = self._generations(place, job_id)
        if not generations:
            raise self._missing(place, job_id)
        base = job_base(self._address, place, job_id)
        with on_destination("remove", _where(place, job_id)):
            sender = self._root.sender()
            for generation in sorted(generations):
                self._connection.run(remove_generation(sender, JobKeys(base, generation)))

    def _ids(self, place: Place) -> Ids:
        with self._root.in_use("list"):
            return self._connection.run(ids_of(self._connection.store, place))

    def _generations(self, place: Place, job_id: int) -> list[int]:
        return self._connection.run(generations_of(self._connection.store, place, job_id))

    def _manifest(self, place: Place, job_id: int) -> tuple[JobKeys, Manifest]:
        self._root.require()
        where = _where(place, job_id)
        with on_source("read the manifest of", where):
            generations = self._generations(place, job_id)
            if not generations:
                raise self._missing(place, job_id)
            keys = JobKeys(job_base(self._address, place, job_id), max(generations))
            return keys, fetch_manifest(self._connection, keys.manifest, where)

    def _job(
        self,
        home: JobHome,
        place: Place,
        job_id: int,
        generations: list[int],
        checkpoint: Callable[[], None],
    ) -> Job:
        keys = JobKeys(job_base(self._address, place, job_id), max(generations, default=0) + 1)

        async def may_replace() -> None:
            """Data of an earlier try may be overwritten as long as no manifest speaks of it."""
            if keys.generation in await generations_of(self._connection.store, place, job_id):
                raise taken(home.where)

        return Job(
            connection=self._connection,
            sender=self._root.sender(),
            keys=keys,
            home=home,
            checkpoint=checkpoint,
            may_replace=may_replace,
            put_options=self._lock_options(),
            lock_zone=None if self._lock_until is None else self._lock_until.tzinfo,
        )

    def _lock_options(self) -> dict[str, Any]:
        """Of every object of a job copy that shall be locked."""
        if self._lock_until is None or self._lock_until <= datetime.now(UTC):
            return {}
        self._require_object_lock()
        return {
            "ObjectLockMode": self._address.object_lock.upper(),
            "ObjectLockRetainUntilDate": self._lock_until.astimezone(UTC).replace(microsecond=0),
        }

    def _require_object_lock(self) -> None:
        if not self._root.can_lock():
            raise DestinationRefused(
                f"cannot lock what goes to library {self.name}: the bucket "
                f"{shown(self._address.bucket)} has no object lock",
                hint="make a bucket with object lock, or take object_lock out of the URL",
            )

    def _look_for_published(
        self, job: Job, generations: list[int], notes: Notes, *, replace: bool
    ) -> None:
        """Finishes what was killed after its manifest was put.

        Raises:
            DestinationExists: it is published, and nobody asked for another.
        """
        if not generations:
            return
        if notes.publishing and notes.generation == max(generations):  # it took its place
            older = [number for number in generations if number != max(generations)]
            self._connection.run(take_away(job, older), job.checkpoint)
            job.home.remove()
            raise taken(job.home.where)
        if not replace:
            if notes.generation <= max(generations):
                job.home.remove()
            raise taken(job.home.where)

    def _begun(
        self,
        job: Job,
        generations: list[int],
        content: JournalContent | None,
        notes: Notes,
        header: ManifestHeader,
        source_key: str,
    ) -> ObjectJobWriter:
        wanted = JournalHeader(
            backup_job_id=header.backup_job_id, source_key=source_key, boot_id=""
        )
        publication = Publication(job, generations, self._root.look_again)
        is_same = content is not None and content.header.is_for_same_source(wanted)
        if content is None or not is_same or notes.generation != job.keys.generation:
            job.home.wipe()
            self._connection.run(clean(job), job.checkpoint)
            begin = [{GENERATION: job.keys.generation}]
            journal = Journal.begin(job.home.fd, wanted, notes=begin)
            return ObjectJobWriter(job, journal, AFRESH, {}, publication)
        found = arrived(job, content, notes)
        journal = Journal.go_on(job.home.fd, content.header)
        for path in content.chunks.keys() - found.chunks.keys():
            journal.drop(path)
        return ObjectJobWriter(
            job, journal, resumption(content, found.chunks), found.files, publication
        )

    def _sweep(self, home: LibraryHome, place: Place) -> None:
        """Ends uploads that have no journal here and are so old that nobody has one."""
        prefix = copy_prefix(self._address, place)
        before = datetime.now(UTC) - ABANDONED_AFTER
        ours = set(home.unfinished(place))

        def is_abandoned(upload: Upload) -> bool:
            job_id = layout.job_id_of(upload.key[len(prefix) :].partition("/")[0].encode())
            is_old = upload.begun_at is not None and upload.begun_at < before
            return job_id is not None and job_id not in ours and is_old

        self._connection.run(abandoned(self._connection.store, prefix, is_abandoned))

    def _missing(self, place: Place, job_id: int) -> NotFoundError:
        return NotFoundError(f"there is no {_where(place, job_id)} in library {self.name}")


def _where(place: Place, job_id: int) -> str:
    return shown(f"{place.policy}/{place.copy}/{job_id}")
