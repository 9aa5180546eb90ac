"""A file on its way into a store: straight, part by part; or staged first, where chunks are odd.

Thread-safe: several streams write different ranges at once. A part is sent as soon as it is full;
what is being filled is one part a stream, what is under way is bounded by a `Window`.
"""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, NamedTuple

from engine.library.beneath import write_all
from engine.library.blame import on_destination as on_disk
from engine.library.objects.bodies import Body
from engine.library.objects.connection import Checkpoint, Connection, waited
from engine.library.objects.faults import Kind, StoreFault, destination_fault, on_destination
from engine.library.objects.jobhome import JobHome
from engine.library.objects.keys import JobKeys
from engine.library.objects.parts import PART_BYTES, Parts
from engine.library.objects.sending import Digests, Sender, Sent, digests_of, is_same
from engine.model.entries import Chunk
from engine.model.names import RelPath

_LOOKS_AT_ONCE = 32


class Leftover(NamedTuple):
    """An upload of an earlier try of which the journal knows nothing."""

    upload: str
    parts: dict[int, Sent]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What all files of one unfinished job copy have in common."""

    connection: Connection
    sender: Sender
    keys: JobKeys
    home: JobHome
    checkpoint: Checkpoint
    """Called while a call waits for the network."""
    may_replace: Callable[[], Any]
    """Awaited before an object of an earlier try is overwritten."""
    put_options: Mapping[str, Any] = field(default_factory=dict)
    """Of every object: how long it is locked."""
    lock_zone: tzinfo | None = None
    """In which the end of the lock is told."""
    leftovers: dict[str, Leftover] = field(default_factory=dict)
    """By key; a file that begins anew goes on with its own."""

    def wait(self, future: Future[Any], doing: str, where: bytes) -> Any:
        """The result of a request, its fault as the error of a destination."""
        with on_destination(doing, where):
            return waited(future, self.checkpoint)


class _Filling:
    """A part that is being filled.

    Args:
        length: bytes of the part.
    """

    def __init__(self, length: int) -> None:
        self.body = io.BytesIO()
        self._length = length
        self._ranges: list[tuple[int, int]] = []

    def put(self, data: memoryview, at: int) -> bool:
        """Takes a range; True when nothing is missing any more."""
        self.body.seek(at)
        self.body.write(data)
        merged = sorted([*self._ranges, (at, at + len(data))])
        self._ranges = [merged[0]]
        for begin, end in merged[1:]:
            last = self._ranges[-1]
            if begin <= last[1]:
                self._ranges[-1] = (last[0], max(last[1], end))
            else:
                self._ranges.append((begin, end))
        return self._ranges == [(0, self._length)]


class StraightFile:
    """A file whose chunks are whole parts; nothing of it touches a disk here.

    Args:
        job: of the file.
        path: of the file.
        parts: how it is cut.
    """

    def __init__(self, job: Job, path: RelPath, parts: Parts) -> None:
        self.path = path
        self.parts = parts
        self.key = job.keys.of(path)
        self.upload = ""
        """Id of the multipart upload; empty before it is begun, and for a file put at once."""
        self.sent: dict[int, Sent] = {}
        """Parts that arrived and were waited for."""
        self.known: dict[int, Sent] = {}
        """Parts that an earlier try left there; not sent again when they are the same."""
        self.etag = ""
        """Of the object, once there is one."""
        self._job = job
        self._filling: dict[int, _Filling] = {}
        self._under_way: dict[int, Future[Sent]] = {}
        self._lock = threading.Lock()
        self._beginning = asyncio.Lock()
        left = None if parts.is_whole else job.leftovers.pop(self.key, None)
        if left is not None:
            self.upload, self.known = left

    def write(self, data: memoryview, offset: int) -> None:
        """Takes a range; sends every part that it fills.

        Raises:
            DestinationError, LibraryOffline: a part sent before did not arrive.
        """
        data = data.cast("B")
        at = 0
        while at < len(data):
            number = self.parts.number_at(offset + at)
            inside = offset + at - self.parts.start(number)
            count = min(len(data) - at, self.parts.length(number) - inside)
            self._put(number, data[at : at + count], inside)
            at += count

    def write_whole(self, data: memoryview) -> Future[Sent]:
        """Starts to put a small file at once; for a batch."""
        digests = self._digests(data)
        future = self._job.connection.submit(self._send(1, io.BytesIO(data), digests, None))
        with self._lock:
            self._under_way[1] = future
        return future

    def ready(self, data: memoryview) -> Ready:
        """A small file, hashed, to be put at once; blocking."""
        return Ready(self, data.cast("B"), self._digests(data))

    async def put(self, body: memoryview, digests: Digests) -> None:
        """Puts a small file at once; on the loop.

        Raises:
            DestinationError, LibraryOffline: it has not arrived.
        """
        try:
            sent = await self._put_whole(body, digests)
        except StoreFault as fault:
            raise destination_fault(fault, "write", self.path) from fault
        with self._lock:
            self.sent[1] = sent

    def sync(self) -> None:
        """Waits until everything that was sent has arrived.

        Raises:
            DestinationError, LibraryOffline: something has not.
        """
        with self._lock:
            waiting = dict(self._under_way)
        for number, future in waiting.items():
            sent = self._job.wait(future, "write", self.path)
            with self._lock:
                if self._under_way.get(number) is future:
                    self.sent[number] = sent
                    del self._under_way[number]

    def has(self, chunk: Chunk) -> bool:
        """True when every part of a chunk has arrived."""
        return all(number in self.sent for number in self.parts.within(chunk))

    def forget(self) -> None:
        """Begins anew: what was sent counts no more."""
        with self._lock:
            self._filling.clear()
            self._under_way.clear()
            self.sent.clear()
            self.known.clear()
            self.upload = self.etag = ""

    def _put(self, number: int, data: memoryview, inside: int) -> None:
        with self._lock:
            filling = self._filling.get(number)
            if filling is None:
                filling = self._filling[number] = _Filling(self.parts.length(number))
                self.sent.pop(number, None)
            if not filling.put(data, inside):
                return
            del self._filling[number]
        self._start(number, filling.body)

    def _start(self, number: int, body: io.BytesIO) -> None:
        size = body.getbuffer().nbytes
        with body.getbuffer() as view:
            digests = self._digests(view, number)
        window = self._job.connection.window
        window.enter(size, self._job.checkpoint)
        with self._lock:
            before = self._under_way.get(number)
            try:
                future = self._job.connection.submit(self._send(number, body, digests, before))
            except BaseException:
                window.leave(size)
                raise
            self._under_way[number] = future
        future.add_done_callback(lambda _: window.leave(size))

    def _digests(self, data: memoryview, number: int = 0) -> Digests:
        known = self.known.get(number)
        with_md5 = self._job.sender.caps.needs_md5 or (known is not None and not known.sha256)
        return digests_of(data, with_md5=with_md5)

    async def _send(
        self, number: int, body: io.BytesIO, digests: Digests, before: Future[Sent] | None
    ) -> Sent:
        if before is not None:  # the same part, written anew: the later one counts
            await asyncio.wait([asyncio.wrap_future(before)])
        if self.parts.is_whole:
            return await self._put_whole(body, digests)
        sender = self._job.sender
        known = self.known.get(number)
        if known and known.size == self.parts.length(number) and is_same(known, digests):
            return known
        async with self._beginning:
            if not self.upload:
                self.upload = await sender.begin(self.key, **self._job.put_options)
        return await sender.put_part(self.key, self.upload, number, body, digests)

    async def _put_whole(self, body: Body, digests: Digests) -> Sent:
        job = self._job
        sent = await job.sender.put(
            self.key, body, digests, may_replace=job.may_replace, **job.put_options
        )
        self.etag = sent.etag
        return sent

    async def complete(self) -> None:
        """Puts the parts together; on the loop, when all have arrived.

        Raises:
            StoreFault: it failed.
        """
        if self.etag or self.parts.is_whole:
            return
        sender = self._job.sender
        only_new = sender.caps.conditional_complete
        try:
            self.etag = await sender.complete(self.key, self.upload, self.sent, only_new=only_new)
        except StoreFault as fault:
            if fault.kind is not Kind.EXISTS:
                raise
            await self._job.may_replace()
            self.etag = await sender.complete(self.key, self.upload, self.sent, only_new=False)

    async def keeps(self) -> bool:
        """Whether the object has the checksum of what was sent; on the loop.

        Raises:
            StoreFault: it cannot be asked.
        """
        if self.parts.count != len(self.sent):
            return False
        return await self._job.sender.keeps(self.key, self.sent, is_whole=self.parts.is_whole)


class Ready(NamedTuple):
    """A small file, to be put."""

    file: StraightFile
    body: memoryview
    """In the buffer of whoever writes it."""
    digests: Digests


async def put_all(files: deque[Ready], at_once: int) -> None:
    """Puts small files, some at once, each let go of when it has arrived. On the loop.

    None of them is on its way any more when this ends, however it does: their buffers are free.

    Raises:
        DestinationError, LibraryOffline: one has not arrived.
    """

    async def put_some() -> None:
        while files:
            file, body, digests = files.popleft()
            await file.put(body, digests)

    tasks = [asyncio.ensure_future(put_some()) for _ in range(min(at_once, len(files)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def kept_of(files: Sequence[StraightFile]) -> set[RelPath]:
    """Those of which the store states the checksum of what was sent, some asked for at once.

    Raises:
        StoreFault: it cannot be asked.
    """
    room = asyncio.Semaphore(_LOOKS_AT_ONCE)

    async def look(file: StraightFile) -> bool:
        async with room:
            return await file.keeps()

    found = await asyncio.gather(*map(look, files))
    return {file.path for file, is_kept in zip(files, found, strict=True) if is_kept}


class StagedFile:
    """A file whose chunks are no whole parts: it lies in AUXTUI_HOME until its job is published.

    Args:
        job: of the file.
        path: of the file.
        size: of the file; None while it grows.
    """

    def __init__(self, job: Job, path: RelPath, size: int | None) -> None:
        self.path = path
        self.size = size
        self.key = job.keys.of(path)
        self.etag = ""
        """Of its object, when it was sent already and lies here no more."""
        self.sent_bytes = 0
        self.end = 0
        """Behind the last byte that was written."""
        self.handles = 0
        self._job = job
        self._lock = threading.Lock()
        self._fd = -1

    def write(self, data: memoryview, offset: int) -> None:
        """Writes a range beside the journal.

        Raises:
            DestinationError: it failed.
        """
        with on_disk("stage", self.path):
            write_all(self.fd(), data, offset)
        with self._lock:
            self.end = max(self.end, offset + len(data))

    def sync(self) -> None:
        """Makes it durable; raises as `write`."""
        with on_disk("stage", self.path):
            os.fdatasync(self.fd())

    def cut_off(self, at: int) -> None:
        """Takes away what is behind a byte; raises as `fd`."""
        os.ftruncate(self.fd(), at)
        self.end = at

    def was_sent(self, etag: str, size: int) -> None:
        """It lies in the store from now on."""
        self.etag, self.sent_bytes = etag, size
        self.close()

    def come_back(self) -> None:
        """Takes it back from the store, to be written on.

        Raises:
            StoreFault, OSError: it cannot be.
        """
        step, store = PART_BYTES, self._job.connection.store
        for at in range(0, self.sent_bytes, step):
            block = memoryview(bytearray(min(step, self.sent_bytes - at)))
            only_same = {"IfMatch": f'"{self.etag}"'}
            self._job.connection.run(
                store.read(self.key, block, at, **only_same), self._job.checkpoint
            )
            write_all(self.fd(), block, at)
        self.etag = ""

    def fd(self) -> int:
        """The file, opened at the first call.

        Raises:
            OSError: it cannot be opened.
        """
        with self._lock:
            if self._fd < 0:
                self._fd = self._job.home.open_staged(self.path, self.size)
            return self._fd

    def close(self) -> None:
        """Closes it."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
