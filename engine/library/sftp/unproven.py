"""A job copy in its last place, on a server that cannot sync, before it is known that it was kept.

Its manifest has the name of an unproven one until everything was looked for where it lies now: so
nobody takes it for a job copy before, whenever the line is lost. Whoever comes next takes it back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from engine.library import layout
from engine.library.sftp.far import FarSide
from engine.library.sftp.together import gathered
from engine.model.errors import DestinationWrite
from engine.model.names import shown


class Unproven:
    """The three places of one job copy; every call raises `OSError`.

    Args:
        far: the library.
        job: while it is made.
        published: when it is available.
        removed: of the one that it takes the place of.
        where: for messages.
    """

    def __init__(
        self, far: FarSide, *, job: bytes, published: bytes, removed: bytes, where: bytes
    ) -> None:
        self._far = far
        self._job = job
        self._published = published
        self._removed = removed
        self._where = where

    async def prove(self, kept: Callable[[], Awaitable[None]], manifest: bytes) -> None:
        """Gives the manifest its name when all is there; takes all back when it is not.

        Args:
            kept: raises when something is not there.
            manifest: all of it.

        Raises:
            DestinationWrite: the server has lost something.
        """
        name = self._published + b"/" + layout.MANIFEST
        unproven = self._published + b"/" + layout.UNPROVEN
        try:
            await kept()
            await self._far.replace(unproven, name)
            if await self._far.content(name, len(manifest) + 1) != manifest:
                await self._far.replace(name, unproven)
                raise lost(self._where, "its manifest")
        except BaseException:
            if await self._far.is_there(unproven):
                await self._take_back()
            raise

    async def undo(self) -> bool:
        """Takes back what a lost line has left; True when a job copy is in its place then."""
        unproven, proven, in_the_making, is_published = await gathered(
            [
                self._far.is_there(self._published + b"/" + layout.UNPROVEN),
                self._far.is_there(self._published + b"/" + layout.MANIFEST),
                self._far.is_there(self._job + b"/" + layout.UNPROVEN),
                self._far.is_there(self._published),
            ]
        )
        if unproven and not proven:
            await self._take_back()
        elif in_the_making and not is_published:
            await self._put_back()
        else:
            return bool(is_published)
        return await self._far.is_there(self._published)

    async def _take_back(self) -> None:
        """What is in its last place is unfinished again."""
        await self._far.remove_tree(self._job)
        await self._far.rename_new(self._published, self._job)
        await self._put_back()

    async def _put_back(self) -> None:
        """What it was to take the place of is there again."""
        mark = self._job + b"/" + layout.REPLACES
        if all(await gathered([self._far.is_there(one) for one in (mark, self._removed)])):
            await self._far.rename_new(self._removed, self._published)


def lost(where: bytes, what: str) -> DestinationWrite:
    """The error that says what the server took, and does not have."""
    return DestinationWrite(
        f"cannot publish {shown(where)}: the server took {what} and does not have it",
        hint="an SFTP server that loses what it acknowledged holds no copies: have it write through, "
        "or use another one",
    )
