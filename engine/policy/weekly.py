"""Days of the week, times of day and dates as people write them: `mon-fri`, `22:00`, `2026-12-24`."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date

from engine.model.errors import UsageError
from engine.model.names import shown

DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONG_DAY_NAMES = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)
EVERY_DAY = frozenset(range(7))
MINUTES_IN_DAY = 1_440
_CLOCK = re.compile(r"(\d{2}):(\d{2})", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DAYS_HINT = "days are mon tue wed thu fri sat sun: mon-fri, or sat,sun, or fri-mon, or all"


def parse_days(text: str) -> frozenset[int]:
    """Days of the week, 0 (Monday) to 6, of `mon-fri`, `sat,sun`, `fri-mon` or `all`.

    Raises:
        UsageError: not days of a week.
    """
    cleaned = text.strip().lower()
    if cleaned in ("all", "daily", "mon-sun"):
        return EVERY_DAY
    days: set[int] = set()
    for part in cleaned.split(","):
        first, dash, last = part.strip().partition("-")
        start = _day(first, text)
        end = _day(last, text) if dash else start
        days.update((start + step) % 7 for step in range((end - start) % 7 + 1))
    return frozenset(days)


def _day(word: str, text: str) -> int:
    word = word.strip()
    for names in (DAY_NAMES, LONG_DAY_NAMES):
        if word in names:
            return names.index(word)
    raise UsageError(f"{shown(text[:60])!r} does not name days of the week", hint=_DAYS_HINT)


def format_days(days: Collection[int]) -> str:
    """Days of the week in the form that `parse_days` reads; three or more in a row as a range."""
    if len(set(days)) == len(EVERY_DAY):
        return "all"
    parts: list[str] = []
    wanted = sorted(set(days))
    while wanted:
        run = [wanted.pop(0)]
        while wanted and wanted[0] == run[-1] + 1:
            run.append(wanted.pop(0))
        if len(run) >= 3:
            parts.append(f"{DAY_NAMES[run[0]]}-{DAY_NAMES[run[-1]]}")
        else:
            parts += [DAY_NAMES[day] for day in run]
    return ",".join(parts)


def parse_clock(text: str, *, is_end: bool = False) -> int:
    """Minutes after midnight of `22:00`.

    Args:
        text: HH:MM.
        is_end: allows `24:00`, the end of the day.

    Raises:
        UsageError: not a time of day.
    """
    match = _CLOCK.fullmatch(text.strip())
    minutes = int(match[1]) * 60 + int(match[2]) if match and int(match[2]) < 60 else -1
    last = MINUTES_IN_DAY if is_end else MINUTES_IN_DAY - 1
    if not 0 <= minutes <= last:
        raise UsageError(
            f"{shown(text[:40])!r} is not a time of day",
            hint=f"write HH:MM, 00:00 to {format_clock(last)}",
        )
    return minutes


def format_clock(minutes: int) -> str:
    """`22:00` of minutes after midnight; 1,440 is `24:00`, later ones wrap to the next day."""
    if minutes != MINUTES_IN_DAY:
        minutes %= MINUTES_IN_DAY
    return f"{minutes // 60:02}:{minutes % 60:02}"


def parse_date(text: str) -> date:
    """A date of `2026-12-24`.

    Raises:
        UsageError: not a date of the calendar.
    """
    cleaned = text.strip()
    if _DATE.fullmatch(cleaned):
        try:
            return date.fromisoformat(cleaned)
        except ValueError as err:
            raise UsageError(f"there is no day {cleaned}: {err}") from err
    raise UsageError(f"{shown(text[:40])!r} is not a date", hint="write YYYY-MM-DD: 2026-12-24")
