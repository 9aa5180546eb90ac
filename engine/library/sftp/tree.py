"""The directories of a job copy that is being made: made and looked at once, synced when they are new."""

from __future__ import annotations

import asyncio

from engine.library.sftp.far import FarSide
from engine.library.sftp.together import gathered


class Directories:
    """The directories below the data of one job copy. On the loop of its library.

    Args:
        far: the library.
        data: directory of the files.
    """

    def __init__(self, far: FarSide, data: bytes) -> None:
        self._far = far
        self._data = data
        self._known: dict[bytes, asyncio.Task[None]] = {}
        self._unsynced: set[bytes] = set()

    async def ensure(self, path: bytes) -> None:
        """Makes a directory and those above it, once each; none of them may be a link.

        Raises:
            OSError: something else stands there, or it cannot be made.
        """
        if not path:
            return
        if path not in self._known:
            self._known[path] = asyncio.create_task(self._make(path))
        try:
            await asyncio.shield(self._known[path])
        except BaseException:
            self._known.pop(path, None)  # another try may find it better
            raise

    def note(self, path: bytes) -> None:
        """Remembers a directory that has a new name in it, to be synced before that is journaled."""
        self._unsynced.add(path)

    async def sync(self) -> None:
        """Syncs the directories that have new names in them."""
        paths, self._unsynced = self._unsynced, set()
        try:
            await gathered([self._far.sync_directory(self.at(path)) for path in sorted(paths)])
        except BaseException:
            self._unsynced |= paths
            raise

    def at(self, path: bytes) -> bytes:
        """Where a path of the job copy is over there."""
        return self._data + b"/" + path if path else self._data

    async def _make(self, path: bytes) -> None:
        parent = path.rpartition(b"/")[0]
        await self.ensure(parent)
        if await self._far.make_directory(self.at(path)):
            self.note(parent)
