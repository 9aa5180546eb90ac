"""How many orders are open at once, and how far they are opened ahead. For one event loop.

On this host a few are enough that no stream idles while the last chunks of an order are under way.
Where every step waits for a long line, many small ones side by side fill it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from engine.transfer.orders import MANY_HERE, TransferOrder

T = TypeVar("T")
SMALL_IN_ALL_BYTES = 256 * 1024**2  # of all open orders: above it no more than a few


class Slots:
    """Counts the open orders."""

    def __init__(self) -> None:
        self.at_once = MANY_HERE
        """As many as the order that was taken last wants to have around it."""
        self._open = 0
        self._bytes = 0
        self._freed = asyncio.Event()

    async def take(self) -> None:
        """Waits for room for one more, and takes it."""
        while not self._has_room:
            self._freed.clear()
            await self._freed.wait()
        self._open += 1

    def note(self, order: TransferOrder) -> None:
        """This is the order that the room was taken for."""
        self.at_once = max(MANY_HERE, order.at_once)
        self._bytes += order.size_bytes

    def give_back(self, order: TransferOrder) -> None:
        """It has ended."""
        self._open -= 1
        self._bytes -= order.size_bytes
        self._freed.set()

    @property
    def _has_room(self) -> bool:
        if self._open < MANY_HERE:
            return True
        return self._open < self.at_once and self._bytes < SMALL_IN_ALL_BYTES


class Ahead(Generic[T]):
    """Orders that are being opened, in the order in which they will be taken."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[T]] = deque()
        self.has_ended = False
        """No more are taken."""
        self._changed = asyncio.Event()

    async def room(self, at_once: int) -> None:
        """Waits until one more may be opened: one ahead, or many where many are open at once.

        Or until the end.
        """
        most = at_once if at_once > MANY_HERE else 1
        while len(self._waiting) >= most and not self.has_ended:
            await self._change()

    def add(self) -> asyncio.Future[T]:
        """One more; whoever opens it sets the result."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._changed.set()
        return future

    def end(self) -> None:
        """No more will come."""
        self.has_ended = True
        self._changed.set()

    async def next(self) -> asyncio.Future[T] | None:
        """The next one; None when there is none any more."""
        while not self._waiting and not self.has_ended:
            await self._change()
        if not self._waiting:
            return None
        self._changed.set()
        return self._waiting.popleft()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
