from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.errors import UsageError
from engine.model.states import JobCopyState as S
from engine.policy.periods import PERIOD_WORD, Calendar, Periods
from engine.policy.plan import plan_copy
from engine.policy.selection import rule_sentence, upcoming_periods
from engine.policy.values import RunOptions, Verdict
from engine.policy.zones import LocalClock, zone_of
from tests.policy.lines import DAY, NOW, at, line, selective
from tests.policy.zone_changes import ZONES


def verdicts(rules, lines, *, now=NOW, zone="UTC", calendar=None, **options):
    planned = plan_copy(
        rules,
        lines,
        now=now,
        options=RunOptions(**options),
        zone=zone,
        calendar=calendar or Calendar(),
        source_name="primary",
    )
    return {verdict.backup_job_id: verdict for verdict in planned}


def taken(rules, lines, **options):
    return [j for j, v in verdicts(rules, lines, **options).items() if v.verdict is Verdict.TAKEN]


def fulls(*times, **facts):
    return [line(number, completed_at=at(time), **facts) for number, time in enumerate(times, 1)]


@pytest.mark.parametrize(
    ("rule", "first", "last"),
    [
        ("all-fulls", [1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7]),
        ("hourly", [1, 2, 4, 5, 6, 7], [1, 3, 4, 5, 6, 7]),
        ("daily", [1, 2, 4, 5, 6, 7], [1, 3, 4, 5, 6, 7]),
        ("weekly", [1, 2, 4, 5, 6, 7], [1, 3, 4, 5, 6, 7]),
        ("monthly", [1, 2, 5, 6, 7], [1, 4, 5, 6, 7]),
        ("quarterly", [1, 2, 6, 7], [1, 5, 6, 7]),
        ("half-yearly", [1, 2, 7], [1, 6, 7]),
        ("yearly", [1, 2], [1, 7]),
        ("manual", [], []),
    ],
)
def test_one_full_of_each_period(rule, first, last):
    lines = fulls(
        "2024-12-31 23:00",
        "2025-01-03 01:10",
        "2025-01-03 01:50",
        "2025-01-24 02:00",
        "2025-02-07 03:00",
        "2025-04-04 04:00",
        "2025-07-04 05:00",
    )

    assert taken(selective(rule, "first"), lines) == first
    assert taken(selective(rule, "last"), lines) == last


def test_week_begins_on_friday_unless_set():
    thursday_friday = fulls("2026-02-26 12:00", "2026-02-27 12:00")

    assert taken(selective("weekly"), thursday_friday) == [1, 2]
    assert taken(selective("weekly"), thursday_friday, calendar=Calendar(week_start=0)) == [1]


def test_days_and_months_begin_where_set():
    nights = fulls("2026-02-03 23:00", "2026-02-04 05:00", "2026-02-04 07:00")
    turn = fulls("2026-01-24 12:00", "2026-01-25 12:00", "2026-02-02 12:00")

    assert taken(selective("daily"), nights, calendar=Calendar(day_start_s=6 * 3600)) == [1, 3]
    assert taken(selective("monthly"), turn, calendar=Calendar(month_start_day=25)) == [1, 2]


def test_periods_are_those_of_the_zone():
    around_midnight = fulls("2026-02-03 22:30", "2026-02-03 23:30")

    assert taken(selective("daily"), around_midnight) == [1]
    assert taken(selective("daily"), around_midnight, zone="Europe/Berlin") == [1, 2]


def test_repeated_hour_counts_as_two():
    both = fulls("2026-10-25 00:30", "2026-10-25 01:30")
    now = at("2026-10-26 00:00")

    assert taken(selective("hourly"), both, zone="Europe/Berlin", now=now) == [1, 2]


def test_last_is_known_when_the_period_is_over():
    copy = selective("monthly", "last")
    lines = fulls("2026-03-01 10:00", "2026-03-05 10:00")

    open_month = verdicts(copy, lines, now=at("2026-03-31 21:00"), zone="Europe/Berlin")

    assert open_month[1].reason == "not chosen: monthly (last full of the month)"
    assert open_month[2].reason == "not yet known: the period ends 2026-04-01 00:00 Europe/Berlin"
    assert open_month[2].verdict is Verdict.SKIPPED
    assert open_month[2].state is S.DEFERRED
    assert taken(copy, lines, now=at("2026-03-31 22:00"), zone="Europe/Berlin") == [2]


def test_incrementals_are_never_chosen():
    found = verdicts(selective(), [line(level="incremental")])[1]

    assert found.reason == "not a full: selective copies take fulls only"
    assert found.state is S.DO_NOT_COPY


def test_not_chosen_names_the_rule():
    lines = fulls("2026-02-27 12:00", "2026-02-28 12:00")

    found = verdicts(selective("weekly"), lines)[2]

    assert found.reason == "not chosen: weekly (first full of the week from Friday)"
    assert found.state is S.DO_NOT_COPY
    assert verdicts(selective("weekly"), lines)[1].reason == (
        "weekly (first full of the week from Friday)"
    )


def test_what_is_there_already_stands_for_its_period():
    there = fulls("2026-02-02 12:00", "2026-02-03 12:00")
    there[1] = there[1]._replace(state=S.AVAILABLE)

    assert taken(selective("monthly", "first"), there) == []
    there[1] = there[1]._replace(state=S.AGED)
    assert taken(selective("monthly", "first"), there) == []


def test_a_picked_one_does_not_stand_for_the_period():
    lines = fulls("2026-02-02 12:00", "2026-02-03 12:00")
    lines[1] = lines[1]._replace(state=S.AVAILABLE, decision="picked")

    assert taken(selective("monthly", "first"), lines) == [1]


def test_a_good_one_stands_for_a_bad_one():
    lines = fulls("2026-02-02 12:00", "2026-02-03 12:00")
    lines[0] = lines[0]._replace(source_state=S.BAD)

    assert taken(selective("monthly", "first"), lines) == [2]


def test_a_period_with_bad_ones_only_shows_its_loss():
    lines = fulls("2026-02-02 12:00", "2026-02-03 12:00", source_state=S.BAD)

    found = verdicts(selective("monthly", "first"), lines)

    assert found[1].verdict is Verdict.BLOCKED
    assert found[2].verdict is Verdict.SKIPPED


def test_do_not_copy_concerns_its_own_backup_job_only():
    lines = fulls("2026-02-02 12:00", "2026-02-03 12:00")
    lines[0] = lines[0]._replace(decision="do_not_copy")

    assert taken(selective("monthly", "first"), lines) == []


def test_fulls_before_the_date_do_not_stand_for_a_period():
    lines = fulls("2026-02-02 12:00", "2026-02-03 12:00")
    copy = selective("monthly", on_and_after=datetime(2026, 2, 3, tzinfo=UTC))

    assert taken(copy, lines) == [2]


def test_each_subclient_has_its_own():
    lines = [line(1), line(2, subclient="db1/www"), line(3)]

    assert taken(selective("yearly"), lines) == [1, 2]


@pytest.mark.parametrize(
    ("every", "take", "cycles"),
    [
        (1, "first", [1, 2, 3, 4, 5, 6, 7]),
        (1, "last", [1, 2, 3, 4, 5, 6, 7]),
        (3, "first", [1, 4, 7]),
        (3, "last", [3, 6]),
        (2, "first", [1, 3, 5, 7]),
    ],
)
def test_every_n_cycles(every, take, cycles):
    lines = [line(number, cycle=number) for number in range(1, 8)]

    assert taken(selective("every-n-cycles", take, select_every=every), lines) == cycles


def test_most_recent_full_takes_one_of_each_subclient():
    lines = [
        line(1),
        line(2),
        line(3, source_state=S.TO_BE_COPIED),
        line(4, level="incremental"),
        line(5, subclient="db1/www"),
    ]

    assert taken(selective("manual"), lines, use_most_recent_full=True) == [2, 5]
    found = verdicts(selective("all-fulls"), lines, use_most_recent_full=True)
    assert found[1].reason == "this run takes the most recent full of each subclient only: 2"
    assert found[1].state is S.TO_BE_COPIED
    assert found[2].reason == "most recent full of its subclient"


def test_most_recent_full_that_is_there_is_not_replaced_by_an_older():
    lines = [line(1), line(2, state=S.AVAILABLE)]

    assert taken(selective("manual"), lines, use_most_recent_full=True) == []


@pytest.mark.parametrize(
    ("rules", "calendar", "sentence"),
    [
        (selective("hourly"), Calendar(day_start_s=60), "hourly (first full of the hour)"),
        (
            selective("daily", "last"),
            Calendar(day_start_s=6 * 3600),
            "daily (last full of the day at 06:00)",
        ),
        (
            selective("monthly"),
            Calendar(month_start_day=5),
            "monthly (first full of the month from day 5)",
        ),
        (selective("quarterly"), Calendar(), "quarterly (first full of the quarter)"),
        (selective("every-n-cycles", select_every=3), Calendar(), "every 3 cycles (first of them)"),
        (selective("every-n-cycles", select_every=1), Calendar(), "every cycle"),
        (selective("manual"), Calendar(), "manual (copied only when picked)"),
        (selective(), Calendar(), "all fulls"),
    ],
)
def test_rules_in_words(rules, calendar, sentence):
    assert rule_sentence(rules, calendar) == sentence


def test_upcoming_periods_are_shown():
    coming = upcoming_periods(
        selective("weekly", "last"), calendar=Calendar(), zone="Europe/Berlin", now=NOW, count=4
    )

    berlin = zone_of("Europe/Berlin")
    assert [f"{p.starts_at.astimezone(berlin):%a %m-%d %H:%M}" for p in coming] == [
        "Fri 03-06 00:00",
        "Fri 03-13 00:00",
        "Fri 03-20 00:00",
        "Fri 03-27 00:00",
    ]
    assert coming[0].ends_at == coming[1].starts_at
    assert coming[0].takes == "last full of each subclient completed in it"
    assert upcoming_periods(selective(), calendar=Calendar(), zone="UTC", now=NOW, count=3) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"day_start_s": -1},
        {"day_start_s": 86_400},
        {"week_start": 7},
        {"month_start_day": 0},
        {"month_start_day": 29},
    ],
)
def test_starts_that_do_not_exist_are_refused(wrong):
    with pytest.raises(UsageError):
        Calendar(**wrong)


CALENDARS = st.builds(
    Calendar,
    day_start_s=st.integers(0, 86_399),
    week_start=st.integers(0, 6),
    month_start_day=st.integers(1, 28),
)
TIMES = st.floats(at("2024-01-01"), at("2031-01-01"))


@settings(max_examples=300)
@given(
    rule=st.sampled_from(tuple(PERIOD_WORD)),
    calendar=CALENDARS,
    zone=st.sampled_from(ZONES),
    moment=TIMES,
)
def test_periods_follow_each_other_without_gaps(rule, calendar, zone, moment):
    periods = Periods(rule, calendar, LocalClock(zone))
    number = periods.number(moment)

    assert periods.start(number).timestamp() <= moment < periods.end(number).timestamp()
    assert periods.number(periods.start(number).timestamp()) == number
    assert periods.number(periods.end(number).timestamp() - 0.5) == number


@settings(max_examples=150)
@given(
    rule=st.sampled_from(tuple(PERIOD_WORD)),
    take=st.sampled_from(["first", "last"]),
    calendar=CALENDARS,
    zone=st.sampled_from(ZONES),
    times=st.lists(TIMES, max_size=40),
)
def test_exactly_one_full_of_each_period_that_is_over(rule, take, calendar, zone, times):
    now = at("2030-06-01")
    lines = [line(number, completed_at=time) for number, time in enumerate(times)]
    periods = Periods(rule, calendar, LocalClock(zone))
    current = periods.number(now)
    groups: dict[int, list] = {}
    for one in lines:
        groups.setdefault(periods.number(one.completed_at), []).append(one)
    pick = min if take == "first" else max
    wanted = {
        pick(group, key=lambda one: (one.completed_at, one.backup_job_id)).backup_job_id
        for number, group in groups.items()
        if take == "first" or number < current
    }

    assert set(taken(selective(rule, take), lines, now=now, zone=zone, calendar=calendar)) == wanted


@settings(max_examples=100)
@given(
    rule=st.sampled_from(tuple(PERIOD_WORD)),
    take=st.sampled_from(["first", "last"]),
    late=st.lists(st.tuples(TIMES, st.integers(0, 5)), max_size=25),
)
def test_late_arrivals_never_bring_a_second_one_of_a_period(rule, take, late):
    """Backup jobs are adopted in any order; each round copies what is taken."""
    periods = Periods(rule, Calendar(), LocalClock("Europe/Berlin"))
    lines: list = []
    for round_number in range(6):
        lines += [
            line(place, completed_at=time)
            for place, (time, when) in enumerate(late)
            if when == round_number
        ]
        now = at("2032-01-01") + round_number * DAY
        took = set(taken(selective(rule, take), lines, now=now, zone="Europe/Berlin"))
        lines = [
            one._replace(state=S.AVAILABLE) if one.backup_job_id in took else one for one in lines
        ]
    there = [periods.number(one.completed_at) for one in lines if one.state is S.AVAILABLE]
    assert len(there) == len(set(there))
