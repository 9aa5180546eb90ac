"""Threads for blocking pieces that may hang for good.

The executors of the standard library are joined when the interpreter exits, so one thread stuck
in a dead device keeps the process from ending. These threads are daemons: they may be abandoned.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import ParamSpec, TypeVar

from engine.transfer.io_priority import lower_io_priority

P = ParamSpec("P")
T = TypeVar("T")


class DaemonThreads(Executor):
    """Runs every call at once, in an idle thread or in a new one; never queues behind another.

    Pieces of one pipeline wait for each other, so a limit on threads would be a deadlock. The
    number stays small because the callers are few: streams, their pumps, and publications.

    Args:
        name: prefix of the threads' names.
        is_bulk: they move data, with low I/O priority.
    """

    def __init__(self, name: str, *, is_bulk: bool = False) -> None:
        self._name = name
        self._is_bulk = is_bulk
        self._lock = threading.Lock()
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._idle = 0
        self._started = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Starts the call; its result or error is in the future."""
        future: Future[T] = Future()
        with self._lock:
            is_new = self._idle == 0
            if is_new:
                self._started += 1
            else:
                self._idle -= 1
            number = self._started
        self._calls.put(partial(_run, future, partial(fn, *args, **kwargs)))
        if is_new:
            threading.Thread(target=self._serve, name=f"{self._name}-{number}", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the idle threads; busy ones end after their call. Never waits."""
        with self._lock:
            for _ in range(self._started):
                self._calls.put(None)

    def _serve(self) -> None:
        if self._is_bulk:
            lower_io_priority()
        while (call := self._calls.get()) is not None:
            call()
            del call  # the thread must not keep buffers alive while it idles
            with self._lock:
                self._idle += 1


def _run(future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as err:  # noqa: BLE001 - a thread's edge: handed to whoever waits
        future.set_exception(err)
    else:
        future.set_result(result)
