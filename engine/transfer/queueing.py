"""The short queue of work between the one who splits orders and the streams."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class WorkQueue(Generic[T]):
    """Bounded, closable, and a waiting taker can be called off. For one event loop.

    Args:
        room: pieces that wait at most.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._waiting: deque[T] = deque()
        self._is_closed = False
        self._changed = asyncio.Condition()

    @property
    def is_empty(self) -> bool:
        """True when a taker would wait."""
        return not self._waiting

    async def put(self, item: T) -> None:
        """Adds at the end; waits for room. After the end it is dropped."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._waiting) < self._room or self._is_closed)
            if self._is_closed:
                return
            self._waiting.append(item)
            self._changed.notify_all()

    async def get(self, is_wanted: Callable[[], bool]) -> T | None:
        """Takes the first; None when the queue is closed and empty, or nothing is wanted."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: bool(self._waiting) or self._is_closed or not is_wanted()
            )
            if not self._waiting or not is_wanted():
                return None
            item = self._waiting.popleft()
            self._changed.notify_all()
            return item

    async def close(self) -> None:
        """Nothing more will be put."""
        async with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    async def look_again(self) -> None:
        """Makes takers ask whether they are wanted."""
        async with self._changed:
            self._changed.notify_all()
