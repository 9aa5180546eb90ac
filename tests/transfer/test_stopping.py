"""Suspend, kill and hang: a run ends at a piece, keeps what is journaled, and never waits for ever."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from engine.model.errors import Cancelled
from engine.model.states import StreamState
from engine.transfer.orders import OutcomeState, TransferOrder
from engine.transfer.throttle import Throttle
from tests.transfer.fakes import FakeSource, Store, destination, order
from tests.transfer.running import Session
from tests.transfer.test_copying import MIB, mixed, some_bytes


async def test_a_cancel_stops_at_the_next_piece_and_keeps_the_journal():
    store = Store()
    source = FakeSource({b"big": some_bytes(64 * MIB)}, chunk_bytes=4 * MIB)
    session = Session([order(source, destination(store.writer()))], streams=2, memory_bytes=6 * MIB)
    after: list[int] = []

    def cancel(_: bytes, offset: int, length: int) -> None:
        if session.cancel.is_cancelled:
            after.append(offset)
        elif offset >= 24 * MIB:
            session.cancel.cancel("suspended by op")

    source.on_read = cancel

    [result] = await session.to_end()

    [outcome] = result.outcomes
    assert outcome.state is OutcomeState.CANCELLED
    assert isinstance(outcome.error, Cancelled)
    assert outcome.error.message == "suspended by op"
    assert len(after) <= 6  # what the buffers of both streams hold, when threads take turns badly
    assert outcome.chunks_done == len(store.journal) > 0
    assert store.published is None
    assert source.open_handles == 0

    again = FakeSource(source.contents, chunk_bytes=4 * MIB)
    await Session([order(again, destination(store.writer()))]).to_end()
    assert again.bytes_read == 64 * MIB - outcome.bytes_done
    assert store.content() == source.contents


async def test_a_cancel_reaches_a_throttled_run():
    source = FakeSource(mixed(), chunk_bytes=MIB)
    session = Session(
        [order(source, destination(Store().writer(), throttle=Throttle(1)))], throttle=Throttle(1)
    )
    source.on_read = lambda *_: session.cancel.cancel("killed")

    [result] = await session.to_end()

    assert result.outcomes[0].state is OutcomeState.CANCELLED
    assert source.bytes_read <= 2 * 4096


async def test_orders_that_were_not_begun_are_cancelled_too_and_no_more_are_pulled():
    sources = [FakeSource({b"f": some_bytes(MIB, n)}) for n in range(30)]
    stores = [Store() for _ in sources]
    session = Session(
        [
            order(s, destination(t.writer()), job_id=n)
            for n, (s, t) in enumerate(zip(sources, stores, strict=True))
        ],
        streams=1,
    )
    for source in sources:
        source.on_open = lambda _: session.cancel.cancel("killed")

    results = await session.to_end()

    assert len(results) == session.pulled < 30
    assert {outcome.state for r in results for outcome in r.outcomes} == {OutcomeState.CANCELLED}
    assert all(source.closed for source in sources[: session.pulled])


async def test_a_cancel_ends_a_run_that_waits_for_orders():
    session = Session([])

    async def never() -> None:
        session.cancel.cancel("stopped")
        await asyncio.Event().wait()

    await session.run.run(never)

    assert session.results == []


async def test_a_hanging_source_is_abandoned_after_the_grace_time():
    released = threading.Event()
    source = FakeSource(mixed(), chunk_bytes=MIB)
    session = Session([order(source, destination(Store().writer()))], grace_s=0.02)

    def hang(*_: object) -> None:
        session.cancel.cancel("killed")
        released.wait()

    source.on_read = hang

    [result] = await session.to_end()

    assert result.outcomes[0].state is OutcomeState.CANCELLED
    released.set()


async def test_a_stop_that_is_late_at_its_order_is_a_stop_all_the_same():
    ended = threading.Event()
    source = FakeSource({b"big": some_bytes(MIB)})

    def hang(*_: object) -> None:
        session.cancel.cancel("killed")

    def wait() -> None:
        ended.wait()

    session = Session([order(source, destination(Store().writer(on_write=hang)))], grace_s=0.02)

    async def next_order() -> TransferOrder | None:
        session.run._stop.on_cancel(wait)  # before that of the order, which is not open yet
        return await session.next_order()

    await session.run.run(next_order)
    ended.set()

    assert session.results[0].outcomes[0].state is OutcomeState.CANCELLED


async def test_a_hanging_destination_is_abandoned_after_the_grace_time():
    released = threading.Event()
    source = FakeSource({b"big": some_bytes(8 * MIB)}, chunk_bytes=8 * MIB)
    session: Session

    def hang(*_: object) -> None:
        session.cancel.cancel("killed")
        released.wait()

    session = Session([order(source, destination(Store().writer(on_write=hang)))], grace_s=0.02)

    [result] = await session.to_end()

    assert result.outcomes[0].state is OutcomeState.CANCELLED
    released.set()


async def test_streams_can_be_added_and_taken_away_while_running():
    source = FakeSource({b"big": some_bytes(40 * MIB)}, chunk_bytes=MIB)
    store = Store()
    session = Session(
        [order(source, destination(store.writer()))], streams=1, memory_bytes=48 * MIB
    )
    loop = asyncio.get_running_loop()
    counts: list[int] = []

    def change(_: bytes, offset: int, length: int) -> None:
        counts.append(len(session.run.snapshot().streams))
        if offset == 4 * MIB:
            asyncio.run_coroutine_threadsafe(set_streams(4), loop).result()
        if offset == 20 * MIB:
            asyncio.run_coroutine_threadsafe(set_streams(2), loop).result()

    async def set_streams(count: int) -> None:
        session.run.set_streams(count)

    source.on_read = change

    await session.to_end()

    assert counts[0] == 1
    assert max(counts) == 4
    assert store.content() == source.contents


async def test_snapshots_rise_and_name_what_is_copied():
    name = b"bad \x1b[2J\xff"
    source = FakeSource({name: some_bytes(8 * MIB), b"s": b"1"}, chunk_bytes=4 * MIB)
    session = Session([order(source, destination(Store().writer(), 2), job_id=5)], streams=1)
    seen = []
    source.on_read = lambda *_: seen.append(session.run.snapshot())

    await session.to_end()

    done = [snapshot.bytes_done for snapshot in seen]
    assert done == sorted(done)
    [stream] = seen[1].streams
    assert (stream.backup_job_id, stream.copies, stream.file_bytes) == (5, ("copy-2",), 8 * MIB)
    assert stream.path == "bad \\x1b[2J\\xff"
    assert seen[0].in_flight[0][:2] == (5, "copy-2")
    last = session.run.snapshot()
    assert (last.bytes_done, last.in_flight, last.streams) == (8 * MIB + 1, (), ())


async def test_the_rate_is_that_of_all_copies_as_the_totals_of_a_job_are():
    source = FakeSource({b"big": some_bytes(2 * MIB), b"s": b"1"}, chunk_bytes=MIB)
    copies = [destination(Store().writer(), number) for number in (1, 2)]
    session = Session([order(source, *copies)], clock=lambda: 7.0)

    await session.to_end()

    last = session.run.snapshot()
    assert last.bytes_done == 2 * MIB + 1
    assert last.bytes_per_second == pytest.approx(2 * last.bytes_done / 0.1)


async def test_a_stream_says_that_it_is_throttled():
    source = FakeSource({b"big": some_bytes(MIB)}, chunk_bytes=MIB)
    session = Session(
        [order(source, destination(Store().writer()))], streams=1, throttle=Throttle(5_000_000)
    )
    states = []
    source.on_read = lambda *_: states.extend(s.state for s in session.run.snapshot().streams)

    await session.to_end()

    assert states[0] is StreamState.COPYING
    assert states[-1] is StreamState.THROTTLED


async def test_a_run_of_which_the_last_part_has_ended_takes_no_more_streams() -> None:
    """Who shares streams out may say so in the instant before the run is over."""
    session = Session([])
    async with asyncio.TaskGroup() as parts:
        pass
    session.run._tasks = parts

    session.run.set_streams(4)

    gc.collect()  # what was begun and never awaited would be told now
    assert session.run.streams == 4
