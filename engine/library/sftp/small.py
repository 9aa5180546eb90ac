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
from engine.library.sftp.together import bounded, gathered
from engine.library.sftp.tree import Directories
from engine.model.entries import FileEntry


async def put_small_files(
    far: FarSide, directories: Directories, files: Sequence[tuple[FileEntry, memoryview]]
) -> None:
    """Writes files whole, each synced on return; the names in their directories come with `sync`.

    Raises:
        StorageError: one of them could not be written: none of this batch may be trusted.
    """
    parents = sorted({entry.path.rpartition(b"/")[0] for entry, _ in files})
    for parent in parents:
        await directories.ensure(parent)
        directories.note(parent)
    sessions = await far.link.sessions_for(sum(len(content) for _, content in files))
    await bounded(
        far.link.files_at_once,
        [
            partial(_put, far, sessions[number % len(sessions)], directories, entry, content)
            for number, (entry, content) in enumerate(files)
        ],
    )


async def _put(
    far: FarSide,
    session: SftpSession,
    directories: Directories,
    entry: FileEntry,
    content: memoryview,
) -> None:
    path = directories.at(entry.path)
    with on_destination("write", entry.path):
        try:
            handle = await far.create(session, path)
        except FileExistsError:
            found = await far.look(path)
            if found is None or not found.is_file:
                raise
            await far.remove_if_there(path)  # what an earlier try left
            handle = await far.create(session, path)
        try:
            await _fill(session, handle, entry, content)
        except OSError as err:
            raise await far.explained(err) from err


async def _fill(session: SftpSession, handle: bytes, entry: FileEntry, content: memoryview) -> None:
    """Content, mode, time, sync, close. OpenSSH works them off in this order: nothing is waited for."""
    sent: list[asyncio.Future[wire.Reply]] = []

    async def settle() -> None:
        answers = await gathered(sent)
        sent.clear()
        for answer in answers:
            session.expect(answer, wire.STATUS)

    for at in range(0, len(content), session.write_bytes):
        piece = content[at : at + session.write_bytes]
        sent.append(await session.send_write(handle, at, piece))
    mode, seconds = kept_mode(entry.meta, FILE_MODE), kept_seconds(entry.meta)
    following = [
        (wire.FSETSTAT, wire.text(handle) + wire.attributes(mode=mode, mtime_s=seconds)),
        (wire.CLOSE, wire.text(handle)),
    ]
    if session.has(wire.FSYNC):
        following.insert(1, (wire.EXTENDED, wire.text(wire.FSYNC) + wire.text(handle)))
    for kind, body in following:
        if not session.is_openssh:
            await settle()
        sent.append(session.request(kind, body))
    await settle()
