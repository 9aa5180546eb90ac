from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from engine.transfer.orders import MANY_HERE, TransferOrder
from engine.transfer.orders_open import SMALL_IN_ALL_BYTES, Ahead, Slots

HERE: Any = TransferOrder(
    backup_job_id=1,
    header=None,  # type: ignore[arg-type]
    size_bytes=1000,
    open_source=lambda: None,  # type: ignore[arg-type, return-value]
    destinations=(),
)
FAR = replace(HERE, at_once=64)


async def taken(slots: Slots, order: TransferOrder, most: int = 100) -> int:
    """How many of these orders are opened before one has to wait."""
    for count in range(most):
        taking = asyncio.ensure_future(slots.take())
        await asyncio.sleep(0)
        if not taking.done():
            taking.cancel()
            return count
        slots.note(order)
    return most


async def test_a_few_are_open_on_this_host():
    assert await taken(Slots(), HERE) == MANY_HERE


async def test_many_small_ones_are_open_on_a_long_line():
    assert await taken(Slots(), FAR) == 64


async def test_few_large_ones_are_open_on_a_long_line():
    assert await taken(Slots(), replace(FAR, size_bytes=SMALL_IN_ALL_BYTES)) == MANY_HERE


async def test_one_that_ends_makes_room_for_the_next():
    slots = Slots()
    assert await taken(slots, HERE) == MANY_HERE
    waiting = asyncio.ensure_future(slots.take())
    await asyncio.sleep(0)
    slots.give_back(HERE)
    await waiting


async def opened_ahead(at_once: int) -> int:
    """How many are opened before the first is taken."""
    ahead = Ahead[int]()
    count = 0
    while True:
        room = asyncio.ensure_future(ahead.room(at_once))
        await asyncio.sleep(0)
        if not room.done():
            ahead.end()
            await room
            return count
        ahead.add().set_result(count)
        count += 1


async def test_one_is_opened_ahead_here_and_many_on_a_long_line():
    assert await opened_ahead(MANY_HERE) == 1
    assert await opened_ahead(64) == 64


async def test_they_are_taken_in_their_order_whichever_is_opened_first():
    ahead = Ahead[str]()
    first, second = ahead.add(), ahead.add()
    second.set_result("second")
    ahead.end()
    taking = await ahead.next()
    assert taking is first
    first.set_result("first")
    assert await taking == "first"
    then = await ahead.next()
    assert then is not None
    assert await then == "second"
    assert await ahead.next() is None
