"""The law of the throttle, on a clock of its own: never above the rate over a minute."""

from __future__ import annotations

import threading
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.errors import Cancelled
from engine.transfer.cancel import CancelToken
from engine.transfer.throttle import Throttle


class FakeClock(CancelToken):
    """A token whose waits pass the time of a clock at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    def wait(self, seconds: float) -> bool:
        assert seconds > 0
        self.now_s += seconds
        return self.is_cancelled


def most_in_any(window_s: float, takes: list[tuple[float, int]]) -> int:
    """Most bytes that passed in a window of this length, wherever it begins."""
    most = 0
    for index, (begin, _) in enumerate(takes):
        most = max(most, sum(n for at, n in takes[index:] if at - begin <= window_s))
    return most


@settings(max_examples=60, deadline=None)
@given(
    rate=st.integers(100_000, 200_000_000),
    idles=st.lists(st.floats(0, 30), max_size=6),
    part=st.floats(0.3, 1.0),
)
def test_no_minute_exceeds_the_rate_and_no_ten_seconds_by_two_percent(rate, idles, part):
    clock = FakeClock()
    throttle = Throttle(rate, clock=clock)
    piece = max(1, int(throttle.piece_bytes(8 << 20) * part))
    takes: list[tuple[float, int]] = []
    pauses = dict(zip(accumulate([37] * len(idles)), idles, strict=True))
    for number in range(700):
        clock.now_s += pauses.get(number, 0.0)
        throttle.take(piece, clock)
        takes.append((clock.now_s, piece))

    assert most_in_any(60, takes) <= rate * 60
    assert most_in_any(10, takes) <= rate * 10 * 1.02


def test_the_rate_is_reached():
    clock = FakeClock()
    throttle = Throttle(1_000_000, clock=clock)
    begin = clock.now_s
    for _ in range(1000):
        throttle.take(50_000, clock)

    assert 50_000_000 / (clock.now_s - begin) > 980_000


def test_without_a_rate_nothing_waits():
    clock = FakeClock()
    Throttle(None, clock=clock).take(1 << 40, clock)

    assert clock.now_s == 1000.0


def test_a_changed_rate_holds_from_then_on_also_for_who_waits():
    clock = FakeClock()
    throttle = Throttle(1, clock=clock)
    throttle.take(1_000_000, clock)  # a debt of twelve days
    wait = clock.wait

    def faster(seconds: float) -> bool:
        throttle.set_rate(100_000_000)
        return wait(seconds)

    clock.wait = faster  # type: ignore[method-assign]
    throttle.take(1, clock)

    assert clock.now_s < 1001


def test_a_slower_rate_forfeits_what_was_saved_up():
    clock = FakeClock()
    throttle = Throttle(1_000_000_000, clock=clock)
    clock.now_s += 100
    throttle.set_rate(1000)
    takes = []
    for _ in range(100):
        throttle.take(100, clock)
        takes.append((clock.now_s, 100))

    assert most_in_any(5, takes) <= 5 * 1000 + 100


def test_pieces_are_small_at_a_low_rate_and_whole_pages():
    assert Throttle(1000).piece_bytes(8 << 20) == 4096
    assert Throttle(10_000_000).piece_bytes(8 << 20) == 999_424
    assert Throttle(None).piece_bytes(8 << 20) == 8 << 20


@pytest.mark.parametrize("rate", [0, -1])
def test_a_rate_that_is_not_over_zero_is_refused(rate):
    with pytest.raises(ValueError, match="over 0"):
        Throttle(rate)


def test_a_cancel_wakes_who_waits():
    token = CancelToken()
    throttle = Throttle(1)
    throttle.take(1_000_000, token)
    threading.Timer(0.01, token.cancel, ["killed"]).start()

    with pytest.raises(Cancelled, match="killed"):
        throttle.take(1, token)


def test_a_child_token_follows_its_parent_until_it_leaves():
    parent = CancelToken()
    child, other = CancelToken(parent), CancelToken(parent)
    other.detach()

    parent.cancel("suspended")
    parent.cancel("killed")

    assert (child.is_cancelled, child.reason) == (True, "suspended")
    assert not other.is_cancelled


def test_a_token_that_is_cancelled_already_cancels_its_children():
    parent = CancelToken()
    parent.cancel("killed")

    assert CancelToken(parent).reason == "killed"


def test_a_throttle_says_whether_it_is_what_limits():
    clock = FakeClock()
    throttle = Throttle(1_000_000, clock=clock)
    throttle.take(1, clock)
    free = throttle.is_binding
    throttle.take(500_000, clock)
    throttle.take(1, clock)
    limited = throttle.is_binding
    clock.now_s += 2

    assert (free, limited, throttle.is_binding) == (False, True, False)
