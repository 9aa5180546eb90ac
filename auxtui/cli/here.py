"""`--here`: the service inside this command, in the foreground, until the command's work is done."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from engine.catalog.home import Home
from engine.model.errors import ServiceError, UsageError

T = TypeVar("T")


def run_here(home: Home, work: Callable[[], T]) -> T:
    """Runs the service in this thread and `work` beside it; the service ends with the work.

    Args:
        home: whose CommCell.
        work: blocking; talks to the service as to any other.

    Raises:
        UsageError: a service runs already.
        ServiceError: it was stopped before the work could begin.
    """
    from engine.catalog.opening import open_catalog
    from engine.control.lock import is_held
    from engine.control.service import run_service

    if is_held(home.service_lock):
        raise UsageError(
            "--here is refused: a service runs on this catalog already",
            hint="leave --here out, or stop it first: auxtui service stop",
        )
    open_catalog(home).close()
    outcome: list[Future[T]] = []

    def stop_service(_: Future[T]) -> None:
        if is_held(home.service_lock):  # not when it was stopped from outside
            os.kill(os.getpid(), signal.SIGTERM)  # what a service stops on, at a chunk boundary

    with ThreadPoolExecutor(1, thread_name_prefix="command") as pool:

        def begin() -> None:
            outcome.append(pool.submit(work))
            outcome[0].add_done_callback(stop_service)

        run_service(home, on_ready=begin)
    if not outcome:
        raise ServiceError("the service was stopped before it had begun")
    return outcome[0].result()
