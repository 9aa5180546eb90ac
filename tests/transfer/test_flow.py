"""One range on its way through hash and sinks: order, failure and stop of each part."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest
from blake3 import blake3

from engine.model.errors import Cancelled, SourceRead
from engine.model.names import rel_path
from engine.transfer import flow as flow_module
from engine.transfer.buffers import BUFFERS_PER_STREAM, Buffers
from engine.transfer.cancel import CancelToken
from engine.transfer.flow import FileRead, Lane, Pace, Sink, Span, flow_range
from engine.transfer.threads import DaemonThreads
from tests.transfer.fakes import FakeReadHandle, FakeSource, nothing
from tests.transfer.test_copying import some_bytes

PIECE = 4096
CONTENT = some_bytes(10 * PIECE + 5)
WHOLE = Span(0, len(CONTENT))


class Flow:
    """A flow over a file of eleven pieces, with three buffers."""

    def __init__(self, *, is_cached: bool = False) -> None:
        self.is_cached = is_cached
        self.cancel = CancelToken()
        self.moved: list[int] = []
        self.source = FakeSource({b"f": CONTENT})
        self.lane = Lane(Buffers(PIECE), DaemonThreads("test"))

    def run(self, sinks: Sequence[Sink], span: Span = WHOLE) -> bytes:
        pace = Pace(throttles=(), cancel=self.cancel, moved=self.moved.append)
        path = rel_path(b"f")
        source = FileRead(path, FakeReadHandle(self.source, path), is_cached=self.is_cached)
        try:
            return flow_range(self.lane, pace, source, span, sinks)
        finally:
            self.lane.threads.shutdown()


def collecting(into: list[tuple[int, bytes]], then: Callable[[], None] = nothing) -> Sink:
    """A sink that keeps what it gets."""

    def take(view: memoryview, offset: int) -> None:
        into.append((offset, bytes(view)))
        then()

    return take


@pytest.fixture(params=[False, True], ids=["by a thread of its own", "by the reader"])
def is_cached(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Who hashes; what is cached in several steps for a piece."""
    monkeypatch.setattr(flow_module, "HASHED_AT_ONCE_BYTES", 1000)
    return bool(request.param)


@pytest.mark.parametrize("span", [WHOLE, Span(PIECE, 3 * PIECE), Span(PIECE, 7)])
def test_what_nobody_takes_is_hashed_all_the_same(span, is_cached):
    flow = Flow(is_cached=is_cached)

    digest = flow.run([], span)

    assert digest == blake3(CONTENT[span.offset : span.offset + span.length]).digest()
    assert sum(flow.moved) == span.length


@pytest.mark.parametrize("span", [WHOLE, Span(PIECE, 3 * PIECE), Span(PIECE, 7)])
def test_every_sink_gets_every_piece_in_order(span, is_cached):
    flow = Flow(is_cached=is_cached)
    one: list[tuple[int, bytes]] = []
    other: list[tuple[int, bytes]] = []

    digest = flow.run([collecting(one), collecting(other)], span)

    wanted = CONTENT[span.offset : span.offset + span.length]
    assert one == other
    assert [offset for offset, _ in one] == list(
        range(span.offset, span.offset + span.length, PIECE)
    )
    assert b"".join(part for _, part in one) == wanted
    assert digest == blake3(wanted).digest()
    assert sum(flow.moved) == span.length


def test_a_sink_that_fails_holds_nobody_up():
    flow = Flow()
    other: list[tuple[int, bytes]] = []

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        flow.run([fail, collecting(other)])

    assert len(other) == 11


def test_a_sink_that_stalls_holds_the_other_up_only_once_the_buffers_are_full():
    flow = Flow()
    full, go_on = threading.Event(), threading.Event()
    quick: list[tuple[int, bytes]] = []
    slow: list[tuple[int, bytes]] = []

    def seen() -> None:
        if len(quick) == BUFFERS_PER_STREAM:
            full.set()

    def stall() -> None:
        if len(slow) == 1:  # it got the first piece, and hangs with it
            assert full.wait(240), "the other sink did not get what the buffers hold"
            assert len(quick) == BUFFERS_PER_STREAM
            go_on.set()

    flow.run([collecting(slow, stall), collecting(quick, seen)])

    assert go_on.is_set()
    assert quick == slow
    assert len(quick) == 11


def test_a_source_that_fails_ends_the_flow(is_cached):
    flow = Flow(is_cached=is_cached)

    def fail(_: bytes, offset: int, __: int) -> None:
        if offset >= 5 * PIECE:
            raise SourceRead("input/output error")

    flow.source.on_read = fail
    taken: list[tuple[int, bytes]] = []

    with pytest.raises(SourceRead):
        flow.run([collecting(taken)])

    assert len(taken) == 5


def test_a_stop_after_the_last_read_is_a_stop_and_never_a_digest_of_less():
    flow = Flow()
    all_read = threading.Event()
    flow.source.on_read = lambda _, offset, __: offset and all_read.set()
    taken: list[tuple[int, bytes]] = []

    def stop() -> None:
        all_read.wait()
        flow.cancel.cancel("killed")

    with pytest.raises(Cancelled, match="killed"):
        flow.run([collecting(taken, stop)], Span(0, 2 * PIECE))

    assert len(taken) == 1


def test_a_stop_reaches_a_reader_that_waits_for_a_slow_sink(is_cached):
    flow = Flow(is_cached=is_cached)
    released = threading.Event()

    def stop() -> None:
        flow.cancel.cancel("killed")
        released.set()

    def slow(*_: object) -> None:
        threading.Timer(0.01, stop).start()
        released.wait()

    with pytest.raises(Cancelled, match="killed"):
        flow.run([slow])

    assert max(offset for _, offset, _ in flow.source.reads) < 4 * PIECE
