from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from cronsim import CronSim
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.errors import UsageError
from engine.policy.schedule import (
    describe,
    missed,
    next_run,
    next_runs,
    parse_schedule,
    refuse_never,
)
from engine.policy.schedule_text import FORMS, OPTIONS
from engine.policy.zones import instant_of, wall_of, zone_of
from tests.policy.zone_changes import ZONES, changes_of, zones_with_changes

BERLIN = "Europe/Berlin"
RECURRING = tuple(f for f in FORMS if not f.startswith(("once", "continuous", "after")))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shown(spec, after, count=3, zone=BERLIN):
    """The next runs as a clock in the zone shows them."""
    return [
        f"{wall_of(run, zone_of(zone)):%Y-%m-%d %H:%M}"
        for run in next_runs(spec, zone, utc(after), count)
    ]


@pytest.mark.parametrize(
    ("spec", "runs"),
    [
        ("once at 2026-12-01 03:00", ["2026-12-01 03:00"]),
        ("daily at 22:00", ["2026-01-28 22:00", "2026-01-29 22:00", "2026-01-30 22:00"]),
        ("daily at 22:00, 08:00", ["2026-01-28 22:00", "2026-01-29 08:00", "2026-01-29 22:00"]),
        ("Weekly  on FRI at 22:00", ["2026-01-30 22:00", "2026-02-06 22:00", "2026-02-13 22:00"]),
        (
            "weekly on sat-mon at 01:00",
            ["2026-01-31 01:00", "2026-02-01 01:00", "2026-02-02 01:00"],
        ),
        (
            "monthly on day 31 at 22:00",
            ["2026-01-31 22:00", "2026-02-28 22:00", "2026-03-31 22:00"],
        ),
        (
            "monthly on day 30 at 22:00",
            ["2026-01-30 22:00", "2026-02-28 22:00", "2026-03-30 22:00"],
        ),
        (
            "monthly on day 29 at 22:00",
            ["2026-01-29 22:00", "2026-02-28 22:00", "2026-03-29 22:00"],
        ),
        (
            "monthly on last day at 22:00",
            ["2026-01-31 22:00", "2026-02-28 22:00", "2026-03-31 22:00"],
        ),
        (
            "monthly on last weekday at 22:00",
            ["2026-01-30 22:00", "2026-02-27 22:00", "2026-03-31 22:00"],
        ),
        (
            "monthly on second tuesday at 06:00",
            ["2026-02-10 06:00", "2026-03-10 06:00", "2026-04-14 06:00"],
        ),
        (
            "monthly on last friday at 06:00",
            ["2026-01-30 06:00", "2026-02-27 06:00", "2026-03-27 06:00"],
        ),
        (
            "monthly on fifth sun at 06:00",
            ["2026-03-29 06:00", "2026-05-31 06:00", "2026-08-30 06:00"],
        ),
        (
            "monthly on day 15 at 06:00",
            ["2026-02-15 06:00", "2026-03-15 06:00", "2026-04-15 06:00"],
        ),
        ("yearly on 12-31 at 06:00", ["2026-12-31 06:00", "2027-12-31 06:00", "2028-12-31 06:00"]),
        ("yearly on 02-29 at 06:00", ["2026-02-28 06:00", "2027-02-28 06:00", "2028-02-29 06:00"]),
        ("every 30m", ["2026-01-28 13:30", "2026-01-28 14:00", "2026-01-28 14:30"]),
        (
            "every 4h from 08:00 until 18:00",
            ["2026-01-28 16:00", "2026-01-29 08:00", "2026-01-29 12:00"],
        ),
        (
            "every 4h on sun from 20:00 until 04:00",
            ["2026-02-01 20:00", "2026-02-02 00:00", "2026-02-02 04:00"],
        ),
        (
            "every 2 weeks on mon at 22:00",
            ["2026-02-02 22:00", "2026-02-16 22:00", "2026-03-02 22:00"],
        ),
        (
            "every 2 weeks on mon at 22:00 starting 2026-02-09",
            ["2026-02-09 22:00", "2026-02-23 22:00", "2026-03-09 22:00"],
        ),
        (
            "every 2 weeks on mon, fri at 22:00 starting 2026-02-11",
            ["2026-02-13 22:00", "2026-02-23 22:00", "2026-02-27 22:00"],
        ),
        (
            "every 3 days at 22:00 starting 2026-01-01",
            ["2026-01-28 22:00", "2026-01-31 22:00", "2026-02-03 22:00"],
        ),
        (
            "every 2 months on day 31 at 22:00 starting 2026-02-01",
            ["2026-02-28 22:00", "2026-04-30 22:00", "2026-06-30 22:00"],
        ),
        (
            "every 3 months on last weekday at 22:00 starting 2026-01-15",
            ["2026-01-30 22:00", "2026-04-30 22:00", "2026-07-31 22:00"],
        ),
        (
            "every 6 months on first sunday at 02:00 starting 2026-01-01",
            ["2026-07-05 02:00", "2027-01-03 02:00", "2027-07-04 02:00"],
        ),
        ("cron 0 22 * * 1-5", ["2026-01-28 22:00", "2026-01-29 22:00", "2026-01-30 22:00"]),
        ("automatic", ["2026-01-28 13:30", "2026-01-28 14:00", "2026-01-28 14:30"]),
        (
            "daily at 22:00 repeat every 3h until 05:00",
            ["2026-01-28 22:00", "2026-01-29 01:00", "2026-01-29 04:00"],
        ),
        ("daily at 22:00 until 2026-01-29", ["2026-01-28 22:00", "2026-01-29 22:00"]),
        ("daily at 22:00 until 2026-01-01", []),
        (
            "daily at 22:00 except 2026-01-29, 2026-01-30",
            ["2026-01-28 22:00", "2026-01-31 22:00", "2026-02-01 22:00"],
        ),
        (
            "daily at 22:00 starting 2026-01-27 for 3 times",
            ["2026-01-28 22:00", "2026-01-29 22:00"],
        ),
        (
            "daily at 22:00 starting 2026-01-27 for 3 times except 2026-01-28",
            ["2026-01-29 22:00", "2026-01-30 22:00"],
        ),
        (
            "daily at 22:00 starting 2026-03-01",
            ["2026-03-01 22:00", "2026-03-02 22:00", "2026-03-03 22:00"],
        ),
        ("after-backup", []),
    ],
)
def test_next_runs(spec, runs):
    assert shown(spec, "2026-01-28 12:00") == runs


def test_continuous_runs_a_minute_after_the_last_has_ended():
    ended = utc("2026-01-28 12:00")

    assert next_run("continuous", BERLIN, ended) == ended + timedelta(minutes=1)


def test_night_that_loses_an_hour():
    after = "2026-03-28 12:00"

    assert shown("daily at 02:30", after) == [
        "2026-03-29 03:00",
        "2026-03-30 02:30",
        "2026-03-31 02:30",
    ]
    assert shown("daily at 02:15, 02:45", after)[:2] == ["2026-03-29 03:00", "2026-03-30 02:15"]
    assert shown("cron 30 2 * * *", after) == shown("daily at 02:30", after)
    assert shown("daily at 00:00", "2026-03-29 12:00")[0] == "2026-03-30 00:00"


def test_night_that_gains_an_hour():
    runs = next_runs("daily at 02:30", BERLIN, utc("2026-10-24 12:00"), 2)

    assert runs == [utc("2026-10-25 00:30"), utc("2026-10-26 01:30")]
    assert next_runs("cron 30 2 * * *", BERLIN, utc("2026-10-24 12:00"), 2) == runs
    assert next_run("daily at 02:30", BERLIN, utc("2026-10-25 00:45")) == utc("2026-10-26 01:30")


def test_minutes_and_hours_are_elapsed_through_both_nights():
    for night in ("2026-03-29 00:10", "2026-10-25 00:10"):
        runs = next_runs("every 30m", BERLIN, utc(night), 8)
        assert {b - a for a, b in pairwise(runs)} == {timedelta(minutes=30)}
    spring = shown("every 1h from 00:00 until 04:00", "2026-03-28 22:00", 5)
    autumn = next_runs("every 1h from 00:00 until 04:00", BERLIN, utc("2026-10-24 21:00"), 6)
    assert [run[-5:] for run in spring] == ["00:00", "01:00", "03:00", "04:00", "00:00"]
    assert {b - a for a, b in pairwise(autumn)} == {timedelta(hours=1)}


def test_midnight_that_does_not_exist():
    runs = next_runs("daily at 00:00", "Asia/Beirut", utc("2026-03-27 12:00"), 3)

    assert [f"{wall_of(run, zone_of('Asia/Beirut')):%d %H:%M}" for run in runs] == [
        "28 00:00",
        "29 01:00",
        "30 00:00",
    ]


@settings(max_examples=200)
@given(
    spec=st.sampled_from(RECURRING),
    zone=st.sampled_from(ZONES),
    after=st.datetimes(datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2030-12-31")),
)
def test_next_run_is_strictly_after_and_runs_rise(spec, zone, after):
    after = after.replace(tzinfo=UTC)

    runs = next_runs(spec, zone, after, 6)

    assert len(runs) == 6
    assert all(a < b for a, b in pairwise([after, *runs]))
    assert next_run(spec, zone, after) == runs[0]
    for a, b in pairwise(runs):
        assert next_run(spec, zone, a) == b
        assert next_run(spec, zone, b - timedelta(seconds=1)) == b


CRONS = {
    "daily at 02:30": "30 2 * * *",
    "weekly on mon-fri at 00:00": "0 0 * * 1-5",
    "monthly on last friday at 03:15": "15 3 * * 5L",
    "monthly on second tuesday at 02:00": "0 2 * * 2#2",
    "monthly on day 31 at 01:00": "0 1 L * *",
    "yearly on 03-29 at 02:30": "30 2 29 3 *",
}


@settings(max_examples=150)
@given(data=st.data(), spec=st.sampled_from(tuple(CRONS)))
def test_equal_to_cronsim_at_every_zone_change(data, spec):
    zone = data.draw(st.sampled_from(zones_with_changes()))
    start = data.draw(st.sampled_from(changes_of(zone))) - timedelta(days=2)

    expected: list[datetime] = []
    for run in CronSim(CRONS[spec], start.astimezone(zone_of(zone))):
        instant = run.astimezone(UTC)
        if instant > start and instant not in expected:
            expected.append(instant)
        if len(expected) == 5:
            break

    assert next_runs(spec, zone, start, 5) == expected


@settings(max_examples=100)
@given(data=st.data(), every=st.integers(1, 9), zone=st.sampled_from(ZONES))
def test_equal_to_rrule(data, every, zone):
    first = data.draw(st.dates(utc("2026-01-01").date(), utc("2028-01-01").date()))
    rule, on = data.draw(
        st.sampled_from(
            [
                (f"FREQ=DAILY;INTERVAL={every}", f"every {every} days at 02:30"),
                (
                    f"FREQ=WEEKLY;INTERVAL={every};BYDAY=MO,TH",
                    f"every {every} weeks on mon,thu at 02:30",
                ),
                (
                    f"FREQ=MONTHLY;INTERVAL={every};BYDAY=-1FR",
                    f"every {every} months on last fri at 02:30",
                ),
                (
                    f"FREQ=MONTHLY;INTERVAL={every};BYMONTHDAY=28",
                    f"every {every} months on day 28 at 02:30",
                ),
            ]
        )
    )
    start = datetime.combine(first, datetime.min.time()) + timedelta(hours=2, minutes=30)
    after = utc("2029-01-01")

    walls = islice(
        rrulestr(rule, dtstart=start).xafter(after.replace(tzinfo=None) - timedelta(days=1)), 6
    )
    expected = [run for wall in walls if (run := instant_of(wall, zone_of(zone))) > after][:3]

    assert next_runs(f"{on} starting {first}", zone, after, 3) == expected


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "is not a schedule"),
        ("dialy at 22:00", "'dialy at 22:00' is not a schedule"),
        ("daily at 25:00", "'25:00' is not a time of day"),
        ("daily at 24:00", "'24:00' is not a time of day"),
        ("daily at 9:00", "is not a schedule"),
        ("weekly on fryday at 22:00", "'fryday' does not name days of the week"),
        ("monthly on day 32 at 22:00", "no month has a day 32"),
        ("monthly on day 0 at 22:00", "no month has a day 0"),
        ("monthly on second mon-fri at 22:00", "is not a schedule"),
        ("monthly on second all at 22:00", "'all' is not one weekday"),
        ("yearly on 02-30 at 22:00", "there is no day 02-30"),
        ("once at 2026-02-30 22:00", "there is no day 2026-02-30"),
        ("every 0m", "every 0m is not possible"),
        ("every 90s", "every 90s is not possible"),
        ("every 2d", "every 2d is not possible"),
        ("every 5", "'5' is not a duration"),
        ("every 0 weeks on mon at 22:00", "every 0 is not possible"),
        ("every 9999 days at 22:00", "every 9999 is not possible"),
        ("cron * * * *", "is not a cron expression"),
        ("cron 0 0 30 2 *", "is not a cron expression: Bad day-of-month"),
        ("cron 61 * * * *", "is not a cron expression: Bad minute"),
        ("daily at 22:00 for 5 times", "needs a day to count from"),
        ("daily at 22:00 starting 2026-01-01 for 0 times", "'for 0 times' is not possible"),
        ("daily at 22:00 until 2026-01-01 until 2026-01-02", "'until' comes twice"),
        ("daily at 22:00 starting 2026-02-01 until 2026-01-02", "never runs: it ends 2026-01-02"),
        ("daily at 22:00 except 2026-02-30", "there is no day 2026-02-30"),
        ("daily at 22:00 repeat every 5s until 23:00", "every 5s is not possible"),
        ("every 30m repeat every 1h until 23:00", "nothing to repeat"),
        ("cron 0 1 * * * repeat every 1h until 23:00", "nothing to repeat"),
        (
            "daily at 01:00 repeat every 1h until 04:00 repeat every 2h until 05:00",
            "nothing to repeat",
        ),
        ("continuous until 2027-01-01", "a schedule 'continuous' takes no options"),
        ("once at 2026-12-01 03:00 except 2026-12-01", "a schedule 'once' takes no options"),
    ],
)
def test_wrong_schedules_are_refused(spec, message):
    with pytest.raises(UsageError) as caught:
        parse_schedule(spec, BERLIN)

    assert message in caught.value.message


def test_unknown_zone_is_refused():
    with pytest.raises(UsageError, match="unknown time zone 'Europe/Berln'"):
        parse_schedule("daily at 22:00", "Europe/Berln")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_that_the_hint_shows_is_one(form):
    assert describe(form, BERLIN).endswith(".")


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_that_the_hint_shows_is_one(option):
    start = " starting 2026-01-01" if option.startswith("for") else ""

    assert parse_schedule(f"daily at 22:00{start} {option}", BERLIN)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("daily at 22:00", "Every day at 22:00, Europe/Berlin time."),
        ("every 30m", "Every 30m."),
        (
            "daily at 22:00 starting 2026-01-01 for 5 times",
            "Every day at 22:00, Europe/Berlin time; from 2026-01-01 on; 5 times.",
        ),
        (
            "weekly on mon-fri at 22:00 repeat every 1h until 02:00",
            "Every week on mon-fri at 22:00, again every 1h until 02:00, Europe/Berlin time.",
        ),
        (
            "daily at 22:00 starting 2026-01-01 until 2026-12-31 except 2026-12-25, 2026-12-24",
            "Every day at 22:00, Europe/Berlin time; from 2026-01-01 on; until 2026-12-31; "
            "not on 2026-12-24, 2026-12-25.",
        ),
        (
            "monthly on day 31 at 22:00",
            "Every month on day 31 (a month without it: its last day) at 22:00, Europe/Berlin time.",
        ),
    ],
)
def test_descriptions(spec, sentence):
    assert describe(spec, BERLIN) == sentence


def test_one_late_run_stands_for_all_that_were_missed():
    found = missed(
        "daily at 22:00", "UTC", since=utc("2026-03-01 12:00"), now=utc("2026-03-03 22:59")
    )

    assert found.runs == tuple(utc(f"2026-03-0{day} 22:00") for day in (1, 2, 3))
    assert found.start_now
    assert (
        found.sentence
        == "3 runs were missed since 2026-03-01 22:00 UTC; one is started now for all"
    )


def test_a_run_that_is_too_late_is_reported():
    found = missed(
        "daily at 22:00", "UTC", since=utc("2026-03-01 12:00"), now=utc("2026-03-02 06:00")
    )

    assert not found.start_now
    assert (
        found.sentence
        == "one run was missed since 2026-03-01 22:00 UTC; not started: 8 h late, more than 1 h"
    )


def test_grace_is_inclusive_and_can_be_chosen_away():
    since, now = utc("2026-03-01 12:00"), utc("2026-03-01 23:00")

    assert missed("daily at 22:00", "UTC", since=since, now=now).start_now
    assert not missed(
        "daily at 22:00", "UTC", since=since, now=now + timedelta(seconds=1)
    ).start_now
    assert not missed("daily at 22:00", "UTC", since=since, now=now, start_late=False).start_now


def test_nothing_missed():
    found = missed(
        "daily at 22:00", "UTC", since=utc("2026-03-01 22:00"), now=utc("2026-03-02 21:59")
    )

    assert found.runs == ()
    assert not found.start_now
    assert found.sentence == ""


def test_a_year_down_with_a_run_each_minute_stays_quick():
    found = missed("every 1m", "UTC", since=utc("2025-03-01 12:00"), now=utc("2026-03-01 12:00"))

    assert len(found.runs) == 1_000
    assert found.start_now
    assert found.sentence.startswith("at least 1000 runs were missed")


def test_continuous_starts_again_after_a_downtime():
    assert missed(
        "continuous", "UTC", since=utc("2026-03-01 12:00"), now=utc("2026-03-02 12:00")
    ).start_now


def test_a_schedule_in_the_past_is_refused():
    now = utc("2026-12-01 02:30")

    refuse_never("once at 2026-12-01 03:31", BERLIN, now)
    refuse_never("after-backup", BERLIN, now)
    with pytest.raises(UsageError, match="never runs: its last time is past") as caught:
        refuse_never("once at 2026-12-01 03:30", BERLIN, now)
    assert "2026-12-01 03:30" in caught.value.hint
    with pytest.raises(UsageError, match="never runs"):
        refuse_never("daily at 22:00 until 2026-11-01", BERLIN, now)


def test_once_is_over_after_its_time():
    spec = "once at 2026-12-01 03:00"

    assert next_run(spec, BERLIN, utc("2027-01-01 00:00")) is None
