"""The grammar of schedules: `weekly on fri at 22:00` as a value. `FORMS` and `OPTIONS` show all of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import lru_cache

from cronsim import CronSim, CronSimError

from engine.model.errors import UsageError
from engine.model.names import shown
from engine.policy.durations import format_duration, parse_duration
from engine.policy.recurrence import Every, Schedule, ScheduleKind
from engine.policy.weekly import (
    EVERY_DAY,
    LONG_DAY_NAMES,
    MINUTES_IN_DAY,
    format_clock,
    format_days,
    parse_clock,
    parse_date,
    parse_days,
)
from engine.policy.zones import DAY_S, zone_of

FORMS = (
    "once at 2026-12-01 03:00",
    "daily at 22:00",
    "weekly on mon-fri at 22:00",
    "monthly on day 31 at 22:00",
    "monthly on second tuesday at 22:00",
    "monthly on last friday at 22:00",
    "yearly on 12-31 at 22:00",
    "every 30m",
    "every 30m from 08:00 until 18:00",
    "every 2 weeks on mon at 22:00",
    "cron 0 22 * * 1-5",
    "continuous",
    "automatic",
    "after-backup",
)
OPTIONS = (
    "repeat every 1h until 06:00",
    "starting 2026-03-02",
    "until 2027-01-31",
    "for 5 times",
    "except 2026-12-24, 2026-12-25",
)
MAX_COUNT = 1_000  # runs of "for N times"; counting them again must stay quick
MAX_EVERY = 1_000  # days, weeks or months between runs

_HINT = f"one of: {'; '.join(FORMS)}; and after it: {'; '.join(OPTIONS)}"
_ORDINALS = ("first", "second", "third", "fourth", "fifth")
_WORKDAYS = (0, 1, 2, 3, 4)
_D = r"\d{4}-\d{2}-\d{2}"
_T = r"\d{2}:\d{2}"
_TIMES = rf"(?P<times>{_T}(?:,{_T})*)"
_DAYS = r"(?P<days>[a-z,-]+)"
_MONTH_DAY = (
    r"(?:day (?P<day>\d{1,2})|(?P<last>last day|last weekday)"
    rf"|(?P<nth>{'|'.join(_ORDINALS)}|last) (?P<weekday>[a-z]+))"
)
_OPTION = re.compile(
    rf"(?P<head>.+?) (?:except (?P<dates>{_D}(?:,{_D})*)|until (?P<until>{_D})"
    rf"|starting (?P<starting>{_D})|for (?P<count>\d{{1,6}}) times?)"
)
_REPEAT = re.compile(rf"(?P<head>.+?) repeat every (?P<step>[0-9a-z]+) until (?P<end>{_T})")


@lru_cache(maxsize=256)
def parse_schedule(text: str, zone: str = "UTC") -> Schedule:
    """The schedule that a text says.

    Args:
        text: one of `FORMS`, and after it any of `OPTIONS`.
        zone: IANA name of the zone of its times.

    Raises:
        UsageError: not a schedule, a time or date that does not exist, or an unknown zone.
    """
    zone_of(zone)
    head = re.sub(r"\s*,\s*", ",", " ".join(text.lower().split()))
    empty = Schedule(text=head, zone_name=zone, kind=ScheduleKind.DAYS)
    clauses: list[re.Match[str]] = []
    while clause := _OPTION.fullmatch(head) or _REPEAT.fullmatch(head):
        clauses.append(clause)
        head = clause["head"]
    for form, build in _FORMS:
        match = form.fullmatch(head)
        if match is not None:
            schedule = build(empty, match)
            for clause in reversed(clauses):
                schedule = _with_clause(schedule, clause)
            return _checked(schedule)
    raise UsageError(f"{shown(text[:60])!r} is not a schedule", hint=_nearest(text))


def _nearest(text: str) -> str:
    """The form that looks most like what was typed."""
    from rapidfuzz import fuzz, process  # slow to import, and only a wrong schedule needs it

    words = " ".join(text[:200].lower().split())
    form = process.extractOne(words, FORMS, scorer=fuzz.ratio)[0]
    return f"the nearest form is {form!r}; the guide lists all (Schedules and operation windows)"


def _with_clause(schedule: Schedule, clause: re.Match[str]) -> Schedule:
    """Adds one option; each may come once."""
    if schedule.kind not in (ScheduleKind.DAYS, ScheduleKind.INTERVAL):
        raise UsageError(f"a schedule {schedule.kind.value!r} takes no options", hint=_HINT)
    found = {name: value for name, value in clause.groupdict().items() if value and name != "head"}
    if "step" in found:
        return _with_repeat(schedule, found["step"], found["end"])
    name, value = next(iter(found.items()))
    if name == "dates":
        days = frozenset(parse_date(day) for day in value.split(","))
        return replace(schedule, exceptions=schedule.exceptions | days)
    if getattr(schedule, name) is not None:
        raise UsageError(f"{name!r} comes twice in {shown(schedule.text[:60])!r}")
    if name == "until":
        return replace(schedule, until=parse_date(value))
    if name == "starting":
        return replace(schedule, starting=parse_date(value))
    if not 1 <= int(value) <= MAX_COUNT:
        raise UsageError(f"'for {value} times' is not possible", hint=f"1 to {MAX_COUNT}")
    return replace(schedule, count=int(value))


def _with_repeat(schedule: Schedule, step: str, end: str) -> Schedule:
    """Adds `repeat every 1h until 06:00`; an end not after the last time is on the next day."""
    if not schedule.times or schedule.repeat_s:
        raise UsageError(f"nothing to repeat in {shown(schedule.text[:60])!r}", hint=_HINT)
    repeat_s = _step(step)
    until = parse_clock(end, is_end=True)
    if until <= max(schedule.times):
        until += MINUTES_IN_DAY
    words = f"{schedule.words}, again every {format_duration(repeat_s)} until {end}"
    return replace(schedule, repeat_s=repeat_s, repeat_until=until, words=words)


def _checked(schedule: Schedule) -> Schedule:
    """Refuses what can never run."""
    if schedule.count is not None and schedule.starting is None:
        raise UsageError(
            f"'for {schedule.count} times' needs a day to count from",
            hint="add: starting 2026-03-02",
        )
    if schedule.until and schedule.starting and schedule.until < schedule.starting:
        raise UsageError(
            f"the schedule never runs: it ends {schedule.until} before it starts {schedule.starting}"
        )
    return schedule


def _step(text: str) -> int:
    """Seconds between runs: whole minutes, 1m to 24h."""
    step_s = parse_duration(text)
    if not 60 <= step_s <= DAY_S or step_s % 60:
        raise UsageError(
            f"every {shown(text)} is not possible",
            hint="whole minutes from 1m to 24h; for days write: every 2 days at 22:00",
        )
    return step_s


def _times(match: re.Match[str]) -> tuple[int, ...]:
    return tuple(sorted({parse_clock(time) for time in match["times"].split(",")}))


def _at(times: tuple[int, ...]) -> str:
    return f"at {', '.join(format_clock(minutes) for minutes in times)}"


def _once(empty: Schedule, match: re.Match[str]) -> Schedule:
    day, minutes = parse_date(match["date"]), parse_clock(match["time"])
    at = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minutes)
    words = f"once, on {day} at {format_clock(minutes)}"
    return replace(empty, kind=ScheduleKind.ONCE, once_at=at, words=words)


def _daily(empty: Schedule, match: re.Match[str]) -> Schedule:
    times = _times(match)
    return replace(empty, crons=("0 0 * * *",), times=times, words=f"every day {_at(times)}")


def _cron_days(days: frozenset[int]) -> str:
    if days == EVERY_DAY:
        return "*"
    return ",".join(str(day + 1) for day in sorted(days))


def _weekly(empty: Schedule, match: re.Match[str]) -> Schedule:
    days, times = parse_days(match["days"]), _times(match)
    words = f"every week on {format_days(days)} {_at(times)}"
    return replace(empty, crons=(f"0 0 * * {_cron_days(days)}",), times=times, words=words)


def _month_day(match: re.Match[str]) -> tuple[int, tuple[int, ...], int, str]:
    """Day, weekdays, which of them, and words, of the part after `monthly on`."""
    if match["day"]:
        day = int(match["day"])
        if not 1 <= day <= 31:
            raise UsageError(f"no month has a day {day}", hint="day 1 to day 31, or last day")
        lacking = " (a month without it: its last day)" if day > 28 else ""
        return day, (), 0, f"day {day}{lacking}"
    if match["last"] == "last day":
        return 31, (), 0, "the last day"
    if match["last"]:
        return 0, _WORKDAYS, -1, "the last weekday"
    days = parse_days(match["weekday"])
    if len(days) != 1:
        raise UsageError(f"{shown(match['weekday'])!r} is not one weekday", hint="second tuesday")
    (weekday,) = days
    nth = -1 if match["nth"] == "last" else _ORDINALS.index(match["nth"]) + 1
    return 0, (weekday,), nth, f"the {match['nth']} {LONG_DAY_NAMES[weekday].capitalize()}"


def _monthly(empty: Schedule, match: re.Match[str]) -> Schedule:
    day, weekdays, nth, words = _month_day(match)
    if weekdays == _WORKDAYS:
        crons: tuple[str, ...] = ("0 0 LW * *",)
    elif weekdays:
        which = "L" if nth < 0 else f"#{nth}"
        crons = (f"0 0 * * {weekdays[0] + 1}{which}",)
    else:
        crons = _crons_of_day(day)
    times = _times(match)
    return replace(empty, crons=crons, times=times, words=f"every month on {words} {_at(times)}")


def _crons_of_day(day: int) -> tuple[str, ...]:
    """A day of every month; its last where the month lacks the day."""
    if day == 31:
        return ("0 0 L * *",)
    if day > 28:
        return (f"0 0 {day} 1,3-12 *", "0 0 L 2 *")
    return (f"0 0 {day} * *",)


def _yearly(empty: Schedule, match: re.Match[str]) -> Schedule:
    month, day = int(match["month"]), int(match["day"])
    leap_year = 2028
    try:
        on = date(leap_year, month, day)
    except ValueError as err:
        raise UsageError(f"there is no day {month:02}-{day:02}", hint="MM-DD: 12-31") from err
    is_leap_day = (month, day) == (2, 29)
    cron = "0 0 L 2 *" if is_leap_day else f"0 0 {day} {month} *"
    times = _times(match)
    words = f"every year on {on:%m-%d}{' (else 02-28)' if is_leap_day else ''} {_at(times)}"
    return replace(empty, crons=(cron,), times=times, words=words)


def _number(match: re.Match[str]) -> int:
    number = int(match["n"])
    if not 1 <= number <= MAX_EVERY:
        raise UsageError(f"every {number} is not possible", hint=f"every 1 to {MAX_EVERY}")
    return number


def _every_days(empty: Schedule, match: re.Match[str]) -> Schedule:
    number, times = _number(match), _times(match)
    words = f"every {number} days {_at(times)}"
    return replace(empty, every=Every(unit="days", count=number), times=times, words=words)


def _every_weeks(empty: Schedule, match: re.Match[str]) -> Schedule:
    number, days, times = _number(match), parse_days(match["days"]), _times(match)
    every = Every(unit="weeks", count=number, weekdays=tuple(sorted(days)))
    words = f"every {number} weeks on {format_days(days)} {_at(times)}"
    return replace(empty, every=every, times=times, words=words)


def _every_months(empty: Schedule, match: re.Match[str]) -> Schedule:
    number, times = _number(match), _times(match)
    day, weekdays, nth, which = _month_day(match)
    every = Every(unit="months", count=number, weekdays=weekdays, nth=nth, month_day=day)
    words = f"every {number} months on {which} {_at(times)}"
    return replace(empty, every=every, times=times, words=words)


def _range(empty: Schedule, match: re.Match[str]) -> Schedule:
    days = parse_days(match["days"]) if match["days"] else EVERY_DAY
    start = parse_clock(match["start"])
    on = "every day" if days == EVERY_DAY else f"every week on {format_days(days)}"
    words = f"{on} {_at((start,))}"
    cron = f"0 0 * * {_cron_days(days)}"
    schedule = replace(empty, crons=(cron,), times=(start,), words=words)
    return _with_repeat(schedule, match["step"], match["end"])


def _interval(empty: Schedule, match: re.Match[str]) -> Schedule:
    step_s = _step(match["step"])
    words = f"every {format_duration(step_s)}"
    return replace(empty, kind=ScheduleKind.INTERVAL, interval_s=step_s, words=words)


def _cron(empty: Schedule, match: re.Match[str]) -> Schedule:
    expression = match["cron"]
    if len(expression.split()) != 5:
        raise UsageError(
            f"{shown(expression[:40])!r} is not a cron expression",
            hint="five fields: minute hour day month weekday, e.g. cron 0 22 * * 1-5",
        )
    try:
        words = CronSim(expression, datetime(2026, 1, 1)).explain()  # noqa: DTZ001 - only parsed
    except CronSimError as err:
        raise UsageError(f"{shown(expression[:40])!r} is not a cron expression: {err}") from err
    return replace(empty, crons=(expression,), words=words[:1].lower() + words[1:])


def _word(empty: Schedule, match: re.Match[str]) -> Schedule:
    kind = ScheduleKind(match["word"])
    words = {
        ScheduleKind.CONTINUOUS: "all the time: again a minute after it has ended",
        ScheduleKind.AUTOMATIC: "automatically: every 30m, when there is something to do",
        ScheduleKind.AFTER_BACKUP: "after each new backup job",
    }[kind]
    return replace(empty, kind=kind, words=words)


_Builder = Callable[[Schedule, re.Match[str]], Schedule]
_FORMS: tuple[tuple[re.Pattern[str], _Builder], ...] = (
    (re.compile(rf"once at (?P<date>{_D}) (?P<time>{_T})"), _once),
    (re.compile(rf"daily at {_TIMES}"), _daily),
    (re.compile(rf"weekly on {_DAYS} at {_TIMES}"), _weekly),
    (re.compile(rf"monthly on {_MONTH_DAY} at {_TIMES}"), _monthly),
    (re.compile(rf"yearly on (?P<month>\d\d)-(?P<day>\d\d) at {_TIMES}"), _yearly),
    (re.compile(rf"every (?P<n>\d{{1,6}}) days? at {_TIMES}"), _every_days),
    (re.compile(rf"every (?P<n>\d{{1,6}}) weeks? on {_DAYS} at {_TIMES}"), _every_weeks),
    (re.compile(rf"every (?P<n>\d{{1,6}}) months? on {_MONTH_DAY} at {_TIMES}"), _every_months),
    (
        re.compile(
            rf"every (?P<step>[0-9a-z]+)(?: on {_DAYS})? from (?P<start>{_T}) until (?P<end>{_T})"
        ),
        _range,
    ),
    (re.compile(r"every (?P<step>[0-9a-z]+)"), _interval),
    (re.compile(r"cron (?P<cron>.+)"), _cron),
    (re.compile(r"(?P<word>continuous|automatic|after-backup)"), _word),
)
