"""A run that winds down finishes the pieces that it is at; one order can be stopped by itself."""

from __future__ import annotations

from dataclasses import replace

from engine.transfer.cancel import CancelToken
from engine.transfer.orders import OutcomeState
from engine.transfer.throttle import Throttle
from tests.transfer.fakes import FakeSource, Store, destination, order
from tests.transfer.running import Session
from tests.transfer.test_copying import MIB, some_bytes


async def test_what_streams_are_at_is_finished_and_nothing_else_is_begun():
    store, other = Store(), Store()
    source = FakeSource({b"big": some_bytes(64 * MIB)}, chunk_bytes=4 * MIB)
    waiting = FakeSource({b"next": some_bytes(MIB)})
    session = Session(
        [
            order(source, destination(store.writer())),
            order(waiting, destination(other.writer()), job_id=2),
        ],
        streams=2,
        memory_bytes=6 * MIB,
    )

    def wind_down(_: bytes, offset: int, length: int) -> None:
        if offset >= 12 * MIB:
            session.run.drain("the service stops")

    source.on_read = wind_down

    results = await session.to_end()

    [outcome] = next(r.outcomes for r in results if r.order.backup_job_id != 2)
    assert {o.state for r in results for o in r.outcomes} == {OutcomeState.CANCELLED}
    assert outcome.error is not None
    assert outcome.error.message == "the service stops"
    assert store.published is None
    assert source.open_handles == 0
    assert 3 <= outcome.chunks_done < 16
    # No piece was torn: whatever was read is journaled.
    assert source.bytes_read == outcome.bytes_done == outcome.chunks_done * 4 * MIB
    assert waiting.bytes_read == 0


async def test_an_order_whose_last_piece_was_under_way_is_published():
    store = Store()
    source = FakeSource({b"one": some_bytes(2 * MIB)})
    session = Session([order(source, destination(store.writer()))])
    source.on_read = lambda *_: session.run.drain("the service stops")

    [result] = await session.to_end()

    assert result.outcomes[0].state is OutcomeState.PUBLISHED
    assert store.content() == source.contents


async def test_a_run_that_winds_down_slowly_can_be_stopped():
    source = FakeSource({b"big": some_bytes(8 * MIB)}, chunk_bytes=8 * MIB)
    session = Session([order(source, destination(Store().writer()))], throttle=Throttle(1))

    def wind_down(*_: object) -> None:
        session.run.drain("the service stops")
        session.cancel.cancel("the service stops now")

    source.on_read = wind_down

    [result] = await session.to_end()

    assert result.outcomes[0].state is OutcomeState.CANCELLED


async def test_one_order_is_stopped_and_the_others_go_on():
    token = CancelToken()
    stopped, going = Store(), Store()
    first = FakeSource({b"big": some_bytes(32 * MIB)}, chunk_bytes=2 * MIB)
    second = FakeSource({b"f": some_bytes(MIB)})
    session = Session(
        [
            replace(order(first, destination(stopped.writer())), cancel=token),
            order(second, destination(going.writer()), job_id=2),
        ],
        memory_bytes=6 * MIB,
    )

    def close_window(_: bytes, offset: int, length: int) -> None:
        if offset >= 8 * MIB:
            token.cancel("a window opened")

    first.on_read = close_window

    results = await session.to_end()

    states = {r.order.backup_job_id: r.outcomes[0] for r in results}
    assert states[1].state is OutcomeState.CANCELLED
    assert states[1].error is not None
    assert states[1].error.message == "a window opened"
    assert states[1].chunks_done == len(stopped.journal) > 0
    assert states[2].state is OutcomeState.PUBLISHED
