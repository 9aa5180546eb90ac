"""Hours, days, weeks, months and years as a CommCell counts them: their own starts, in its own zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from engine.model.errors import UsageError
from engine.policy.zones import DAY_S, LocalClock, instant_of

FRIDAY = 4
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PERIOD_WORD = {
    "hourly": "hour",
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
    "quarterly": "quarter",
    "half-yearly": "half-year",
    "yearly": "year",
}
_MONTHS_IN = {"monthly": 1, "quarterly": 3, "half-yearly": 6, "yearly": 12}
_HOUR_S = 3600
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Where days, weeks and months begin."""

    day_start_s: int = 0
    """Seconds after local midnight at which a day begins, 0 to 86,399."""
    week_start: int = FRIDAY
    """First day of the week, 0 (Monday) to 6 (Sunday)."""
    month_start_day: int = 1
    """First day of the month, 1 to 28."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            UsageError: a start that does not exist on every day, week or month.
        """
        if not 0 <= self.day_start_s < DAY_S:
            raise UsageError(f"a day cannot start {self.day_start_s} s after midnight: 0 to 86399")
        if not 0 <= self.week_start <= 6:
            raise UsageError(f"a week cannot start on day {self.week_start}: 0 (Monday) to 6")
        if not 1 <= self.month_start_day <= 28:
            raise UsageError(f"a month cannot start on day {self.month_start_day}: 1 to 28")


class Periods:
    """Numbers the periods of one rule, so that instants of the same period share a number.

    Args:
        rule: a key of `PERIOD_WORD`.
        calendar: where days, weeks and months begin.
        clock: the zone's clock.
    """

    def __init__(self, rule: str, calendar: Calendar, clock: LocalClock) -> None:
        self.rule = rule
        self.calendar = calendar
        self.clock = clock
        self._by_day: dict[int, int] = {}

    def number(self, at: float) -> int:
        """Number of the period of an instant (seconds since the epoch); later periods have larger ones."""
        offset = self.clock.offset_s(at)
        if self.rule == "hourly":
            # Counted by elapsed hours, so that a repeated hour of the night is two.
            return int((at + offset % _HOUR_S) // _HOUR_S)
        day = int((at + offset - self.calendar.day_start_s) // DAY_S)
        number = self._by_day.get(day)
        if number is None:
            number = self._by_day[day] = self._of_day(day)
        return number

    def _of_day(self, day: int) -> int:
        if self.rule == "daily":
            return day
        if self.rule == "weekly":
            # 1970-01-01 was a Thursday (3): shifted so that the week's first day begins a number.
            return (day + 3 - self.calendar.week_start) // 7
        on = date.fromordinal(day + _EPOCH_ORDINAL)
        month = on.year * 12 + on.month - 1
        if on.day < self.calendar.month_start_day:
            month -= 1
        return month // _MONTHS_IN[self.rule]

    def start(self, number: int) -> datetime:
        """The instant (UTC) at which a period begins."""
        if self.rule == "hourly":
            shift = self.clock.offset_s(number * _HOUR_S) % _HOUR_S
            return datetime.fromtimestamp(number * _HOUR_S - shift, UTC)
        wall = datetime.combine(self._first_day(number), datetime.min.time())
        return instant_of(wall + timedelta(seconds=self.calendar.day_start_s), self.clock.zone)

    def end(self, number: int) -> datetime:
        """The instant (UTC) at which a period is over."""
        return self.start(number + 1)

    def _first_day(self, number: int) -> date:
        if self.rule == "daily":
            return date.fromordinal(number + _EPOCH_ORDINAL)
        if self.rule == "weekly":
            return date.fromordinal(number * 7 - 3 + self.calendar.week_start + _EPOCH_ORDINAL)
        month = number * _MONTHS_IN[self.rule]
        return date(month // 12, month % 12 + 1, self.calendar.month_start_day)

    def described(self) -> str:
        """The period in words: `week from Friday`, `month`, `month from day 5`."""
        word, calendar = PERIOD_WORD[self.rule], self.calendar
        parts = [word]
        if self.rule == "weekly":
            parts.append(f"from {WEEKDAYS[calendar.week_start]}")
        elif self.rule in _MONTHS_IN and calendar.month_start_day != 1:
            parts.append(f"from day {calendar.month_start_day}")
        if self.rule != "hourly" and calendar.day_start_s:
            hours, minutes = divmod(calendar.day_start_s // 60, 60)
            parts.append(f"at {hours:02}:{minutes:02}")
        return " ".join(parts)
