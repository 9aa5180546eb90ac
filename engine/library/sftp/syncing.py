"""One sync of the file system over there before many files are synced one by one, where a command may run.

Each file is synced through its own handle all the same, and only that is believed: it tells what
failed. But a journaling file system makes a commit of its own for each of them while it has anything
to write for it, and none when all is written already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from engine.library.sftp.shell import quoted

MOST_S = 20.0  # a script ends within this, or is given up
_SLOW_S = 2.0  # others write there too: each by itself is quicker
_WORD = b"synced"

Execute = Callable[[bytes], Awaitable[bytes]]
"""What a script prints over there; `TimeoutError`: it did not end."""


class FarSync:
    """Syncs for all who ask: whoever comes while one runs waits for the next one, with all others.

    Args:
        execute: runs a script; it must end within `MOST_S`, in seconds.
        may_execute: False: there is no shell for this account.
    """

    def __init__(self, execute: Execute, *, may_execute: bool) -> None:
        self._execute = execute
        self._turn = asyncio.Lock()
        self._begun = self._ended = 0
        self.is_of_use = may_execute
        """False when it cannot be done, or takes too long to be worth it."""

    async def sync(self, directory: bytes) -> None:
        """Has everything written that was acknowledged before; what fails is found by whoever syncs his file.

        Raises:
            LibraryOffline: the host cannot be reached.
        """
        before = self._begun
        async with self._turn:
            if self._ended > before or not self.is_of_use:
                return
            self._begun += 1
            self.is_of_use = await self._is_done(directory)
            self._ended = self._begun

    async def _is_done(self, directory: bytes) -> bool:
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        try:
            said = await self._execute(b"sync -f %s && echo %s" % (quoted(directory), _WORD))
        except TimeoutError:
            return False
        return said.strip() == _WORD and loop.time() - began_at < _SLOW_S
