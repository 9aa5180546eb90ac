"""What a run counts as done is in the ledger: a plan that counts first and reads then misses nothing."""

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

from engine.operations.arrivals import Proof
from engine.operations.context import JobContext
from engine.operations.settling import Settling
from engine.operations.streampool import StreamPool

PAIR = (2, 7)


class SlowStore:
    """A catalog that is told when to write."""

    def __init__(self) -> None:
        self.asked, self.may_write = asyncio.Event(), asyncio.Event()

    async def write(self, what: Any) -> None:
        self.asked.set()
        await self.may_write.wait()


async def test_a_job_copy_is_done_once_the_ledger_says_so():
    store = SlowStore()
    settling = Settling(
        JobContext(
            job_id=1,
            home=cast("Any", None),
            store=cast("Any", store),
            clock=lambda: datetime.now(UTC),
            pool=StreamPool(),
        )
    )
    settling.names = {PAIR[0]: "offsite"}
    async with asyncio.TaskGroup() as group:
        group.create_task(settling.found(PAIR, 100, Proof(b"", 1, "")))
        await store.asked.wait()
        before = dict(settling.done)
        store.may_write.set()

    assert before == {}
    assert settling.done == {PAIR: 100}
