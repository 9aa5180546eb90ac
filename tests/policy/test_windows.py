from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.errors import UsageError
from engine.policy.timetable import Period, covers_every_minute, parse_periods
from engine.policy.weekly import format_clock
from engine.policy.windows import (
    Window,
    blocked,
    blocked_spans,
    next_change,
    node_path,
    window_from,
    windows_for,
)
from engine.policy.zones import zone_of
from tests.policy.zone_changes import changes_of, zones_with_changes

MINUTE = timedelta(minutes=1)
FIRST, LAST = datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2030-12-31")
OFFICE = [{"days": "mon-fri", "from": "08:00", "to": "18:00"}]
BERLIN = "Europe/Berlin"


def window(name="office", on=("commcell",), rows=OFFICE, zone="UTC", **options):
    return window_from(
        name=name,
        on_nodes=on,
        operations=options.pop("operations", ("auxcopy",)),
        do_not_run=rows,
        time_zone=zone,
        **options,
    )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def by_the_minute(windows, instant: datetime) -> bool:
    """The rule itself, told anew: does a clock in the window's zone stand in one of its periods?"""
    for each in windows:
        wall = instant.astimezone(zone_of(each.zone_name))
        minute = wall.hour * 60 + wall.minute
        for period in each.periods:
            for days_ago in (0, 1):
                day = wall.date() - timedelta(days=days_ago)
                if day.weekday() not in period.days:
                    continue
                if period.first_day and day < period.first_day:
                    continue
                if period.last_day and day > period.last_day:
                    continue
                if period.start <= minute + days_ago * 1440 < period.end:
                    return True
    return False


@st.composite
def periods(draw):
    start = draw(st.integers(0, 95)) * 15
    length = draw(st.integers(1, 95)) * 15
    days = draw(st.frozensets(st.integers(0, 6), min_size=1))
    first = draw(st.none() | st.dates(date(2026, 1, 1), date(2030, 12, 31)))
    last = first + timedelta(days=draw(st.integers(0, 400))) if first else None
    return Period(days=days, start=start, end=start + length, first_day=first, last_day=last)


@st.composite
def any_windows(draw, zones):
    return [
        Window(
            name=f"w{number}",
            on_nodes=frozenset({"commcell"}),
            operations=frozenset(),
            periods=tuple(draw(st.lists(periods(), min_size=1, max_size=3))),
            zone_name=draw(zones),
        )
        for number in range(draw(st.integers(1, 3)))
    ]


@settings(max_examples=60)
@given(data=st.data())
def test_windows_equal_the_minute_by_minute_rule_at_every_zone_change(data):
    zone = data.draw(st.sampled_from(zones_with_changes()))
    change = data.draw(st.sampled_from(changes_of(zone)))
    windows = data.draw(any_windows(st.sampled_from([zone, "UTC", "America/New_York"])))
    start = change.replace(second=0) - timedelta(hours=30)
    minutes = [start + step * MINUTE for step in range(60 * 60)]

    expected = [by_the_minute(windows, minute) for minute in minutes]
    got = [False] * len(minutes)
    for span in blocked_spans(
        windows, ["commcell"], "auxcopy", start=start, end=minutes[-1] + MINUTE
    ):
        first = int((span.starts_at - start) / MINUTE)
        for index in range(first, int((span.ends_at - start) / MINUTE)):
            got[index] = True

    assert got == expected


def test_every_zone_change_of_five_years():
    """One office window and one at night, on each of the changes, minute by minute."""
    rows = [
        {"days": "all", "from": "08:00", "to": "18:00"},
        {"days": "all", "from": "23:15", "to": "03:15"},
    ]
    checked = 0
    for zone in zones_with_changes()[::5]:
        tested = [window(zone=zone, rows=rows)]
        for change in changes_of(zone):
            start = change - timedelta(hours=4)
            minutes = [start + step * MINUTE for step in range(8 * 60)]
            truth = [by_the_minute(tested, minute) for minute in minutes]
            flips = [
                b
                for (a, b), (x, y) in zip(pairwise(minutes), pairwise(truth), strict=True)
                if x != y
            ]
            found = []
            moment = start
            while (
                moment := next_change(tested, ["commcell"], "auxcopy", moment)
            ) and moment < minutes[-1]:
                found.append(moment)
            assert found == flips
            checked += 1
    assert checked > 100


@settings(max_examples=100)
@given(data=st.data())
def test_next_change_is_after_now_and_a_real_change(data):
    windows = data.draw(any_windows(st.sampled_from(zones_with_changes())))
    now = data.draw(st.datetimes(FIRST, LAST)).replace(tzinfo=UTC)

    change = next_change(windows, ["commcell"], "auxcopy", now)

    if change is not None:
        assert change > now
        before = by_the_minute(windows, change - timedelta(seconds=1))
        assert before == by_the_minute(windows, now)
        assert by_the_minute(windows, change) != before


@settings(max_examples=100)
@given(data=st.data())
def test_until_is_when_it_may_run_again(data):
    windows = data.draw(any_windows(st.sampled_from(zones_with_changes())))
    now = data.draw(st.datetimes(FIRST, LAST)).replace(tzinfo=UTC)

    found = blocked(windows, ["commcell"], "auxcopy", now)

    assert (found is not None) == by_the_minute(windows, now)
    if found is not None and found.until is not None:
        assert not by_the_minute(windows, found.until)
        assert by_the_minute(windows, found.until - timedelta(seconds=1))


def test_blocked_says_which_window_where_and_until_when():
    office = window(on=("media_agents.store1",), zone=BERLIN)

    found = blocked([office], ["media_agents.store1"], "auxcopy", at("2026-03-03 09:00"))

    assert found is not None
    assert found.until == at("2026-03-03 17:00")
    assert found.reason == (
        "operation window 'office' on media_agents.store1 (mon-fri 08:00-18:00): "
        "it is Tue 10:00 in Europe/Berlin"
    )
    assert blocked([office], ["media_agents.store1"], "auxcopy", at("2026-03-03 17:00")) is None


def test_end_of_union_is_the_end_of_the_last_window():
    first = window("a", rows=[{"from": "08:00", "to": "12:00"}])
    second = window("b", rows=[{"from": "11:00", "to": "15:00"}])

    found = blocked([first, second], ["commcell"], "auxcopy", at("2026-03-03 09:00"))

    assert found is not None
    assert found.until == at("2026-03-03 15:00")
    assert found.windows == ("a",)


def test_levels_add_up():
    cell = window("cell", rows=[{"from": "01:00", "to": "02:00"}])
    client = window("client", on=("clients.db1",), rows=[{"from": "03:00", "to": "04:00"}])
    agent = window("agent", on=("media_agents.s1",), rows=[{"from": "05:00", "to": "06:00"}])
    every = [cell, client, agent]

    nodes = ["media_agents.s1", "clients.db1.subclients.pg"]

    assert windows_for(every, nodes, "auxcopy") == every
    assert windows_for(every, ["clients.db2.subclients.pg"], "auxcopy") == [cell]
    assert windows_for(every, [*nodes, "commcell", "clients.db1"], "auxcopy") == every
    assert windows_for(every, nodes, "restore") == []


def test_ignoring_higher_levels_counts_for_its_own_node_only():
    cell = window("cell")
    pg = window("pg", on=("clients.db1.subclients.pg",), ignore_higher_levels=True)

    pg_node = "clients.db1.subclients.pg"

    assert windows_for([cell, pg], [pg_node], "auxcopy") == [pg]
    assert windows_for([cell, pg], ["commcell", "clients.db1", pg_node], "auxcopy") == [pg]
    assert windows_for([cell, pg], ["clients.db1.subclients.www"], "auxcopy") == [cell]
    assert windows_for([cell, pg], [pg_node, "media_agents.s1"], "auxcopy") == [cell, pg]


def test_ignoring_for_another_operation_changes_nothing():
    cell = window("cell")
    other = window("o", on=("clients.db1",), operations=("backup",), ignore_higher_levels=True)

    assert windows_for([cell, other], ["clients.db1"], "auxcopy") == [cell]


def test_jobs_finish_only_when_every_window_in_force_lets_them():
    gentle = window("gentle", let_running_jobs_finish=True)
    strict = window("strict", rows=[{"from": "10:00", "to": "11:00"}])

    early = blocked([gentle, strict], ["commcell"], "auxcopy", at("2026-03-03 09:00"))
    later = blocked([gentle, strict], ["commcell"], "auxcopy", at("2026-03-03 10:30"))

    assert early is not None
    assert early.let_running_jobs_finish
    assert later is not None
    assert not later.let_running_jobs_finish


def test_period_passes_midnight():
    night = window(rows=[{"days": "fri", "from": "22:00", "to": "06:00"}])

    def is_blocked(text):
        return blocked([night], ["commcell"], "auxcopy", at(text)) is not None

    assert not is_blocked("2026-03-06 21:59")
    assert is_blocked("2026-03-06 22:00")
    assert is_blocked("2026-03-07 05:59")
    assert not is_blocked("2026-03-07 06:00")
    assert not is_blocked("2026-03-06 05:00")


def test_period_to_the_end_of_the_day():
    day = window(rows=[{"days": "sun", "from": "00:00", "to": "24:00"}])

    found = blocked([day], ["commcell"], "auxcopy", at("2026-03-08 12:00"))

    assert found is not None
    assert found.until == at("2026-03-09 00:00")


def test_dates_limit_the_days_on_which_a_period_begins():
    freeze = window(
        rows=[
            {
                "from": "20:00",
                "to": "04:00",
                "first_day": "2026-12-24",
                "last_day": date(2026, 12, 25),
            }
        ]
    )

    def is_blocked(text):
        return blocked([freeze], ["commcell"], "auxcopy", at(text)) is not None

    assert not is_blocked("2026-12-23 21:00")
    assert is_blocked("2026-12-24 21:00")
    assert is_blocked("2026-12-26 03:59")
    assert not is_blocked("2026-12-26 21:00")
    assert next_change([freeze], ["commcell"], "auxcopy", at("2026-12-26 21:00")) is None
    assert next_change([freeze], ["commcell"], "auxcopy", at("2024-01-01 00:00")) == at(
        "2026-12-24 20:00"
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [{"days": "mon-fry", "from": "08:00", "to": "18:00"}],
            "period 1: 'mon-fry' does not name days",
        ),
        ([{"days": "mon", "from": "8:00", "to": "18:00"}], "period 1: '8:00' is not a time of day"),
        ([{"days": "mon", "from": "08:00", "to": "25:00"}], "'25:00' is not a time of day"),
        ([{"days": "mon", "from": "24:00", "to": "01:00"}], "'24:00' is not a time of day"),
        ([{"days": "mon", "from": "08:00"}], "to is missing"),
        ([{"days": "mon", "from": "08:00", "to": "08:00"}], "is no time at all"),
        ([{"days": "mon", "from": 8, "to": "09:00"}], "from is missing or not text"),
        (
            [{"from": "08:00", "to": "09:00", "first_day": "2026-02-30"}],
            "there is no day 2026-02-30",
        ),
        ([{"from": "08:00", "to": "09:00", "first_day": "24 Dec"}], "'24 Dec' is not a date"),
        ([{"from": "08:00", "to": "09:00", "first_day": 7}], "first_day '7' is not a date"),
        (
            [
                {
                    "days": "mon",
                    "from": "08:00",
                    "to": "09:00",
                    "first_day": "2026-03-03",
                    "last_day": "2026-03-04",
                }
            ],
            "never comes",
        ),
        (
            [{"from": "08:00", "to": "09:00", "first_day": "2026-03-03", "last_day": "2026-03-02"}],
            "never comes",
        ),
        ([*OFFICE, {"days": "fri", "from": "17:00", "to": "20:00"}], "periods 1 and 2 overlap"),
        (
            [
                {"days": "sun", "from": "22:00", "to": "06:00"},
                {"days": "mon", "from": "05:00", "to": "07:00"},
            ],
            "periods 1 and 2 overlap",
        ),
    ],
)
def test_wrong_periods_are_refused(rows, message):
    with pytest.raises(UsageError) as caught:
        window(rows=rows)

    assert message in caught.value.message


def test_periods_of_different_dates_do_not_overlap():
    rows = [
        {"from": "08:00", "to": "09:00", "last_day": "2026-03-03"},
        {"from": "08:00", "to": "09:00", "first_day": "2026-03-04"},
    ]

    assert len(parse_periods(rows)) == 2
    assert len(parse_periods(rows[::-1])) == 2


@pytest.mark.parametrize(
    "rows",
    [
        [{"from": "00:00", "to": "24:00"}],
        [{"from": "08:00", "to": "20:00"}, {"from": "20:00", "to": "08:00"}],
        [
            {"days": "mon-sat", "from": "00:00", "to": "24:00"},
            {"days": "sun", "from": "00:00", "to": "24:00"},
        ],
    ],
)
def test_window_that_never_opens_is_refused(rows):
    with pytest.raises(UsageError, match="never opens"):
        window(rows=rows)


@given(st.lists(periods(), min_size=1, max_size=6))
def test_never_open_is_a_week_without_a_free_minute(drawn):
    undated = [p for p in drawn if p.first_day is None]
    tested = [
        Window(
            name="w",
            on_nodes=frozenset(),
            operations=frozenset(),
            periods=tuple(undated),
            zone_name="UTC",
        )
    ]
    monday = at("2026-03-02 00:00")
    quarters = range(0, 7 * 24 * 60, 15)

    expected = all(by_the_minute(tested, monday + quarter * MINUTE) for quarter in quarters)

    assert covers_every_minute(drawn) == expected


@pytest.mark.parametrize(("rows", "nodes"), [([], ("commcell",)), (OFFICE, ())])
def test_window_without_period_or_node_is_refused(rows, nodes):
    with pytest.raises(UsageError):
        window(rows=rows, on=nodes)


def test_unknown_zone_is_refused():
    with pytest.raises(UsageError, match="unknown time zone"):
        window(zone="Mars/Olympus")


def test_path_of_names_with_dots():
    assert node_path("clients.db.example.org.subclients.pg") == (
        "commcell",
        "clients.db.example.org",
        "clients.db.example.org.subclients.pg",
    )
    assert node_path("media_agents.a.subclients.b") == ("commcell", "media_agents.a.subclients.b")
    assert node_path("commcell") == ("commcell",)


def test_three_zones_at_once():
    """Console, service and MediaAgent may be anywhere: only the window's own zone counts."""
    office = window(zone="Asia/Kathmandu", rows=[{"from": "08:00", "to": "09:00"}])
    instant = datetime(2026, 3, 3, 2, 30, tzinfo=UTC)

    for zone in ("UTC", "America/New_York", "Australia/Lord_Howe"):
        assert (
            blocked([office], ["commcell"], "auxcopy", instant.astimezone(zone_of(zone)))
            is not None
        )


def test_clock_text_goes_round_midnight():
    assert [format_clock(m) for m in (0, 1439, 1440, 1441)] == ["00:00", "23:59", "24:00", "00:01"]
