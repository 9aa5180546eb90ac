"""Works off a stream of pieces with several lanes: what reading, without orders, needs of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from itertools import islice
from typing import TypeVar

from engine.model.errors import AuxError
from engine.transfer.buffers import BUFFER_BYTES, Buffers
from engine.transfer.cancel import CancelToken
from engine.transfer.flow import Lane
from engine.transfer.hops import Abandoned, Hops
from engine.transfer.queueing import WorkQueue

T = TypeVar("T")
W = TypeVar("W")

TAKEN_AT_ONCE = 8  # pieces per hop


async def work_off(
    works: Iterator[W],
    do: Callable[[W, Lane], None],
    *,
    streams: int,
    cancel: CancelToken,
    finish: Callable[[], None] | None = None,
) -> None:
    """Calls `do` for every piece, in threads, `streams` at a time, then `finish` once.

    Args:
        works: walked in a thread, as fast as the pieces are taken.
        do: blocking; asks `cancel` by itself.
        streams: 1 to 64.
        cancel: stops it.
        finish: blocking; only when every piece went well.

    Raises:
        Cancelled: stopped; `Abandoned` when a thread hangs and may go on later.
        AuxError: the first that `works`, `do` or `finish` raised; what was under way is stopped.
    """
    stop = CancelToken(cancel)
    hops = Hops(stop)
    queue: WorkQueue[W] = WorkQueue(room=2 * streams)
    errors: list[AuxError] = []

    async def until_error(story: Coroutine[object, object, None]) -> None:
        try:
            await story
        except AuxError as err:
            errors.append(err)
            stop.cancel("another piece failed")
            await queue.close()

    async def feed() -> None:
        while some := await hops.run(lambda: list(islice(works, TAKEN_AT_ONCE))):
            stop.raise_if_cancelled()
            for work in some:
                await queue.put(work)
        await queue.close()

    async def serve() -> None:
        lane = Lane(Buffers(BUFFER_BYTES), hops.threads)
        while (work := await queue.get(lambda: True)) is not None:
            stop.raise_if_cancelled()
            await hops.run(do, work, lane)

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(until_error(feed()))
            for _ in range(streams):
                tasks.create_task(until_error(serve()))
        if errors:
            raise next((err for err in errors if isinstance(err, Abandoned)), errors[0])
        if finish is not None:
            await hops.run(finish)
    except BaseExceptionGroup as several:
        raise first_of(several) from several
    finally:
        stop.cancel("the work has ended")
        stop.detach()
        hops.close()


async def in_thread(call: Callable[[], T], cancel: CancelToken) -> T:
    """Awaits one blocking call in a thread of its own.

    Raises:
        Cancelled: by the call; `Abandoned` when it hangs after a cancel.
    """
    hops = Hops(cancel)
    try:
        return await hops.run(call)
    finally:
        hops.close()


def first_of(several: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of a task group, which is what the caller has to decide about."""
    first = several.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
