"""Several pieces of work at once, none of them left behind by an error of another."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


async def gathered(work: list[Any]) -> list[Any]:
    """As `asyncio.gather`, but waits for all before it raises the first error: nothing is left behind."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


async def all_of(futures: Sequence[asyncio.Future[T]]) -> list[T]:
    """What futures give, when each of them is done; as `gathered`, without a task for any."""
    for future in futures:
        if not future.done():
            await asyncio.wait((future,))
    return [future.result() for future in futures]


class Slots:
    """So many of something, taken several at a time, in the order of asking; on one loop.

    Whoever asks gets all at once: two that hold a part each never wait for each other.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = count
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def held(self, count: int) -> AsyncIterator[None]:
        """Holds so many for a block; at most all there are."""
        count = min(count, self.count)
        if self._waiting or self._free < count:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((count, turn))
            try:
                await turn
            except asyncio.CancelledError:
                self._give(0 if turn.cancelled() else count)  # those behind it may have room now
                raise
        else:
            self._free -= count
        try:
            yield
        finally:
            self._give(count)

    def _give(self, count: int) -> None:
        self._free += count
        while self._waiting and (self._waiting[0][1].done() or self._waiting[0][0] <= self._free):
            wanted, turn = self._waiting.popleft()
            if not turn.done():
                self._free -= wanted
                turn.set_result(None)


async def bounded(count: int, work: list[Callable[[], Awaitable[None]]]) -> None:
    """Does pieces of work, so many at once; stops handing out at the first error and raises it."""
    queue = deque(work)
    failed: list[BaseException] = []

    async def serve() -> None:
        while queue and not failed:
            try:
                await queue.popleft()()
            except BaseException as err:
                failed.append(err)
                raise

    await gathered([serve() for _ in range(min(count, len(queue)))])
