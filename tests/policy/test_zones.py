from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.errors import UsageError
from engine.policy.zones import LocalClock, instant_of, wall_of, zone_of
from tests.policy.zone_changes import ZONES, changes_of

wall = datetime.fromisoformat

AT = st.floats(
    min_value=wall("2015-01-01 00:00").timestamp(), max_value=wall("2035-01-01 00:00").timestamp()
)


def test_unknown_zone_names_the_nearest():
    with pytest.raises(UsageError, match="unknown time zone 'Europe/Berln'") as caught:
        zone_of("Europe/Berln")

    assert "Europe/Berlin" in caught.value.hint


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "", "europe", "Europe/\x1b[31m", "/etc/localtime"]
)
def test_what_is_no_zone_is_refused_without_touching_the_disk(name):
    with pytest.raises(UsageError) as caught:
        zone_of(name)

    assert "\x1b" not in str(caught.value)


def test_time_in_the_gap_is_the_end_of_the_gap():
    berlin = zone_of("Europe/Berlin")

    assert instant_of(wall("2026-03-29 02:30"), berlin) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert instant_of(wall("2026-03-29 02:00"), berlin) == datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_time_that_comes_twice_is_the_first():
    berlin = zone_of("Europe/Berlin")

    assert instant_of(wall("2026-10-25 02:30"), berlin) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_gap_of_half_an_hour():
    lord_howe = zone_of("Australia/Lord_Howe")

    assert instant_of(wall("2026-10-04 02:15"), lord_howe) == datetime(
        2026, 10, 3, 15, 30, tzinfo=UTC
    )


@given(zone=st.sampled_from(ZONES), at=AT)
def test_local_clock_shows_what_the_zone_says(zone, at):
    clock = LocalClock(zone)
    exact = datetime.fromtimestamp(at, zone_of(zone))

    assert clock.offset_s(at) == exact.utcoffset().total_seconds()
    assert clock.date_text(at) == f"{exact:%Y-%m-%d}"
    assert clock.minute_text(at) == f"{exact:%Y-%m-%d %H:%M} {zone}"


@given(data=st.data(), zone=st.sampled_from(ZONES))
def test_instants_of_walls_rise_and_come_back(data, zone):
    rules = zone_of(zone)
    around = data.draw(st.sampled_from(changes_of(zone) or (datetime(2026, 6, 1, tzinfo=UTC),)))
    start = wall_of(around, rules) - timedelta(hours=5)
    walls = [start + timedelta(minutes=7 * step) for step in range(90)]

    instants = [instant_of(wall, rules) for wall in walls]

    assert instants == sorted(instants)
    for wall, instant in zip(walls, instants, strict=True):
        shown = wall_of(instant, rules)
        exists = (
            wall.replace(tzinfo=rules).astimezone(UTC).astimezone(rules).replace(tzinfo=None)
            == wall
        )
        assert shown == wall if exists else shown > wall
