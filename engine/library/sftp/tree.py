"""The directories of a job copy that is being made: made and looked at once, synced when they are new."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial

from engine.library.beneath import OWN_DIRECTORY_MODE
from engine.library.sftp import wire
from engine.library.sftp.far import FarSide
from engine.library.sftp.session import SftpSession
from engine.library.sftp.together import bounded, gathered

_MOST_OPEN = 32  # of one job copy, to be synced without another round trip


class Directories:
    """The directories below the data of one job copy. On the loop of its library.

    Args:
        far: the library.
        data: directory of the files.
        is_fresh: made by this try; else links of a stranger may be in it.
    """

    def __init__(self, far: FarSide, data: bytes, *, is_fresh: bool) -> None:
        self._far = far
        self._data = data
        self._is_fresh = is_fresh
        self._known: set[bytes] = {b""}
        self._making = asyncio.Lock()
        self._session: SftpSession | None = None
        self._under_way: dict[bytes, asyncio.Task[None]] = {}
        self._unsynced: set[bytes] = set()
        self._open: dict[bytes, asyncio.Task[tuple[SftpSession, bytes]]] = {}

    async def ensure(self, paths: Iterable[bytes]) -> None:
        """Makes directories and those above them, once each; none of them may be a link.

        Raises:
            OSError: something else stands there, or it cannot be made.
        """
        wanted: set[bytes] = set()
        for path in paths:
            while path not in self._known and path not in wanted:
                wanted.add(path)
                path = path.rpartition(b"/")[0]
        if not wanted:
            return
        session = await self._far.link.session()
        if session.is_openssh and self._is_fresh:
            await self._make_together(session, wanted)
            return
        async with self._making:
            for path in sorted(wanted - self._known):  # each behind those above it
                await self._make(path)

    def note(self, path: bytes) -> None:
        """Remembers a directory that has a new name in it, to be synced before that is journaled."""
        self._unsynced.add(path)
        has_room = len(self._open) < _MOST_OPEN and path not in self._open
        if has_room and self._far.link.syncs_directories:
            self._open[path] = asyncio.create_task(self._opened(path))

    async def sync(self) -> None:
        """Syncs the directories that have new names in them."""
        paths, self._unsynced = self._unsynced, set()
        try:
            await bounded(
                self._far.link.files_at_once, [partial(self._sync, path) for path in sorted(paths)]
            )
        except BaseException:
            self._unsynced |= paths
            raise

    async def close(self) -> None:
        """Lets go of what is open; nobody waits for the host."""
        opening, self._open = self._open, {}
        for task in opening.values():
            task.add_done_callback(_let_go)

    def at(self, path: bytes) -> bytes:
        """Where a path of the job copy is over there."""
        return self._data + b"/" + path if path else self._data

    async def _make_together(self, session: SftpSession, wanted: set[bytes]) -> None:
        """Waits once for all, also for what another batch has asked for a moment ago."""
        if self._session is None or self._session.error is not None:
            self._session = session  # one for all: what is above a directory is asked for before it
        missing = sorted(wanted - self._known - self._under_way.keys())
        if missing:
            making = asyncio.ensure_future(self._make_at_once(self._session, missing))
            self._under_way.update(dict.fromkeys(missing, making))
            making.add_done_callback(partial(self._is_over, missing))
        tasks = {self._under_way[path] for path in wanted & self._under_way.keys()}
        await gathered([asyncio.shield(task) for task in tasks])

    def _is_over(self, paths: Iterable[bytes], making: asyncio.Task[None]) -> None:
        for path in paths:
            del self._under_way[path]
        if not making.cancelled():
            making.exception()  # whoever waits was told

    async def _make_at_once(self, session: SftpSession, paths: list[bytes]) -> None:
        """What is refused is looked at: it may be there already."""
        mode = wire.attributes(mode=OWN_DIRECTORY_MODE)
        made = await session.replies(
            *((wire.MKDIR, wire.text(self.at(path)) + mode) for path in paths)
        )
        for path, reply in zip(paths, made, strict=True):
            if reply.is_refusal:
                await self._make(path)
            else:
                self._is_new(path)

    async def _make(self, path: bytes) -> None:
        if await self._far.make_directory(self.at(path)):
            self._is_new(path)
        self._known.add(path)

    def _is_new(self, path: bytes) -> None:
        self._known.add(path)
        self.note(path.rpartition(b"/")[0])

    async def _opened(self, path: bytes) -> tuple[SftpSession, bytes]:
        session = await self._far.link.session()
        return session, await session.open(self.at(path), wire.READING)

    async def _sync(self, path: bytes) -> None:
        opening = self._open.pop(path, None)
        if opening is None:
            await self._far.sync_directory(self.at(path))
            return
        session, handle = await opening
        await session.sync_and_close(handle)


def _let_go(opening: asyncio.Task[tuple[SftpSession, bytes]]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        session, handle = opening.result()
        session.let_go(handle)
