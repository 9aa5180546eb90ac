"""Small files, written whole and many at once: as few round trips each as the server's order allows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from functools import partial

from engine.library.blame import on_destination
from engine.library.sftp import wire
from engine.library.sftp.far import FarSide
from engine.library.sftp.keeping import FILE_MODE, kept_mode, kept_seconds
from engine.library.sftp.session import SftpSession
from engine.library.sftp.together import all_of, bounded, gathered
from engine.library.sftp.tree import Directories
from engine.model.entries import FileEntry

_GROUPS = 3  # that may be under way at once, whatever their job copies
_FAR_GROUP = 32  # files: the server syncs some while others are still on their way to it
_SYNC_EACH_AT_MOST = 4  # files; for more, one sync of the file system comes before theirs

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
    files_each = max(1, far.link.file_slots.count // _GROUPS)
    if not far.link.is_near:
        files_each = min(files_each, _FAR_GROUP)
    groups = [
        _Group(far, directories, sessions, files[at : at + files_each])
        for at in range(0, len(files), files_each)
    ]
    sent: list[Sent] = await gathered([group.put() for group in groups])
    return [each for one in sent for each in one]


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


class _Group:
    """Files that are written together, and then synced together: all of them are open in between.

    Args:
        far: the library.
        directories: that they are in, made.
        sessions: to be used in turn.
        files: with their content.
    """

    def __init__(
        self,
        far: FarSide,
        directories: Directories,
        sessions: Sequence[SftpSession],
        files: Sequence[tuple[FileEntry, memoryview]],
    ) -> None:
        self._far = far
        self._directories = directories
        self._sessions = sessions
        self._files = files
        self._open: dict[int, tuple[FileEntry, SftpSession, bytes]] = {}
        self._sent: Sent = []

    async def put(self) -> Sent:
        """Writes them; whoever calls settles what is returned; raises as `put_small_files`."""
        at_once = self._far.link.files_at_once
        async with self._far.link.file_slots.held(len(self._files)):
            try:
                numbers = range(len(self._files))
                await bounded(at_once, [partial(self._write, number) for number in numbers])
                await self._sync_together()
                if all(session.is_openssh for session in self._sessions):
                    for number in numbers:
                        self._finish(number)
                else:
                    await bounded(at_once, [partial(self._finish_slowly, n) for n in numbers])
            finally:
                for _, session, handle in self._open.values():
                    session.let_go(handle)
        return self._sent

    async def _write(self, number: int) -> None:
        entry, content = self._files[number]
        session = self._sessions[number % len(self._sessions)]
        path = self._directories.at(entry.path)
        with on_destination("write", entry.path):
            try:
                handle = await self._far.create(session, path)
            except FileExistsError:
                found = await self._far.look(path)
                if found is None or not found.is_file:
                    raise
                await self._far.remove_if_there(path)  # what an earlier try left
                handle = await self._far.create(session, path)
        self._open[number] = entry, session, handle
        await self._fill(entry, session, handle, content)

    async def _fill(
        self, entry: FileEntry, session: SftpSession, handle: bytes, content: memoryview
    ) -> None:
        """Content, mode and time. OpenSSH works them off in this order: nothing is waited for."""
        sent: Sent = []
        for at in range(0, len(content), session.write_bytes):
            piece = content[at : at + session.write_bytes]
            sent.append((entry, session, await session.send_write(handle, at, piece)))
        if not session.is_openssh:
            await settle(self._far, sent)
            sent.clear()
        mode, seconds = kept_mode(entry.meta, FILE_MODE), kept_seconds(entry.meta)
        body = wire.text(handle) + wire.attributes(mode=mode, mtime_s=seconds)
        sent.append((entry, session, session.request(wire.FSETSTAT, body)))
        if not session.is_openssh:
            await settle(self._far, sent)
            sent.clear()
        self._sent += sent

    async def _sync_together(self) -> None:
        """Where a round trip costs less than the commits that it spares."""
        link = self._far.link
        is_worth_it = len(self._files) > _SYNC_EACH_AT_MOST and link.is_near
        if is_worth_it and link.far_sync.is_of_use and self._sessions[0].has(wire.FSYNC):
            sent, self._sent = self._sent, []
            await settle(self._far, sent)
            first, _ = self._files[0]
            await link.far_sync.sync(os.path.dirname(self._directories.at(first.path)))

    def _finish(self, number: int) -> None:
        """Sync and close, which OpenSSH works off in this order."""
        entry, session, handle = self._open.pop(number)
        for kind, body in _finishing(session, handle):
            self._sent.append((entry, session, session.request(kind, body)))

    async def _finish_slowly(self, number: int) -> None:
        entry, session, handle = self._open.pop(number)
        for kind, body in _finishing(session, handle):
            await settle(self._far, [(entry, session, session.request(kind, body))])


def _finishing(session: SftpSession, handle: bytes) -> list[tuple[int, bytes]]:
    closing = wire.CLOSE, wire.text(handle)
    return [session.syncing(handle), closing] if session.has(wire.FSYNC) else [closing]
