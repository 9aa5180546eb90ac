"""The way from blocking calls to the stores of this process, which share one loop thread.

One `Store` per address: many libraries, jobs and streams use its connections.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError as CancelledFuture
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from typing import Any, TypeVar

from engine.library.loopthread import LoopThread
from engine.library.objects.address import S3Address
from engine.library.objects.capabilities import Capabilities
from engine.library.objects.store import Store
from engine.library.objects.window import Window

T = TypeVar("T")

LOOK_S = 0.1
"""A blocking call that waits for the network looks for a stop this often."""
_CLOSE_S = 2.0

Checkpoint = Callable[[], None]


class Connection:
    """A store and what is known of it; thread-safe.

    Args:
        store: on the shared loop.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.window = Window()
        self.capabilities: Capabilities | None = None
        """Of the last look in this process; None before the first."""

    def run(self, work: Coroutine[Any, Any, T], checkpoint: Checkpoint | None = None) -> T:
        """Runs a coroutine on the loop and waits for it.

        Args:
            checkpoint: called while it waits; what it raises cancels the coroutine.

        Raises:
            StoreFault: of the coroutine.
        """
        return waited(_LOOP.submit(work), checkpoint)

    def run_to_end(self, work: Coroutine[Any, Any, T], checkpoint: Checkpoint) -> T:
        """As `run`, but a coroutine that is cancelled is over, too, when this returns.

        For one that reads buffers of whoever calls: they may be used again then.
        """
        tasks: list[asyncio.Task[T]] = []

        async def held() -> T:
            tasks.append(asyncio.create_task(work))
            return await tasks[0]

        future = _LOOP.submit(held())
        try:
            return _looked_after(future, checkpoint)
        except BaseException:
            if not future.done():
                _LOOP.submit(_cancelled(tasks))  # behind `held`: it has begun by then
                with suppress(CancelledFuture, Exception):
                    future.result()
            raise

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Starts a coroutine on the loop; whoever calls owns the future."""
        return _LOOP.submit(work)


def waited(future: Future[T], checkpoint: Checkpoint | None = None) -> T:
    """The result of a future; what `checkpoint` raises meanwhile cancels it."""
    try:
        return future.result() if checkpoint is None else _looked_after(future, checkpoint)
    except BaseException:
        future.cancel()
        raise


def _looked_after(future: Future[T], checkpoint: Checkpoint) -> T:
    """The result of a future, or what `checkpoint` raises meanwhile."""
    while True:
        try:
            return future.result(LOOK_S)
        except FutureTimeout:
            if future.done():  # the coroutine's own
                raise
        checkpoint()


async def _cancelled(tasks: list[asyncio.Task[T]]) -> None:
    for task in tasks:
        task.cancel()


def connection_to(address: S3Address) -> Connection:
    """The connection of this process to an address; opens nothing yet."""
    with _LOCK:
        if address not in _CONNECTIONS:
            _CONNECTIONS[address] = Connection(Store(address))
        return _CONNECTIONS[address]


def close_connections() -> None:
    """Closes every connection and ends the loop; a later call begins anew."""
    with _LOCK:
        connections = list(_CONNECTIONS.values())
        _CONNECTIONS.clear()
    for connection in connections:
        with suppress(TimeoutError):  # the end of the process closes what hangs
            _LOOP.call(connection.store.close(), timeout_s=_CLOSE_S)
    _LOOP.stop()


_LOOP = LoopThread("object-stores")
_LOCK = threading.Lock()
_CONNECTIONS: dict[S3Address, Connection] = {}
atexit.register(close_connections)
