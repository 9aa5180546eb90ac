"""Copies give way while the host is busy, never altogether, and come back later than they gave way."""

from hypothesis import given
from hypothesis import strategies as st

from engine.policy.kindness import FLOOR, BackOff, Pressure

IDLE = Pressure(0.0, 0.0)


def shares(limit: int | None, *pressures: Pressure | None) -> list[float]:
    back_off = BackOff()
    seen = []
    for pressure in pressures:
        back_off.look(pressure, limit)
        seen.append(back_off.share)
    return seen


def test_it_gives_way_in_halves_down_to_the_floor():
    busy = Pressure(34.0, 0.0)

    assert shares(20, *[busy] * 5) == [0.5, 0.25, 0.125, FLOOR, FLOOR]


def test_either_pressure_counts_and_is_named():
    back_off = BackOff()
    back_off.look(Pressure(34.4, 3.0), 20)
    io = back_off.reason
    back_off.look(Pressure(1.0, 61.0), 20)

    assert io == "the host is busy: io pressure 34 %, kept to 50 % of the time"
    assert back_off.reason == "the host is busy: cpu pressure 61 %, kept to 25 % of the time"


def test_it_comes_back_only_when_the_host_was_at_rest_twice_in_a_row():
    busy, between = Pressure(21.0, 0.0), Pressure(15.0, 0.0)

    seen = shares(20, busy, busy, IDLE, between, IDLE, IDLE, IDLE, IDLE, IDLE)

    assert seen == [0.5, 0.25, 0.25, 0.25, 0.25, 0.5, 0.5, 1.0, 1.0]


def test_a_pressure_between_rest_and_limit_changes_nothing():
    busy, between = Pressure(50.0, 0.0), Pressure(19.0, 0.0)

    assert shares(20, between, between) == [1.0, 1.0]
    assert shares(20, busy, *[between] * 10)[1:] == [0.5] * 10


def test_without_a_limit_or_a_measure_it_never_gives_way():
    busy = Pressure(99.0, 99.0)

    assert shares(None, busy, busy) == [1.0, 1.0]
    assert shares(20, busy, None) == [0.5, 1.0]


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100))), st.integers(1, 99))
def test_it_stays_within_its_bounds_and_says_why(seen, limit):
    back_off = BackOff()
    for io, cpu in seen:
        back_off.look(Pressure(io, cpu), limit)
        assert FLOOR <= back_off.share <= 1.0
        assert bool(back_off.reason) == (back_off.share < 1.0)
