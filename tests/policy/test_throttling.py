from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.errors import UsageError
from engine.policy.throttling import least, next_change, rate_at, timetable_from
from engine.policy.zones import zone_of
from tests.policy.zone_changes import changes_of, zones_with_changes

ROWS = [
    {"days": "mon-fri", "from": "08:00", "to": "18:00", "limit": "50MiB/s", "limit_bps": 50},
    {"days": "mon-fri", "from": "22:00", "to": "02:00", "limit_bps": 80},
]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_plain_limit_never_changes():
    plain = timetable_from(throttle_bps=7)

    assert rate_at(plain, utc("2026-03-03 09:00")) == 7
    assert next_change(plain, utc("2026-03-03 09:00")) is None
    assert rate_at(timetable_from(throttle_bps=None), utc("2026-03-03 09:00")) is None


def test_timetable_of_a_zone():
    table = timetable_from(throttle_bps=None, rows=ROWS, time_zone="Europe/Berlin")

    seen = []
    at = utc("2026-03-05 00:00")
    for _ in range(6):
        at = next_change(table, at)
        seen.append((f"{at.astimezone(zone_of('Europe/Berlin')):%a %H:%M}", rate_at(table, at)))

    assert rate_at(table, utc("2026-03-05 00:00")) == 80
    assert seen == [
        ("Thu 02:00", None),
        ("Thu 08:00", 50),
        ("Thu 18:00", None),
        ("Thu 22:00", 80),
        ("Fri 02:00", None),
        ("Fri 08:00", 50),
    ]


def test_limits_that_meet_change_only_where_they_differ():
    rows = [
        {"from": "00:00", "to": "12:00", "limit_bps": 5},
        {"from": "12:00", "to": "24:00", "limit_bps": 5},
    ]

    assert (
        next_change(timetable_from(throttle_bps=None, rows=rows), utc("2026-03-05 11:00")) is None
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"throttle_bps": 0}, "would never copy anything"),
        ({"throttle_bps": None, "time_zone": "Nowhere"}, "unknown time zone"),
        (
            {"throttle_bps": None, "rows": [{"from": "08:00", "to": "09:00"}]},
            "period 1: the limit is no rate",
        ),
        (
            {"throttle_bps": None, "rows": [{"from": "08:00", "to": "09:00", "limit_bps": 0}]},
            "period 1: the limit is no rate",
        ),
        (
            {"throttle_bps": None, "rows": [{"from": "08:00", "to": "09:00", "limit_bps": True}]},
            "period 1: the limit is no rate",
        ),
        (
            {"throttle_bps": None, "rows": [*ROWS, {**ROWS[0], "days": "fri"}]},
            "periods 1 and 3 overlap",
        ),
    ],
)
def test_wrong_timetables_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        timetable_from(**options)


@settings(max_examples=60)
@given(data=st.data())
def test_between_two_changes_the_rate_is_one(data):
    zone = data.draw(st.sampled_from(zones_with_changes()))
    change = data.draw(st.sampled_from(changes_of(zone)))
    table = timetable_from(throttle_bps=9, rows=ROWS, time_zone=zone)
    at = change - timedelta(hours=data.draw(st.integers(1, 40)))

    until = next_change(table, at)

    assert until is not None
    rates = {
        rate_at(table, at + step * timedelta(minutes=1))
        for step in range((until - at) // timedelta(minutes=1))
    }
    assert rates == {rate_at(table, at)}
    assert rate_at(table, until) not in rates


def test_least_of_several_limits():
    assert least(None, 5, 3) == 3
    assert least(None, None) is None
    assert least() is None
