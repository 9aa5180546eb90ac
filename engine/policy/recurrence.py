"""What a schedule is, and when it is due. Knows nothing of how a schedule is written.

Days come from cronsim, and from dateutil's rrule where cron cannot say it, always as wall dates
without a zone; one place turns wall times into instants. A time that a clock change leaves out
runs once, at the end of the gap; a time that comes twice runs at the first. Steps of minutes and
hours are elapsed time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from heapq import merge
from itertools import groupby

from cronsim import CronSim
from dateutil.rrule import DAILY, FR, MO, MONTHLY, SA, SU, TH, TU, WE, WEEKLY, rrule

from engine.policy.zones import instant_of, wall_of, zone_of

AUTOMATIC_S = 1_800  # an automatic auxiliary copy looks every 30 minutes
CONTINUOUS_PAUSE_S = 60  # between the end of a continuous run and its next start
HORIZON_YEARS = 40  # a schedule without a run in so many years has none
_WEEKDAY = (MO, TU, WE, TH, FR, SA, SU)
_ANCHOR = date(1970, 1, 5)
"""A Monday: weeks and days are counted from it where a schedule names no start."""


class ScheduleKind(StrEnum):
    """What makes a schedule due."""

    ONCE = "once"
    DAYS = "days"
    """At times of chosen days."""
    INTERVAL = "interval"
    """Every so many minutes or hours, elapsed."""
    CONTINUOUS = "continuous"
    """A minute after the run before has ended."""
    AUTOMATIC = "automatic"
    """Every 30 minutes."""
    AFTER_BACKUP = "after-backup"
    """By an event, at no time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """Every n-th day, week or month: what cron cannot say."""

    unit: str
    """days, weeks, months."""
    count: int
    weekdays: tuple[int, ...] = ()
    """0 (Monday) to 6."""
    nth: int = 0
    """Which of the weekdays of a month: 1 to 5, -1 for the last; 0: not by weekday."""
    month_day: int = 0
    """1 to 31, a day that the month lacks is its last; 0: not so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When something runs, in a zone."""

    text: str
    """As it was written, in lower case with single spaces."""
    zone_name: str
    kind: ScheduleKind
    crons: tuple[str, ...] = ()
    """Cron expressions of the days or of the times themselves; their union."""
    every: Every | None = None
    times: tuple[int, ...] = ()
    """Minutes after midnight; empty: the cron expressions say the time."""
    repeat_s: int = 0
    """Again every so many seconds from each time on; 0: not."""
    repeat_until: int = 0
    """Minutes after the midnight before, above 1,440 on the next day; inclusive."""
    interval_s: int = 0
    once_at: datetime | None = None
    """Wall time; of a schedule `once` only."""
    starting: date | None = None
    until: date | None = None
    """Last day, inclusive."""
    count: int | None = None
    """Ends after so many runs, counted from `starting`."""
    exceptions: frozenset[date] = frozenset()
    words: str = ""
    """The pattern as a phrase."""

    def next_after(self, after: datetime) -> datetime | None:
        """The first run strictly after an instant (aware), in UTC; None when there is none."""
        return next(self.runs_after(after), None)

    def runs_after(self, after: datetime) -> Iterator[datetime]:
        """All runs strictly after an instant (aware), in UTC, in order and each once."""
        after = after.astimezone(UTC)
        if self.kind is ScheduleKind.CONTINUOUS:
            return iter([after + timedelta(seconds=CONTINUOUS_PAUSE_S)])
        if self.kind is ScheduleKind.AFTER_BACKUP:
            return iter(())
        if self.count is None:
            return self._limited(after)
        # Counted from the start: the runs before `after` use up the number too.
        counted = zip(range(self.count), self._limited(self._before_start()), strict=False)
        return (run for _, run in counted if run > after)

    def _before_start(self) -> datetime:
        """The last second before the day from which on it runs."""
        midnight = datetime.combine(self.starting or _ANCHOR, datetime.min.time())
        return self._instant(midnight) - timedelta(seconds=1)

    def _limited(self, after: datetime) -> Iterator[datetime]:
        """The runs after an instant within the first and last day, without the exceptions."""
        zone = zone_of(self.zone_name)
        if self.starting is not None:
            after = max(after, self._before_start())
        horizon = wall_of(after, zone).year + HORIZON_YEARS
        for run in self._pattern(after):
            on = wall_of(run, zone).date()
            if (self.until is not None and on > self.until) or on.year > horizon:
                return
            if on not in self.exceptions:
                yield run

    def _pattern(self, after: datetime) -> Iterator[datetime]:
        if self.once_at is not None:
            run = self._instant(self.once_at)
            return iter([run] if run > after else [])
        if self.kind in (ScheduleKind.INTERVAL, ScheduleKind.AUTOMATIC):
            return self._steps(after)
        return self._of_days(after)

    def _steps(self, after: datetime) -> Iterator[datetime]:
        """Instants at multiples of the interval since 1970, so that a restart changes nothing."""
        step = self.interval_s or AUTOMATIC_S
        number = int(after.timestamp() // step) + 1
        while True:
            yield datetime.fromtimestamp(number * step, UTC)
            number += 1

    def _of_days(self, after: datetime) -> Iterator[datetime]:
        # Two days earlier: a repeat may pass midnight, and a clock change may move a day's start.
        zone = zone_of(self.zone_name)
        start = wall_of(after, zone) - timedelta(days=2)
        sources: list[Iterator[datetime]] = []
        for expression in self.crons:
            if self.times:
                midnights = CronSim(expression, start)
                sources.append(self._runs_of_days(midnight.date() for midnight in midnights))
            else:
                # With a zone cronsim itself follows Debian's cron through clock changes.
                runs = CronSim(expression, after.astimezone(zone))
                sources.append(run.astimezone(UTC) for run in runs)
        if self.every is not None:
            sources.append(self._runs_of_days(_days_of(self.every, start, self.starting)))
        for run, _ in groupby(merge(*sources)):
            if run > after:
                yield run

    def _runs_of_days(self, days: Iterator[date]) -> Iterator[datetime]:
        """The runs of rising days, in order also where a repeat reaches into the next day."""
        held: list[datetime] = []
        for day in days:
            midnight = datetime.combine(day, datetime.min.time())
            begins = self._instant(midnight)
            yield from sorted(run for run in held if run < begins)
            held = [run for run in held if run >= begins]
            for minutes in self.times:
                held += self._repeats(midnight, minutes)
            if not self.repeat_s:
                yield from sorted(held)
                held = []
        yield from sorted(held)

    def _repeats(self, midnight: datetime, minutes: int) -> Iterator[datetime]:
        run = self._instant(midnight + timedelta(minutes=minutes))
        yield run
        if self.repeat_s:
            end = self._instant(midnight + timedelta(minutes=self.repeat_until))
            while (run := run + timedelta(seconds=self.repeat_s)) <= end:
                yield run

    def _instant(self, wall: datetime) -> datetime:
        return instant_of(wall, zone_of(self.zone_name))


def _days_of(every: Every, start: datetime, starting: date | None) -> Iterator[date]:
    """Days of every n-th day, week or month, from about a start; counted from the anchor."""
    anchor = starting or _ANCHOR
    begin = _jump(every, anchor, start.date())
    wall = datetime.combine(begin, datetime.min.time())
    if every.unit == "days":
        rule = rrule(DAILY, interval=every.count, dtstart=wall)
    elif every.unit == "weeks":
        weekdays = [_WEEKDAY[day] for day in every.weekdays]
        rule = rrule(WEEKLY, interval=every.count, byweekday=weekdays, dtstart=wall, wkst=MO)
    elif every.nth:
        weekdays = [_WEEKDAY[day] for day in every.weekdays]
        rule = rrule(
            MONTHLY, interval=every.count, byweekday=weekdays, bysetpos=every.nth, dtstart=wall
        )
    else:
        # The last of the days up to the wanted one that the month has.
        days = list(range(min(every.month_day, 28), every.month_day + 1))
        rule = rrule(MONTHLY, interval=every.count, bymonthday=days, bysetpos=-1, dtstart=wall)
    return (found.date() for found in rule)


def _jump(every: Every, anchor: date, near: date) -> date:
    """The anchor moved by whole intervals to not after `near`; rrule would walk there."""
    if every.unit == "months":
        passed = (near.year - anchor.year) * 12 + near.month - anchor.month
        months = anchor.year * 12 + anchor.month - 1 + passed // every.count * every.count
        return date(months // 12, months % 12 + 1, 1)
    step = every.count * (7 if every.unit == "weeks" else 1)
    if every.unit == "weeks":
        anchor -= timedelta(days=anchor.weekday())
    return anchor + timedelta(days=(near - anchor).days // step * step)
