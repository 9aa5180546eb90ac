"""The bridge from the blocking `Library` interface to the event loop of a library on the network.

A network library has a loop in a daemon thread of its own; its blocking calls hand one coroutine
over and wait for it. A peer that hangs keeps its own loop waiting and nothing else.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """An event loop that runs in a thread of its own; thread-safe.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def call(self, work: Coroutine[Any, Any, T], *, timeout_s: float | None = None) -> T:
        """Runs a coroutine on the loop and waits for it.

        Args:
            work: what to run.
            timeout_s: None: as long as it takes.

        Raises:
            TimeoutError: it took longer; it is cancelled.
            BaseException: what the coroutine raised.
        """
        future = self.submit(work)
        try:
            return future.result(timeout_s)
        except FutureTimeout as err:
            if future.done():  # the coroutine's own
                raise
            future.cancel()
            raise TimeoutError(f"no answer within {timeout_s:g} seconds") from err
        except BaseException:
            future.cancel()  # e.g. an interrupt of the thread that waits
            raise

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Runs a coroutine on the loop; whoever calls owns the future."""
        with (
            self._lock
        ):  # a loop that is being stopped takes nothing any more: nobody may wait for it
            return asyncio.run_coroutine_threadsafe(work, self._started())

    def stop(self) -> None:
        """Cancels everything and ends the thread; a later call starts it anew."""
        with self._lock:
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _started(self) -> asyncio.AbstractEventLoop:
        """The loop; called with the lock held."""
        if self._thread is threading.current_thread():
            raise RuntimeError("a blocking call on the loop of its own library")
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=_serve, args=(self._loop,), name=self._name, daemon=True
            )
            self._thread.start()
        return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
