"""The lanes of one run share its streams: none of them is a rival that the job gives way to."""

import asyncio
from typing import Any, cast

from engine.catalog.home import Home
from engine.operations import copying
from engine.operations.context import JobContext
from engine.operations.copying import Copying
from engine.operations.routing import Lane, Routes
from engine.operations.streampool import StreamPool
from engine.policy.values import RunOptions

JOB_ID = 7
HERE = Lane("here", frozenset({"vault"}), 0)
THERE = Lane("there", frozenset({"vault"}), 1)
ROUTES = Routes(
    streams={"here": 1, "there": 1},
    writers={"vault": 4},
    paths={"vault": ("here", "there")},
    offline={},
    all_agents="all",
)


class Wanted:
    def wanted(self, lane: Lane) -> int:
        return 1


class OneJobLeft:
    """The only backup job that is left goes from a MediaAgent that closes to one that has ended."""

    routes = ROUTES

    def __init__(self) -> None:
        self.version = 1
        self.open = [THERE]
        self.taken: list[Lane] = []
        self.closing, self.has_ended = asyncio.Event(), asyncio.Event()

    async def look(self) -> None:
        if self.taken == [THERE] and self.open == [THERE]:
            self.open = [HERE]  # its order is given back; its run has not ended yet
            self.version += 1

    def lanes(self) -> list[Lane]:
        return self.open

    def amount(self) -> tuple[int, int]:
        return len(self.open), 1

    def pause(self, lane: Lane, reason: str) -> None:
        self.closing.set()

    def resume(self, lane: Lane) -> None:
        pass

    def is_paused(self, lane: Lane) -> bool:
        return self.closing.is_set() and lane == THERE

    async def next_order(self, lane: Lane) -> None:
        self.taken.append(lane)
        if lane == THERE:
            await self.closing.wait()
        else:
            self.open, self.version = [], self.version + 1


async def test_a_lane_that_comes_back_does_not_make_the_job_give_way_to_itself(monkeypatch):
    class Silent:
        async def write(self, what: Any) -> None:
            pass

    async def nothing(*_: Any) -> Any:
        return False

    monkeypatch.setattr(copying, "LOOK_AGAIN_S", 0.01)
    context = JobContext(
        job_id=JOB_ID,
        home=cast("Home", None),
        store=cast("Any", Silent()),
        clock=cast("Any", None),
        pool=StreamPool(),
    )
    queue = OneJobLeft()
    run = Copying(
        context,
        cast("Any", queue),
        cast("Any", Wanted()),
        options=RunOptions(),
        priority=5,
        settle=nothing,
        more=nothing,
    )
    async with asyncio.timeout(120):
        await run.run()

    assert context.stop_kind == ""
    assert queue.taken == [THERE, HERE]
