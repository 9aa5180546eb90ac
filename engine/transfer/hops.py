"""The way from the event loop into a thread and back: one hop per chunk or batch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from aiofiles.os import wrap

from engine.model.errors import Cancelled
from engine.transfer.cancel import CancelToken
from engine.transfer.threads import DaemonThreads

P = ParamSpec("P")
T = TypeVar("T")

GRACE_S = 5.0  # after a cancel, a call that does not come back by then hangs in the kernel


class Abandoned(Cancelled):
    """A call hangs after a cancel: its thread may still use what it was given, so nothing is closed."""


class Hops:
    """Runs blocking calls in threads of its own; after a cancel it gives up those that hang.

    Made inside a running event loop.

    Args:
        cancel: stops the work; every blocking piece asks it by itself.
        grace_s: how long after a cancel a call is waited for, in seconds.
    """

    def __init__(self, cancel: CancelToken, *, grace_s: float = GRACE_S) -> None:
        self.threads = DaemonThreads("transfer", is_bulk=True)
        self.has_abandoned = False
        self._grace_s = grace_s
        loop = asyncio.get_running_loop()
        self._cancelled: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            loop.call_soon_threadsafe(self._note_cancel)

        self._leave = cancel.on_cancel(wake)

    async def run(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Awaits `call` in a thread.

        Raises:
            Cancelled: by the call itself.
            Abandoned: it hangs after a cancel.
        """
        blocking = wrap(call)
        task = asyncio.ensure_future(blocking(*args, executor=self.threads, **kwargs))
        first_of: set[asyncio.Future[Any]] = {task, self._cancelled}
        try:
            await asyncio.wait(first_of, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                await asyncio.wait({task}, timeout=self._grace_s)
            if not task.done():
                self.has_abandoned = True
                raise Abandoned(
                    f"a call did not come back within {self._grace_s:g} s of the stop: the device"
                    " or the network hangs"
                )
            return task.result()
        finally:
            task.cancel()

    async def or_cancelled(self, pending: asyncio.Future[T]) -> T | None:
        """Awaits a future of the event loop; None when the cancel comes first."""
        first_of: set[asyncio.Future[Any]] = {pending, self._cancelled}
        await asyncio.wait(first_of, return_when=asyncio.FIRST_COMPLETED)
        if pending.done():
            return pending.result()
        pending.cancel()
        return None

    def close(self) -> None:
        """Lets the threads end and forgets the token."""
        self._leave()
        self._cancelled.cancel()
        self.threads.shutdown(wait=False)

    def _note_cancel(self) -> None:
        if not self._cancelled.done():
            self._cancelled.set_result(None)
