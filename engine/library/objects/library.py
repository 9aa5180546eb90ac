"""A library in an object store: `s3://bucket/prefix?…`."""

from __future__ import annotations

import asyncio
import copy
import io
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.library import layout
from engine.library.blame import on_destination as on_disk
from engine.library.discovery import Discovered
from engine.library.interface import LibraryIdentity, Place, Probe
from engine.library.journal import Journal, JournalContent, JournalHeader
from engine.library.line import LineState
from engine.library.marker import MAX_MARKER_BYTES, Marker, identity_of
from engine.library.objects.address import S3Address, parse_address
from engine.library.objects.capabilities import Capabilities, capabilities_from, find_out
from engine.library.objects.connection import Connection, connection_to
from engine.library.objects.erasing import (
    Upload,
    names_below,
    objects_below,
    parts_of_upload,
    uploads_below,
)
from engine.library.objects.faults import Kind, StoreFault, on_destination, on_source
from engine.library.objects.files import Job
from engine.library.objects.jobhome import JobHome, LibraryHome
from engine.library.objects.keys import (
    MARKER,
    JobKeys,
    copy_prefix,
    generation_of,
    job_base,
)
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
from engine.library.objects.resuming import resumed
from engine.library.objects.sending import Sender, digests_of
from engine.library.objects.writer import ObjectJobWriter
from engine.model.entries import ManifestHeader
from engine.model.errors import (
    DestinationExists,
    DestinationWrite,
    LibraryOffline,
    ManifestError,
    NotFoundError,
)
from engine.model.names import shown

ABANDONED_AFTER = timedelta(days=7)  # another host may be at work on it
_LISTS_AT_ONCE = 16


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
        self._name = name
        self._address = address
        self._home = home
        self._marker = Marker(name, address.root.encode(), uuid, commcell_id)
        self._connection: Connection = connection_to(address)
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
        return self._name

    def locked_until(self, until: datetime) -> ObjectLibrary:
        """See `LockingLibrary`; the same when the URL asks for no locks."""
        if not self._address.object_lock:
            return self
        locking = copy.copy(self)
        locking._lock_until = until
        return locking

    def initialise(self, identity: LibraryIdentity) -> LibraryIdentity:
        """See `Library`."""
        with self._in_use("look for the marker in"):
            found = self._read_marker()
            if found is None:
                found = self._write_marker(identity)
        self._marker.uuid = found.uuid
        return found

    def probe(self) -> Probe:
        """See `Library`; a store has no end that it could tell."""
        identity = self._require()
        with self._in_use("try out"):
            caps = self._capabilities()
        return Probe(identity=identity, free_bytes=None, total_bytes=None, line=self._line(caps))

    def identity(self) -> LibraryIdentity:
        """See `Discovery`."""
        with self._in_use("read the marker of"):
            text = self._marker_text()
        found = identity_of(text) if text is not None else None
        if found is None:
            what = "its marker is damaged" if text else "there is no marker of a library there"
            raise self._offline(what)
        return found

    def copies(self) -> Iterator[Discovered]:
        """See `Discovery`."""
        with self._in_use("list"):
            places = self._connection.run(self._places())
        for place in places:
            published, ids = self._ids(place)
            partial = set(ids) - set(published)
            yield Discovered(
                place=place, job_ids=tuple(published), partial_ids=tuple(sorted(partial))
            )

    def published(self, place: Place) -> list[int]:
        """See `Library`."""
        self._require()
        return self._ids(place)[0]

    def partial(self, place: Place) -> list[int]:
        """See `Library`: what has a journal here, or data and no manifest there."""
        home = self._library_home(self._require().uuid)
        published, ids = self._ids(place)
        return sorted({*home.unfinished(place), *ids} - set(published))

    def occupied_bytes(self, place: Place, job_id: int) -> int:
        """See `Library`."""
        home = self._library_home(self._require().uuid)
        with self._in_use("look at"):
            generations = self._generations(place, job_id)
            keys = JobKeys(job_base(self._address, place, job_id), max(generations, default=0) + 1)
            sent = self._connection.run(self._sent_bytes(keys))
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
        home = self._library_home(self._require().uuid)
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
        self._require()
        with self._in_use("look at"):
            generations = self._generations(place, job_id)
        if not generations:
            raise self._missing(place, job_id)
        base = job_base(self._address, place, job_id)
        with on_destination("remove", _where(place, job_id)):
            sender = self._sender()
            for generation in sorted(generations):
                self._connection.run(remove_generation(sender, JobKeys(base, generation)))

    # -- the marker

    def _require(self) -> LibraryIdentity:
        with self._in_use("read the marker of"):
            found = self._read_marker()
        if found is None:
            raise self._marker.absent()
        self._marker.uuid = found.uuid
        return found

    def _read_marker(self) -> LibraryIdentity | None:
        text = self._marker_text()
        if text is None:
            return None
        return self._marker.judged(text)

    def _marker_text(self) -> bytes | None:
        return self._connection.run(self._fetch_marker())

    async def _fetch_marker(self) -> bytes | None:
        text = bytearray()

        def begin() -> Callable[[bytes], object]:
            text.clear()
            return text.extend

        key = self._address.key(MARKER)
        try:
            await self._connection.store.whole(key, begin)
        except StoreFault as fault:
            if fault.code == "NoSuchBucket" or fault.kind is not Kind.MISSING:
                raise
            return None
        return bytes(text[:MAX_MARKER_BYTES])

    def _write_marker(self, identity: LibraryIdentity) -> LibraryIdentity:
        self._marker.refuse_marked_before()
        text = json.dumps(asdict(identity), indent=2).encode("ascii") + b"\n"
        sender = Sender(self._connection.store, self._capabilities(identity.uuid))

        async def keep() -> None:
            raise StoreFault(Kind.EXISTS)

        digests = digests_of(memoryview(text), with_md5=sender.caps.needs_md5)
        with suppress(DestinationExists):
            try:
                self._connection.run(
                    sender.put(
                        self._address.key(MARKER), io.BytesIO(text), digests, may_replace=keep
                    )
                )
            except StoreFault as fault:
                if fault.kind is not Kind.EXISTS:  # another service was faster: its marker counts
                    raise
        found = self._read_marker()
        if found is None:
            raise self._offline("the marker that was written is not there")
        return found

    # -- what the store can do

    def _capabilities(self, uuid: str = "") -> Capabilities:
        """From this process, from the home, or found out now and kept in both."""
        known = self._connection.capabilities
        if known is not None:
            return known
        uuid = uuid or self._marker.uuid
        home = self._library_home(uuid) if uuid and self._home is not None else None
        found = capabilities_from(home.capabilities()) if home else None
        if found is None:
            found = self._connection.run(find_out(self._connection.store))
            if home is not None:
                home.remember(found.document())
        self._connection.capabilities = found
        return found

    def _library_home(self, uuid: str) -> LibraryHome:
        if self._home is None:
            raise ValueError("a library that was opened to be looked at is used for more")
        return LibraryHome(bytes(self._home), uuid)

    def _sender(self) -> Sender:
        return Sender(self._connection.store, self._capabilities())

    def _line(self, caps: Capabilities) -> LineState:
        store = self._connection.store
        return LineState(
            transport="s3",
            peer=self._address.endpoint or "Amazon S3",
            latency_s=store.latency_s,
            connections=0,
            offers=caps.offers(),
            lacks=caps.lacks(),
        )

    # -- what is there

    def _ids(self, place: Place) -> tuple[list[int], list[int]]:
        """Ids of what is published, and of all that has anything there."""
        with self._in_use("list"):
            return self._connection.run(self._listed_ids(place))

    async def _listed_ids(self, place: Place) -> tuple[list[int], list[int]]:
        names = await names_below(self._connection.store, copy_prefix(self._address, place))
        found = (layout.job_id_of(name.encode()) for name in names)
        ids = sorted(job_id for job_id in found if job_id is not None)
        gate = asyncio.Semaphore(_LISTS_AT_ONCE)

        async def is_published(job_id: int) -> bool:
            async with gate:
                return bool(await self._listed_generations(place, job_id))

        answers = await asyncio.gather(*(is_published(job_id) for job_id in ids))
        return [job_id for job_id, there in zip(ids, answers, strict=True) if there], ids

    def _generations(self, place: Place, job_id: int) -> list[int]:
        return self._connection.run(self._listed_generations(place, job_id))

    async def _listed_generations(self, place: Place, job_id: int) -> list[int]:
        base = job_base(self._address, place, job_id)
        there = await objects_below(self._connection.store, base + "manifest")
        found = (generation_of(key[len(base) :]) for key in there)
        return sorted(number for number in found if number is not None)

    async def _places(self) -> list[Place]:
        store, places = self._connection.store, []
        for policy in await names_below(store, self._address.key("")):
            if layout.is_directory_name(policy.encode()):
                copies = await names_below(store, self._address.key(policy, ""))
                places += [
                    Place(policy, copy)
                    for copy in copies
                    if layout.is_directory_name(copy.encode())
                ]
        return places

    async def _sent_bytes(self, keys: JobKeys) -> int:
        store = self._connection.store
        count = sum(sent.size for sent in (await objects_below(store, keys.data)).values())
        for upload in await uploads_below(store, keys.data):
            parts = await parts_of_upload(store, upload.key, upload.id) or {}
            count += sum(part.size for part in parts.values())
        return count

    def _manifest(self, place: Place, job_id: int) -> tuple[JobKeys, Manifest]:
        self._require()
        where = _where(place, job_id)
        with on_source("read the manifest of", where):
            generations = self._generations(place, job_id)
            if not generations:
                raise self._missing(place, job_id)
            keys = JobKeys(job_base(self._address, place, job_id), max(generations))
            return keys, fetch_manifest(self._connection, keys.manifest, where)

    # -- a job copy that is begun

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
            if keys.generation in await self._listed_generations(place, job_id):
                raise taken(home.where)

        return Job(
            connection=self._connection,
            sender=self._sender(),
            keys=keys,
            home=home,
            checkpoint=checkpoint,
            may_replace=may_replace,
            put_options=self._lock_options(),
        )

    def _lock_options(self) -> dict[str, Any]:
        """Of every object of a job copy that shall be locked."""
        if self._lock_until is None or self._lock_until <= datetime.now(UTC):
            return {}
        if not self._capabilities().object_lock:
            raise DestinationWrite(
                f"cannot lock what goes to library {self._name}: the bucket "
                f"{shown(self._address.bucket)} has no object lock",
                hint="make a bucket with object lock, or take object_lock out of the URL",
            )
        return {
            "ObjectLockMode": self._address.object_lock.upper(),
            "ObjectLockRetainUntilDate": self._lock_until.replace(microsecond=0),
        }

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
        publication = Publication(job, generations, self._marked)
        is_same = content is not None and content.header.is_for_same_source(wanted)
        if content is None or not is_same or notes.generation != job.keys.generation:
            job.home.wipe()
            self._connection.run(clean(job), job.checkpoint)
            begin = [{GENERATION: job.keys.generation}]
            journal = Journal.begin(job.home.fd, wanted, notes=begin)
            return ObjectJobWriter(job, journal, {}, {}, {}, publication)
        found = resumed(job, content, notes)
        journal = Journal.go_on(job.home.fd, content.header)
        for path in content.chunks.keys() - found.chunks.keys():
            journal.drop(path)
        warnings = []
        if content.damaged:
            warnings.append(
                f"{content.damaged} lines of the journal were damaged: their chunks are copied again"
            )
        return ObjectJobWriter(job, journal, *found, publication, warnings)

    async def _marked(self) -> None:
        text = await self._fetch_marker()
        if text is None:
            raise self._marker.absent()
        self._marker.judged(text)

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

    # -- errors

    def _in_use(self, doing: str) -> Any:
        return _Offline(self, doing)

    def _offline(self, why: str, hint: str = "") -> LibraryOffline:
        return LibraryOffline(
            f"library {self._name} at {self._address.root} is offline: {why}",
            hint=hint or "look at the bucket, or correct the URL in the site file",
        )

    def offline_for(self, fault: StoreFault, doing: str) -> LibraryOffline:
        """What fails there speaks against the library, not against any backup job."""
        return LibraryOffline(
            f"library {self._name} cannot be used: cannot {doing} {self._address.root}: "
            f"{fault.text}",
            hint=fault.hint,
        )

    def _missing(self, place: Place, job_id: int) -> NotFoundError:
        return NotFoundError(f"there is no {_where(place, job_id)} in library {self._name}")


class _Offline:
    """Raises every `StoreFault` of a block as `LibraryOffline`."""

    def __init__(self, library: ObjectLibrary, doing: str) -> None:
        self._library = library
        self._doing = doing

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, StoreFault):
            raise self._library.offline_for(error, self._doing) from error


def _where(place: Place, job_id: int) -> str:
    return shown(f"{place.policy}/{place.copy}/{job_id}")
