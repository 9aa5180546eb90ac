"""The bridge between blocking calls and the loop of a network library."""

import asyncio
import threading

import pytest

from engine.library.loopthread import LoopThread


@pytest.fixture
def loop():
    thread = LoopThread("a library")
    yield thread
    thread.stop()


async def name_of_thread() -> str:
    return threading.current_thread().name


def test_a_coroutine_runs_in_the_thread_of_the_library(loop: LoopThread):
    assert loop.call(name_of_thread()) == "a library"


def test_what_it_raises_comes_out(loop: LoopThread):
    async def fail() -> None:
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError, match="gone"):
        loop.call(fail())


def test_a_peer_that_hangs_ends_with_the_timeout_and_is_cancelled(loop: LoopThread):
    cancelled = threading.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(TimeoutError, match=r"0\.01 seconds"):
        loop.call(hang(), timeout_s=0.01)
    assert cancelled.wait(120)


def test_a_timeout_of_the_coroutine_stays_its_own(loop: LoopThread):
    async def fail() -> None:
        raise TimeoutError("the server")

    with pytest.raises(TimeoutError, match="the server"):
        loop.call(fail(), timeout_s=30)


def test_stopping_cancels_what_runs_and_a_call_starts_it_anew(loop: LoopThread):
    future = loop.submit(asyncio.sleep(3600))
    loop.call(asyncio.sleep(0))

    loop.stop()

    assert future.cancelled()
    assert loop.call(name_of_thread()) == "a library"


def test_a_blocking_call_on_its_own_loop_is_refused(loop: LoopThread):
    async def inside() -> None:
        work = name_of_thread()
        try:
            loop.call(work)
        finally:
            work.close()

    with pytest.raises(RuntimeError, match="own library"):
        loop.call(inside())
