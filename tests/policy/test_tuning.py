"""The number of streams that is found by measuring, on devices that are only a formula."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.policy.tuning import Measured, StreamTuner

MIB = 1024**2


def numbers(
    rate: Callable[[int, float], float],
    *,
    limit: int = 4,
    seconds: int = 600,
    busy: Callable[[int], int] = lambda streams: streams,
    throttled: bool = False,
) -> tuple[list[int], StreamTuner]:
    """The streams at each second of a run on a device with this rate."""
    tuner, streams, done, seen = StreamTuner(), limit, 0.0, []
    for second in range(seconds):
        now = Measured(
            at_s=1000.0 + second,
            bytes_done=int(done),
            busy=busy(streams),
            is_throttled=throttled,
        )
        streams = tuner.look(now, limit)
        done += rate(streams, second)
        seen.append(streams)
    return seen, tuner


def mostly(seen: list[int]) -> int:
    """The number that a run had most of the time, tries left out."""
    return max(set(seen), key=seen[60:].count)


def test_a_device_that_one_stream_fills_gets_one():
    seen, tuner = numbers(lambda *_: 500.0 * MIB)

    assert seen[0] == 4
    assert mostly(seen) == 1
    assert tuner.reason == "measured: more than 1 stream gave no more rate"


def test_a_line_that_every_stream_adds_to_keeps_all():
    seen, tuner = numbers(lambda streams, _: streams * 10.0 * MIB)

    assert mostly(seen) == 4
    assert min(seen) == 3
    assert tuner.reason == ""


def test_as_many_as_the_device_can_take():
    seen, tuner = numbers(lambda streams, _: min(streams, 2) * 400.0 * MIB, limit=8)

    assert mostly(seen) == 2
    assert tuner.reason == "measured: more than 2 streams gave no more rate"


def test_a_disk_that_more_streams_slow_down_gets_few():
    seen, _ = numbers(lambda streams, _: 200.0 * MIB / streams)

    assert mostly(seen) == 1


def test_a_device_that_becomes_quicker_gets_more_again():
    def rate(streams: int, second: float) -> float:
        return 100.0 * MIB if second < 300 else 100.0 * MIB * streams

    seen, _ = numbers(rate, seconds=1200)

    assert seen[290] == 1
    assert seen[-1] == 4


@pytest.mark.parametrize("how", ["throttled", "idle"])
def test_nothing_is_learned_from_a_run_that_something_else_limits(how):
    seen, tuner = numbers(
        lambda *_: 1.0 * MIB,
        throttled=how == "throttled",
        busy=(lambda _: 1) if how == "idle" else (lambda streams: streams),
    )

    assert set(seen) == {4}
    assert tuner.reason == ""


def test_another_limit_begins_anew():
    tuner = StreamTuner()
    for second in range(200):
        tuner.look(Measured(at_s=second, bytes_done=second * MIB, busy=4), 4)

    assert tuner.look(Measured(at_s=200, bytes_done=200 * MIB, busy=4), 6) == 6
    assert tuner.reason == ""
    assert tuner.look(Measured(at_s=201, bytes_done=201 * MIB, busy=6), 2) == 2


@settings(max_examples=50, deadline=None)
@given(
    limit=st.integers(1, 16),
    rates=st.lists(st.floats(1.0, 1e9), min_size=16, max_size=16),
    noise=st.lists(st.floats(0.5, 2.0), min_size=7, max_size=7),
)
def test_it_stays_within_its_limit_and_moves_by_one(limit, rates, noise):
    seen, _ = numbers(
        lambda streams, second: rates[streams - 1] * noise[int(second) % 7],
        limit=limit,
        seconds=400,
    )

    assert all(1 <= streams <= limit for streams in seen)
    assert all(abs(one - two) <= 1 for one, two in pairwise(seen))
    assert seen[0] == limit


@settings(max_examples=50, deadline=None)
@given(limit=st.integers(1, 8), each=st.floats(1e6, 1e9), most=st.floats(1e6, 4e9))
def test_it_ends_near_the_rate_of_the_device(limit, each, most):
    def rate(streams: int, _: float) -> float:
        return min(streams * each, most)

    seen, _ = numbers(rate, limit=limit, seconds=900)

    assert rate(mostly(seen), 0) >= 0.9 * rate(limit, 0)
