"""Weekly periods in a zone: operation windows and throttle timetables are made of them.

A period holds by what a clock in its zone shows: it is shorter in the night that loses an hour and
longer in the one that gains one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from engine.model.errors import UsageError
from engine.model.names import shown
from engine.policy.weekly import (
    EVERY_DAY,
    MINUTES_IN_DAY,
    format_clock,
    format_days,
    parse_clock,
    parse_date,
    parse_days,
)
from engine.policy.zones import instant_of, offset_change, wall_of

PERIOD_KEYS = ("days", "from", "to", "first_day", "last_day")
_MINUTES_IN_WEEK = 7 * MINUTES_IN_DAY
_BLOCK_DAYS = 8  # boundaries are looked for in steps of a week and a day
_SEARCH_DAYS = 30  # beyond the last dated period the weeks repeat; a month sees every clock change
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Hours of some days of the week, maybe of a range of dates only."""

    days: frozenset[int]
    """0 (Monday) to 6: the days on which it begins."""
    start: int
    """Minutes after midnight, 0 to 1,439."""
    end: int
    """Minutes after the same midnight, exclusive; above 1,440 it passes midnight."""
    first_day: date | None = None
    last_day: date | None = None
    """Inclusive; of the day on which it begins."""

    def begins_on(self, day: date) -> bool:
        """Whether it begins on a date."""
        return (
            day.weekday() in self.days
            and (self.first_day is None or self.first_day <= day)
            and (self.last_day is None or day <= self.last_day)
        )

    def holds(self, day: date, minute: int) -> bool:
        """Whether it holds at a minute (0 to 1,439) of a date."""
        if self.start <= minute < self.end and self.begins_on(day):
            return True
        return minute < self.end - MINUTES_IN_DAY and self.begins_on(day - _DAY)

    @property
    def text(self) -> str:
        """`mon-fri 08:00-18:00`, with its dates when it has some."""
        end = self.end if self.end <= MINUTES_IN_DAY else self.end - MINUTES_IN_DAY
        text = f"{format_days(self.days)} {format_clock(self.start)}-{format_clock(end)}"
        if self.first_day:
            text += f" from {self.first_day}"
        return f"{text} to {self.last_day}" if self.last_day else text


def parse_periods(rows: Sequence[Mapping[str, object]]) -> tuple[Period, ...]:
    """Periods of the rows of a site file; keys beyond `PERIOD_KEYS` are not looked at.

    Raises:
        UsageError: a day, time or date that does not exist, a period of no length, one that never
            begins, or two that overlap; names the row, counted from 1.
    """
    periods: list[Period] = []
    for number, row in enumerate(rows, 1):
        try:
            periods.append(_period(row))
        except UsageError as err:
            raise UsageError(f"period {number}: {err.message}", hint=err.hint) from err
    for later, period in enumerate(periods):
        for earlier in range(later):
            if _overlap(periods[earlier], period):
                raise UsageError(
                    f"periods {earlier + 1} and {later + 1} overlap: "
                    f"{periods[earlier].text}, and {period.text}",
                    hint="let one end where the other begins",
                )
    return tuple(periods)


def _period(row: Mapping[str, object]) -> Period:
    days = parse_days(_text(row, "days")) if "days" in row else EVERY_DAY
    start, end = parse_clock(_text(row, "from")), parse_clock(_text(row, "to"), is_end=True)
    if start == end:
        raise UsageError(
            f"from {format_clock(start)} to {format_clock(end)} is no time at all",
            hint='for a whole day write from = "00:00", to = "24:00"',
        )
    first_day, last_day = _date(row, "first_day"), _date(row, "last_day")
    period = Period(
        days=days,
        start=start,
        end=end if end > start else end + MINUTES_IN_DAY,
        first_day=first_day,
        last_day=last_day,
    )
    if first_day and last_day:
        span = range(min(7, (last_day - first_day).days + 1))
        if not any(period.begins_on(first_day + step * _DAY) for step in span):
            raise UsageError(
                f"{period.text} never comes: no such day in these dates",
                hint="last_day is not before first_day, and both are included",
            )
    return period


def _text(row: Mapping[str, object], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise UsageError(f"{key} is missing or not text", hint='e.g. from = "08:00", to = "18:00"')
    return value


def _date(row: Mapping[str, object], key: str) -> date | None:
    value = row.get(key)
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    if not isinstance(value, str):
        raise UsageError(f"{key} {shown(str(value)[:40])!r} is not a date", hint="2026-12-24")
    return parse_date(value)


def _overlap(one: Period, other: Period) -> bool:
    if one.last_day and other.first_day and one.last_day < other.first_day:
        return False
    if other.last_day and one.first_day and other.last_day < one.first_day:
        return False
    return any(
        a < end and b < finish
        for a, finish in _week_minutes(one)
        for b, end in _week_minutes(other)
    )


def _week_minutes(period: Period) -> Iterator[tuple[int, int]]:
    """Minutes of a week, from Monday 00:00, in which a period holds; Sunday's end wraps around."""
    for day in period.days:
        start, end = day * MINUTES_IN_DAY + period.start, day * MINUTES_IN_DAY + period.end
        yield start, min(end, _MINUTES_IN_WEEK)
        if end > _MINUTES_IN_WEEK:
            yield 0, end - _MINUTES_IN_WEEK


def covers_every_minute(periods: Sequence[Period]) -> bool:
    """Whether undated periods leave no minute of a week free."""
    spans = sorted(
        span
        for period in periods
        if period.first_day is None and period.last_day is None
        for span in _week_minutes(period)
    )
    reached = 0
    for start, end in spans:
        if start > reached:
            return False
        reached = max(reached, end)
    return reached >= _MINUTES_IN_WEEK


def period_at(periods: Sequence[Period], zone: ZoneInfo, at: datetime) -> int | None:
    """Index of the period that holds at an instant (aware); None when none does."""
    wall = wall_of(at, zone)
    day, minute = wall.date(), wall.hour * 60 + wall.minute
    for index, period in enumerate(periods):
        if period.holds(day, minute):
            return index
    return None


def boundaries(periods: Sequence[Period], zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Instants (UTC) after `after`, rising, between which nothing changes; ends when all repeats."""
    if not periods:
        return
    day = wall_of(after, zone).date()
    dated = [on for period in periods for on in (period.first_day, period.last_day) if on]
    last = max([day, *dated]) + _SEARCH_DAYS * _DAY
    while day <= last:
        until = day + _BLOCK_DAYS * _DAY
        # Half-open blocks of local days, so that the instants rise from block to block.
        begin, end = _midnight(day, zone), _midnight(until, zone)
        found = set(_offset_changes(begin, end, zone))
        for step in range(-2, _BLOCK_DAYS + 1):
            found.update(_edges(periods, zone, day + step * _DAY))
        yield from sorted(at for at in found if begin <= at < end and at > after)
        day = until


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return instant_of(datetime.combine(day, datetime.min.time()), zone)


def _edges(periods: Sequence[Period], zone: ZoneInfo, day: date) -> Iterator[datetime]:
    """Instants at which a clock shows the start or end of a period that begins on a date."""
    midnight = datetime.combine(day, datetime.min.time())
    for period in periods:
        if not period.begins_on(day):
            continue
        for minutes in (period.start, period.end):
            wall = midnight + minutes * _MINUTE
            yield instant_of(wall, zone)
            yield wall.replace(tzinfo=zone, fold=1).astimezone(UTC)


def _offset_changes(begin: datetime, end: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Instants of a change of the zone's offset, to the second, between two instants."""
    low = begin
    while low < end:
        high = min(low + _DAY, end)
        if low.astimezone(zone).utcoffset() != high.astimezone(zone).utcoffset():
            yield offset_change(low, high, zone)
        low = high
