"""Small files, written whole and many at once: as few round trips each as the server's order allows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from engine.library.blame import on_destination
from engine.library.sftp import wire
from engine.library.sftp.far import FarSide
from engine.library.sftp.keeping import FILE_MODE, kept_mode, kept_seconds
from engine.library.sftp.session import SftpSession
from engine.library.sftp.together import all_of, bounded
from engine.library.sftp.tree import Directories
from engine.model.entries import FileEntry

Sent = list[tuple[FileEntry, SftpSession, asyncio.Future[wire.Reply]]]


async def put_small_files(
    far: FarSide, directories: Directories, files: Sequence[tuple[FileEntry, memoryview]]
) -> Sent:
    """Writes files whole; each is synced when `settle` has seen what is returned.

    The names in their directories come with `Directories.sync`. The buffers are free on return.

    Raises:
        StorageError: one of them could not be written: none of this batch may be trusted.
    """
    parents = {entry.path.rpartition(b"/")[0] for entry, _ in files}
    await directories.ensure(parents)
    for parent in parents:
        directories.note(parent)
    sessions = await far.link.sessions_for(sum(len(content) for _, content in files))
    sent: Sent = []
    await bounded(
        far.link.files_at_once,
        [
            partial(_put, far, sessions[number % len(sessions)], directories, entry, content, sent)
            for number, (entry, content) in enumerate(files)
        ],
    )
    return sent


async def settle(far: FarSide, sent: Sent) -> None:
    """Waits until all that was sent is durable.

    Raises:
        StorageError: something is not.
    """
    replies = await all_of([future for _, _, future in sent])
    for (entry, session, _), reply in zip(sent, replies, strict=True):
        with on_destination("write", entry.path):
            try:
                session.expect(reply, wire.STATUS)
            except OSError as err:
                raise await far.explained(err) from err


async def _put(
    far: FarSide,
    session: SftpSession,
    directories: Directories,
    entry: FileEntry,
    content: memoryview,
    sent: Sent,
) -> None:
    path = directories.at(entry.path)
    async with far.link.file_slots:
        with on_destination("write", entry.path):
            try:
                handle = await far.create(session, path)
            except FileExistsError:
                found = await far.look(path)
                if found is None or not found.is_file:
                    raise
                await far.remove_if_there(path)  # what an earlier try left
                handle = await far.create(session, path)
        mine = await _fill(far, session, handle, entry, content)
    sent += mine


async def _fill(
    far: FarSide, session: SftpSession, handle: bytes, entry: FileEntry, content: memoryview
) -> Sent:
    """Content, mode, time, sync, close. OpenSSH works them off in this order: nothing is waited for."""
    sent: Sent = []
    for at in range(0, len(content), session.write_bytes):
        piece = content[at : at + session.write_bytes]
        sent.append((entry, session, await session.send_write(handle, at, piece)))
    mode, seconds = kept_mode(entry.meta, FILE_MODE), kept_seconds(entry.meta)
    following = [
        (wire.FSETSTAT, wire.text(handle) + wire.attributes(mode=mode, mtime_s=seconds)),
        (wire.CLOSE, wire.text(handle)),
    ]
    if session.has(wire.FSYNC):
        following.insert(1, session.syncing(handle))
    for kind, body in following:
        if not session.is_openssh:
            await settle(far, sent)
            sent.clear()
        sent.append((entry, session, session.request(kind, body)))
    return sent
