"""Publishes a job copy in an object store, in this order and no other.

1. the manifest is written beside the journal, which proves that the entries make one tree;
2. empty and staged files are put; every file of the job is listed there with the size and the
   entity tag that it arrived with; what the manifest does not have is taken away;
3. the marker of the library is looked at;
4. the journal says which manifest comes; the manifest is put, never in place of another;
5. what it takes the place of is taken away: its manifest first, then its data;
6. the journal goes.

Killed between 4 and 6, the manifest is there: the next try does what is left.
"""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from engine.library import layout
from engine.library.beneath import open_own_file
from engine.library.blame import on_destination as on_disk
from engine.library.durable_file import write_aside
from engine.library.journal import Journal
from engine.library.manifest import entry_order, write_manifest
from engine.library.objects.capabilities import Capabilities
from engine.library.objects.erasing import (
    LOCKED,
    Upload,
    abort,
    erase,
    erase_below,
    objects_below,
    uploads_below,
)
from engine.library.objects.faults import Kind, StoreFault, on_destination
from engine.library.objects.files import Job, StagedFile, StraightFile
from engine.library.objects.keys import JobKeys
from engine.library.objects.notes import PUBLISHING
from engine.library.objects.parts import WHOLE_BYTES, Parts, part_bytes_for
from engine.library.objects.sending import Digests, Sent, digests_of
from engine.model.entries import Entry, FileEntry, ManifestHeader
from engine.model.errors import DestinationExists, DestinationWrite
from engine.model.names import shown

LOCK_OPTIONS = ("ObjectLockMode", "ObjectLockRetainUntilDate")
_PAGE = 1000
_LOOKS_AT_ONCE = 16


class Publication:
    """One publication of one job copy.

    Args:
        job: all chunks of it have arrived.
        older: generations that it takes the place of.
        require_marker: awaited before the manifest is put; raises when the library is another.
    """

    def __init__(
        self, job: Job, older: Sequence[int], require_marker: Callable[[], Awaitable[object]]
    ) -> None:
        self._job = job
        self._older = older
        self._require_marker = require_marker
        self._digest = b""

    def prepare(self, header: ManifestHeader, entries: Sequence[Entry]) -> None:
        """Writes the manifest beside the journal.

        Raises:
            ManifestError: the entries do not make a tree.
            DestinationError: it cannot be written.
        """
        ordered = sorted(entries, key=entry_order)
        plain = map(_as_published, ordered)
        digests: list[bytes] = []
        with on_disk("write the manifest of", self._job.home.where):
            write_aside(
                layout.MANIFEST,
                lambda stream: digests.append(write_manifest(stream, header, plain)),
                parent=self._job.home.fd,
            )
        self._digest = digests[0]

    def publish(
        self, files: Sequence[tuple[StraightFile | StagedFile, int]], journal: Journal
    ) -> bytes:
        """Does the rest; returns the BLAKE3 of the manifest.

        Args:
            files: every file of the backup job, and its size.

        Raises:
            DestinationError, LibraryOffline: nothing is published, or not for certain.
        """
        where, run = self._job.home.where, self._job.connection.run
        with on_destination("publish", where), on_disk("publish", where):
            expected = {file.key: self._arrived(file, size) for file, size in files}
            run(self._look(expected), self._job.checkpoint)
            run(require_locked(self._job, list(expected)), self._job.checkpoint)
            run(self._marked(), self._job.checkpoint)
            journal.append([], [{PUBLISHING: self._digest.hex()}])
            self._put_manifest()
            run(require_locked(self._job, [self._job.keys.manifest]), self._job.checkpoint)
            run(take_away(self._job, self._older), self._job.checkpoint)
        return self._digest

    def discard(self) -> None:
        """Takes away what was sent.

        Raises:
            DestinationError, LibraryOffline: not all of it could be.
        """
        with on_destination("remove", self._job.home.where):
            self._job.connection.run(clean(self._job), self._job.checkpoint)

    def _arrived(self, file: StraightFile | StagedFile, size: int) -> Sent:
        """What must lie in the store; sends what was not sent yet."""
        if isinstance(file, StagedFile):
            return Sent(file.etag, "", size) if file.etag else self.send(file, size)
        if not file.etag and not file.parts.size:
            file.write_whole(memoryview(b""))
            file.sync()
        return Sent(file.etag, "", file.parts.size)

    def send(self, file: StagedFile, size: int) -> Sent:
        """Sends a staged file as it is now.

        Raises:
            StoreFault, OSError: it could not be.
        """
        return self._send(file.key, file.fd(), size)

    async def _marked(self) -> None:
        await self._require_marker()

    async def _look(self, expected: Mapping[str, Sent]) -> None:
        store, keys = self._job.connection.store, self._job.keys
        there = await objects_below(store, keys.data)
        for key, sent in expected.items():
            found = there.pop(key, None)
            if found is None or found.size != sent.size or found.etag != sent.etag:
                raise DestinationWrite(
                    f"cannot publish {shown(key)}: what lies in the store is not what was sent",
                    hint="something else writes or deletes there: look at who may",
                )
        left = [{"Key": key} for key in there]
        for start in range(0, len(left), _PAGE):
            await erase(store, left[start : start + _PAGE])
        await abort(store, await uploads_below(store, keys.data))

    def _put_manifest(self) -> None:
        fd = open_own_file(
            layout.MANIFEST + layout.ASIDE_SUFFIX, parent=self._job.home.fd, write=False
        )
        try:
            self._send(self._job.keys.manifest, fd, os.fstat(fd).st_size, is_manifest=True)
        finally:
            os.close(fd)

    def _send(self, key: str, fd: int, size: int, *, is_manifest: bool = False) -> Sent:
        """Sends a local file; a manifest never in place of anything."""
        job, sender = self._job, self._job.sender
        allow = self._refuse if is_manifest else job.may_replace
        if size <= WHOLE_BYTES:
            body = io.BytesIO(os.pread(fd, size, 0))
            digests = _digests(body, sender.caps)
            work = self._put_whole(key, body, digests, allow, is_manifest=is_manifest)
            return job.connection.run(work, job.checkpoint)
        parts = Parts(size, part_bytes_for(size))
        upload = job.connection.run(sender.begin(key, **job.put_options), job.checkpoint)
        sent: dict[int, Sent] = {}
        for number in range(1, parts.count + 1):
            body = io.BytesIO(os.pread(fd, parts.length(number), parts.start(number)))
            work = sender.put_part(key, upload, number, body, _digests(body, sender.caps))
            sent[number] = job.connection.run(work, job.checkpoint)
        finish = self._finish(key, upload, sent, allow, is_manifest=is_manifest)
        return Sent(job.connection.run(finish, job.checkpoint), "", size)

    async def _put_whole(
        self,
        key: str,
        body: io.BytesIO,
        digests: Digests,
        allow: Callable[[], Any],
        *,
        is_manifest: bool,
    ) -> Sent:
        job = self._job
        if is_manifest and not job.sender.caps.conditional_put and await _is_there(job, key):
            await allow()
        return await job.sender.put(key, body, digests, may_replace=allow, **job.put_options)

    async def _finish(
        self,
        key: str,
        upload: str,
        sent: Mapping[int, Sent],
        allow: Callable[[], Any],
        *,
        is_manifest: bool,
    ) -> str:
        sender, only_new = self._job.sender, self._job.sender.caps.conditional_complete
        if is_manifest and not only_new and await _is_there(self._job, key):
            await allow()
        try:
            return await sender.complete(key, upload, sent, only_new=only_new)
        except StoreFault as fault:
            if fault.kind is not Kind.EXISTS:
                raise
            await allow()
        return await sender.complete(key, upload, sent, only_new=False)

    async def _refuse(self) -> None:
        raise taken(self._job.home.where)


def _as_published(entry: Entry) -> Entry:
    """An entry as the manifest there has it: without the inodes of its source."""
    if isinstance(entry, FileEntry) and entry.identity is not None:
        return replace(entry, identity=None)
    return entry


async def require_locked(job: Job, keys: Sequence[str]) -> None:
    """Asks the store whether objects are locked as they were put.

    Raises:
        DestinationWrite: one is not.
        StoreFault: the store cannot be asked.
    """
    mode, until = (job.put_options.get(name) for name in LOCK_OPTIONS)
    if mode is None or until is None:
        return
    gate, store = asyncio.Semaphore(_LOOKS_AT_ONCE), job.connection.store
    zone = job.lock_zone or UTC

    async def look(key: str) -> None:
        async with gate:
            if await is_locked(key):
                return
            lock = {"Mode": mode, "RetainUntilDate": until}
            with suppress(StoreFault):  # what counts is what the store says then
                await store.call("put_object_retention", Key=key, Retention=lock)
            if await is_locked(key):
                return
            raise DestinationWrite(
                f"cannot lock {shown(key)}: the store was asked to keep it in {mode} mode until "
                f"{until.astimezone(zone):%Y-%m-%d %H:%M} {zone}, and does not",
                hint="look at the object lock of the bucket, and at what these credentials may do",
            )

    async def is_locked(key: str) -> bool:
        found = await store.call("head_object", Key=key)
        end = found.get("ObjectLockRetainUntilDate")
        return found.get("ObjectLockMode") == mode and isinstance(end, datetime) and end >= until

    await asyncio.gather(*(look(key) for key in keys))


async def take_away(job: Job, generations: Sequence[int]) -> None:
    """Takes away older generations: each manifest first, then its data.

    What the store keeps locked is hidden, and its versions stay until their lock ends.

    Raises:
        StoreFault: one cannot be deleted.
    """
    for generation in sorted(generations):
        keys = JobKeys(job.keys.base, generation)
        try:
            await remove_generation(job.sender, keys)
        except StoreFault as fault:
            if fault.text != LOCKED:
                raise
            await erase(job.sender.store, [{"Key": keys.manifest}])
            await erase_below(job.sender.store, keys.data, versioned=False)


async def remove_generation(sender: Any, keys: JobKeys) -> None:
    """Takes away one generation of a job copy; raises as `take_away`."""
    versioned = sender.caps.versioned
    await erase_exactly(sender.store, keys.manifest, versioned=versioned)
    await erase_below(sender.store, keys.data, versioned=versioned)


async def erase_exactly(store: Any, key: str, *, versioned: bool) -> None:
    """Takes away one object; raises as `take_away`."""
    if versioned:
        await erase_below(store, key, versioned=True)
    else:
        await erase(store, [{"Key": key}])


async def clean(job: Job) -> None:
    """Takes away what an unfinished generation has left; raises as `take_away`."""
    store, keys = job.connection.store, job.keys
    await abort(store, await uploads_below(store, keys.data))
    try:
        await erase_below(store, keys.data, versioned=job.sender.caps.versioned)
    except StoreFault as fault:
        if fault.text != LOCKED:
            raise
        await erase_below(store, keys.data, versioned=False)  # locked: out of sight until then


async def abandoned(store: Any, prefix: str, is_ours: Callable[[Upload], bool]) -> None:
    """Ends uploads below a prefix that nobody will go on with; what fails is tried again later."""
    with suppress(StoreFault):
        await abort(store, [one for one in await uploads_below(store, prefix) if is_ours(one)])


def taken(where: bytes) -> DestinationExists:
    """The error that says that the job copy is published already."""
    return DestinationExists(
        f"{where.decode()} is there already",
        hint="it was published before; look at it with `auxtui copies`",
    )


async def _is_there(job: Job, key: str) -> bool:
    try:
        await job.connection.store.call("head_object", Key=key)
    except StoreFault as fault:
        if fault.kind is Kind.MISSING:
            return False
        raise
    return True


def _digests(body: io.BytesIO, caps: Capabilities) -> Digests:
    with _view(body) as view:
        return digests_of(view, with_md5=caps.needs_md5)


@contextmanager
def _view(body: io.BytesIO) -> Iterator[memoryview]:
    view = body.getbuffer()
    try:
        yield view
    finally:
        view.release()
