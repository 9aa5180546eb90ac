"""Several pieces of work at once, none of them left behind by an error of another."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
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
