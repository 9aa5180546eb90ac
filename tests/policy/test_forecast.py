from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.states import JobCopyState as S
from engine.policy.backlog import (
    Backlog,
    BehindLimits,
    backlog_of,
    backlog_question,
    fallen_behind,
    limits_of,
)
from engine.policy.forecast import PastRate, RateSample, common_spans, forecast, past_rate
from engine.policy.plan import plan_copy
from engine.policy.values import RunOptions
from engine.policy.windows import Span, blocked_spans, window_from
from tests.policy.lines import DAY, NOW, line, synchronous

MONDAY = datetime(2026, 3, 9, tzinfo=UTC)
HOUR = 3_600
STEADY = PastRate(low_bps=100, middle_bps=100, high_bps=100)
TB = 10**12


def hours(count: float) -> datetime:
    return MONDAY + timedelta(hours=count)


def made(**options):
    facts = {"backlog_bytes": 360_000, "rate": STEADY, "income_bps": 0.0, "now": MONDAY}
    return forecast(**{**facts, **options})


def test_nothing_to_copy():
    assert made(backlog_bytes=0).sentence == "nothing to copy"
    assert made(backlog_bytes=0).at == MONDAY


def test_nothing_known_yet():
    unknown = made(rate=None)

    assert not unknown.is_known
    assert not unknown.is_never
    assert unknown.sentence == "not known yet: nothing was copied before"


def test_backlog_by_rate():
    assert made().at == hours(1)
    assert made().sentence == "caught up Monday 01:00"
    assert made(zone="Europe/Berlin").sentence == "caught up Monday 02:00"


def test_what_keeps_coming_slows_it():
    assert made(income_bps=50.0).at == hours(2)


def test_never_at_this_rate():
    never = made(income_bps=100.0)

    assert never.is_never
    assert never.sentence == "never at this rate: more comes than is copied"
    range_ = made(income_bps=150.0, rate=PastRate(low_bps=50, middle_bps=100, high_bps=250))
    assert range_.sentence == (
        "never at this rate: more comes than is copied; at the best rate Monday 01:00"
    )


def test_range_of_the_rate():
    rate = PastRate(low_bps=50, middle_bps=100, high_bps=200)

    found = made(rate=rate)

    assert (found.earliest, found.at, found.latest) == (hours(0.5), hours(1), hours(2))
    assert found.sentence == "caught up Monday 01:00 (between Monday 00:30 and Monday 02:00)"
    assert made(rate=rate, income_bps=60.0).latest is None
    assert made(rate=rate, income_bps=60.0).sentence.endswith("and never)")


def test_copying_begins_with_the_next_run():
    assert made(starts_at=hours(10)).at == hours(11)
    assert made(starts_at=hours(-10)).at == hours(1)


def test_throttle_limits_the_rate():
    assert made(throttle_bps=50).at == hours(2)


def test_blocked_hours_are_left_out():
    blocked = [
        Span(starts_at=hours(0.5), ends_at=hours(4), windows=("w",)),
        Span(starts_at=hours(3), ends_at=hours(5), windows=("v",)),
    ]

    assert made(blocked=blocked).at == hours(5.5)


def test_windows_decide_whether_it_ever_ends():
    """Twelve of 24 hours are open: what comes in a day must fit into them."""
    window = window_from(
        name="day",
        on_nodes=["commcell"],
        operations=[],
        do_not_run=[{"from": "08:00", "to": "20:00"}],
        time_zone="UTC",
    )
    blocked = blocked_spans(
        [window], ["commcell"], "auxcopy", start=MONDAY, end=MONDAY + timedelta(days=56)
    )

    assert made(backlog_bytes=10**8, income_bps=49.0, blocked=blocked).at is not None
    assert made(backlog_bytes=10**8, income_bps=51.0, blocked=blocked).is_never


def test_far_away_is_told_by_the_day():
    assert made(backlog_bytes=100 * 10 * DAY).sentence == "caught up 2026-03-19 00:00"
    assert made(backlog_bytes=100 * 100 * DAY).sentence == "caught up 2026-06-17"
    assert made(backlog_bytes=100 * 5_000 * DAY).is_never


@settings(max_examples=100)
@given(
    backlog=st.integers(1, 10**9),
    rate=st.integers(1, 10**4),
    income=st.integers(0, 10**4),
    spans=st.lists(st.tuples(st.integers(0, 300), st.integers(1, 80)), max_size=8),
)
def test_equal_to_going_minute_by_minute(backlog, rate, income, spans):
    blocked = [Span(starts_at=hours(a), ends_at=hours(a + n), windows=()) for a, n in spans]
    closed = {hour for a, n in spans for hour in range(a, a + n)}

    found = made(
        backlog_bytes=backlog,
        rate=PastRate(low_bps=rate, middle_bps=rate, high_bps=rate),
        income_bps=float(income),
        blocked=blocked,
    )

    owed, minute = float(backlog), 0
    while owed > 1e-6 and minute < 400 * 60:
        owed += 60 * (income - (0 if minute // 60 in closed else rate))
        minute += 1
    if owed <= 1e-6:
        assert found.at is not None
        assert abs((found.at - MONDAY) - timedelta(minutes=minute)) <= timedelta(minutes=1)
    else:
        assert found.at is None or found.at >= hours(400)


def test_past_rate_is_weighted_by_bytes():
    samples = [RateSample(10, 10), RateSample(10, 1_000), RateSample(1, 400), RateSample(0, 5)]

    assert past_rate(samples) == PastRate(low_bps=100, middle_bps=100, high_bps=400)
    assert past_rate([]) is None
    assert past_rate([RateSample(5, 0)]) is None


@given(st.lists(st.builds(RateSample, st.floats(0.1, 1e6), st.integers(1, 10**15)), min_size=1))
def test_range_of_past_rates_is_within_the_past(samples):
    found = past_rate(samples)
    rates = [sample.bytes / sample.seconds for sample in samples]

    assert found is not None
    assert min(rates) <= found.low_bps <= found.middle_bps <= found.high_bps <= max(rates)


def owed(*lines, copy=None):
    copy = copy or synchronous()
    verdicts = plan_copy(copy, lines, now=NOW, options=RunOptions())
    return backlog_of(lines, verdicts, defer_s=copy.defer_s)


def test_backlog_is_what_is_owed():
    lines = [
        line(1, source_available_at=NOW - 9 * DAY),
        line(2, state=S.AVAILABLE),
        line(3, source_state=S.BAD, source_available_at=NOW - 3 * DAY),
        line(4, decision="do_not_copy"),
    ]

    assert owed(*lines) == Backlog(backup_jobs=2, bytes=200, oldest_at=NOW - 9 * DAY)
    assert owed() == Backlog(backup_jobs=0, bytes=0, oldest_at=None)


def test_deferral_is_no_backlog():
    deferred = line(1, source_available_at=NOW - 3 * DAY)
    due = line(2, source_available_at=NOW - 9 * DAY)

    found = owed(deferred, due, copy=synchronous(defer_s=7 * DAY))

    assert found == Backlog(backup_jobs=1, bytes=100, oldest_at=NOW - 2 * DAY)


@pytest.mark.parametrize(
    ("backlog", "rate", "reasons"),
    [
        (Backlog(backup_jobs=1, bytes=25 * TB, oldest_at=NOW), None, ()),
        (
            Backlog(backup_jobs=1, bytes=26 * TB, oldest_at=NOW),
            None,
            ("24 TiB to copy, more than 23 TiB",),
        ),
        (
            Backlog(backup_jobs=1, bytes=1, oldest_at=NOW - 15 * DAY),
            1e6,
            ("the oldest has been due for 15 d, more than 14 d",),
        ),
        (Backlog(backup_jobs=1, bytes=1, oldest_at=NOW - 14 * DAY), 1e6, ()),
        (Backlog(backup_jobs=1, bytes=48 * HOUR, oldest_at=NOW), 1.0, ()),
        (
            Backlog(backup_jobs=1, bytes=49 * HOUR, oldest_at=NOW),
            1.0,
            ("2 d 1 h of work at the past rate, more than 2 d",),
        ),
        (Backlog(backup_jobs=0, bytes=0, oldest_at=None), 0.0, ()),
    ],
)
def test_fallen_behind(backlog, rate, reasons):
    assert fallen_behind(backlog, now=NOW, rate_bps=rate) == reasons


def test_limits_can_be_switched_off():
    worst = Backlog(backup_jobs=9, bytes=99 * TB, oldest_at=0.0)
    none = BehindLimits(size_bytes=None, age_s=None, time_s=None)

    assert len(fallen_behind(worst, now=NOW, rate_bps=1.0)) == 3
    assert fallen_behind(worst, now=NOW, rate_bps=1.0, limits=none) == ()


def test_a_new_copy_asks_about_a_large_backlog():
    young = line(1, completed_at=NOW - 14 * DAY, size_bytes=10 * TB)
    old = line(2, completed_at=NOW - 15 * DAY)

    assert backlog_question([young], now=NOW) == ""
    assert backlog_question([], now=NOW) == ""
    assert backlog_question([old._replace(source_state=None)], now=NOW) == ""
    assert backlog_question([young, old], now=NOW) == (
        "the source holds 2 backup jobs, 9.1 TiB, the oldest 15 d old: "
        "copy all of them, or only backups on and after a date?"
    )


def test_only_hours_that_are_closed_on_every_media_agent_are_blocked():
    first = [Span(starts_at=hours(0), ends_at=hours(4), windows=("a",))]
    second = [
        Span(starts_at=hours(3), ends_at=hours(5), windows=("b",)),
        Span(starts_at=hours(9), ends_at=hours(10), windows=("c",)),
    ]

    common = common_spans([first, second])

    assert common == [Span(starts_at=hours(3), ends_at=hours(4), windows=("a", "b"))]
    assert common_spans([first]) == first
    assert common_spans([first, []]) == common_spans([]) == []


def test_limits_of_a_policy_go_before_those_of_the_commcell():
    usual = BehindLimits(size_bytes=10, age_s=20, time_s=30)

    assert limits_of({}, usual) == usual
    assert limits_of({"age_s": None, "time_s": 5}, usual) == BehindLimits(
        size_bytes=10, age_s=None, time_s=5
    )
