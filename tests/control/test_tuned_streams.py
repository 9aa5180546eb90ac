"""A run uses the number of streams that its measured rate is worth, and says so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from engine.model.states import StreamState
from engine.operations.copying import Strand
from engine.policy.sharing import Share
from engine.transfer.progress import RunSnapshot

MIB = 1024**2


class Device:
    """A run on a device that one stream fills."""

    def __init__(self, state: StreamState = StreamState.COPYING) -> None:
        self.streams = 4
        self._bytes = 0
        self._state = state

    def set_streams(self, count: int) -> None:
        self.streams = count

    def snapshot(self) -> RunSnapshot:
        self._bytes += 100 * MIB
        return RunSnapshot(
            bytes_done=self._bytes,
            bytes_reused=0,
            bytes_per_second=100.0 * MIB,
            streams=tuple(SimpleNamespace(state=self._state) for _ in range(self.streams)),
            in_flight=(),
        )


def strand_on(device: Device) -> Strand:
    lane: Any = SimpleNamespace(part=0)
    seat: Any = SimpleNamespace(share=Share(4, ""))
    run: Any = device
    return Strand(lane, seat, run)


def test_streams_that_give_no_more_rate_are_let_go():
    device = Device()
    strand = strand_on(device)

    for second in range(100):
        strand.tune(float(second))

    assert device.streams == strand.streams == 1
    assert strand.tuner.reason == "measured: more than 1 stream gave no more rate"


def test_a_throttled_run_keeps_its_streams():
    device = Device(StreamState.THROTTLED)
    strand = strand_on(device)

    for second in range(100):
        strand.tune(float(second))

    assert (device.streams, strand.tuner.reason) == (4, "")


def test_more_streams_than_its_share_are_never_used():
    device = Device()
    strand = strand_on(device)
    strand.seat.share = Share(2, "library vault")

    strand.tune(0.0)

    assert device.streams == strand.streams == 2
