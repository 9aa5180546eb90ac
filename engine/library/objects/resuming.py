"""What an earlier try has proven, compared with what the store has before it is believed."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from engine.library.journal import ChunksByOffset, JournalContent
from engine.library.objects.erasing import (
    Upload,
    abort,
    objects_below,
    parts_of_upload,
    uploads_below,
)
from engine.library.objects.faults import StoreFault
from engine.library.objects.files import Job, Leftover, StagedFile, StraightFile
from engine.library.objects.notes import NotedFile, Notes
from engine.library.objects.sending import Sent
from engine.library.resuming import is_whole
from engine.model.entries import Chunk
from engine.model.names import RelPath

_MOST_LEFTOVERS = 64  # uploads that no journal speaks of and that are looked into


class Arrived(NamedTuple):
    """What of an earlier try is there."""

    chunks: dict[RelPath, ChunksByOffset]
    files: dict[RelPath, StraightFile | StagedFile]


def arrived(job: Job, content: JournalContent, notes: Notes) -> Arrived:
    """The journaled chunks that are there, and the files that they belong to.

    Raises:
        StoreFault: the store cannot be asked.
        OSError: a staged file cannot be read.
    """
    straight = {
        path: noted
        for path in content.chunks
        if (noted := notes.files.get(path)) is not None and not noted.is_staged
    }
    there = job.connection.run(objects_below(job.connection.store, job.keys.data), job.checkpoint)
    files: dict[RelPath, StraightFile | StagedFile] = {}
    files.update(job.connection.run(_straight(job, straight, there), job.checkpoint))
    chunks: dict[RelPath, ChunksByOffset] = {}
    for path, by_offset in content.chunks.items():
        noted = notes.files.get(path)
        if noted is not None and noted.is_staged:
            staged = files[path] = StagedFile(job, path, None)
            found = _staged(job, staged, noted, there.get(staged.key), by_offset.values())
        else:
            file = files.get(path)
            found = _arrived(file, by_offset.values()) if isinstance(file, StraightFile) else []
        if found:
            chunks[path] = {chunk.offset: chunk for chunk in found}
    return Arrived(chunks, files)


def _staged(
    job: Job, file: StagedFile, said: NotedFile, there: Sent | None, chunks: Iterable[Chunk]
) -> list[Chunk]:
    """The chunks of a staged file that are there: in the store when it was sent, else here."""
    if said.object_etag and there and (there.etag, there.size) == (said.object_etag, said.size):
        file.was_sent(there.etag, there.size)
        return [chunk for chunk in chunks if chunk.offset + chunk.length <= there.size]
    whole = [chunk for chunk in chunks if is_whole(file.fd(), chunk, job.checkpoint)]
    file.end = max((chunk.offset + chunk.length for chunk in whole), default=0)
    return whole


def _arrived(file: StraightFile, chunks: Iterable[Chunk]) -> list[Chunk]:
    size = file.parts.size
    return [c for c in chunks if c.offset + c.length <= size and file.has(c)]


async def _straight(
    job: Job, noted: dict[RelPath, NotedFile], there: dict[str, Sent]
) -> dict[RelPath, StraightFile]:
    files = {}
    for path, said in noted.items():
        file = files[path] = StraightFile(job, path, said.parts)
        if said.parts.is_whole:
            _take_whole(file, said, there.get(file.key))
        elif not await _take_object(job, file, said, there.get(file.key)):
            await _take_parts(job, file, said)
    await _note_leftovers(job, {file.upload for file in files.values()})
    return files


def _take_whole(file: StraightFile, said: NotedFile, there: Sent | None) -> None:
    sent = said.sent.get(1)
    if sent and there and (there.etag, there.size) == (sent.etag, said.size):
        file.sent[1], file.etag = sent, sent.etag


async def _take_object(job: Job, file: StraightFile, said: NotedFile, there: Sent | None) -> bool:
    """Takes a file that was put together already; False when it was not."""
    if there is None or there.size != said.size or len(said.sent) != said.parts.count:
        return False
    etag = await job.sender.completed(file.key, said.sent)
    if etag:
        file.sent, file.etag, file.upload = dict(said.sent), etag, said.upload
    return bool(etag)


async def _take_parts(job: Job, file: StraightFile, said: NotedFile) -> None:
    parts = await parts_of_upload(job.connection.store, file.key, said.upload)
    if parts is None:  # begun anew; what may be left of it must not take room for ever
        with suppress(StoreFault):
            await abort(job.connection.store, [Upload(file.key, said.upload, None)])
        return
    file.upload = said.upload
    for number, part in parts.items():
        sent = said.sent.get(number)
        if sent is not None and (sent.etag, sent.size) == (part.etag, part.size):
            file.sent[number] = sent
        else:
            file.known[number] = part


async def _note_leftovers(job: Job, known: set[str]) -> None:
    """Looks into uploads that were begun before anything of them was journaled."""
    store = job.connection.store
    others = [one for one in await uploads_below(store, job.keys.data) if one.id not in known]
    for upload in others[:_MOST_LEFTOVERS]:
        parts = await parts_of_upload(store, upload.key, upload.id)
        if parts:
            job.leftovers[upload.key] = Leftover(upload.id, parts)
