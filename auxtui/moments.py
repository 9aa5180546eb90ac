"""Times as they are typed: a date, a date with a time, a time of day, or full ISO 8601."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from engine.model.errors import UsageError
from engine.model.names import shown
from engine.policy.durations import parse_duration
from engine.policy.zones import instant_of, told, wall_of, zone_of

HINT = "e.g. 18:00, 2026-12-24, '2026-12-24 18:00', or 2026-12-24T18:00+01:00"
_CLOCK = re.compile(r"\d{1,2}:\d{2}")


def moment_of(text: str, zone: str, now: datetime) -> datetime:
    """The instant (UTC) that a text means.

    Args:
        text: a time of day is the next one that comes.
        zone: IANA name of the zone of a time without an offset.
        now: aware.

    Raises:
        UsageError: not a time.
    """
    return _moment(text, zone, now, is_past=False)


def last_moment_of(text: str, zone: str, now: datetime) -> datetime:
    """As `moment_of`, but a time of day is the last one that was: of what has happened already."""
    return _moment(text, zone, now, is_past=True)


def past_moment_of(text: str, zone: str, now: datetime) -> datetime:
    """The instant (UTC) that a text means where only one that was can be meant.

    Args:
        text: a time of day is the last one that was.
        zone: IANA name of the zone of a time without an offset.
        now: aware.

    Raises:
        UsageError: not a time, or one that is to come.
    """
    at = last_moment_of(text, zone, now)
    if at > now:
        raise UsageError(f"{told(at, zone)} is to come", hint="give a time that is past")
    return at


def _moment(text: str, zone: str, now: datetime, *, is_past: bool) -> datetime:
    where, words = zone_of(zone), text.strip()
    is_clock = _CLOCK.fullmatch(words) is not None
    today = wall_of(now, where).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    try:
        if is_clock:
            hours, minutes = (int(part) for part in words.split(":"))
            wall = today.replace(hour=hours, minute=minutes)
        else:
            wall = datetime.fromisoformat(words)
        at = wall.astimezone(UTC) if wall.tzinfo else instant_of(wall, where)
        if is_clock and (at > now if is_past else at <= now):
            at = instant_of(wall + timedelta(days=-1 if is_past else 1), where)
    except (ValueError, OverflowError) as err:
        raise UsageError(f'"{shown(text[:40])}" is not a time', hint=HINT) from err
    return at


def after(span: str, now: datetime) -> datetime:
    """The instant that is a duration from now.

    Raises:
        UsageError: not a duration, or one beyond all dates.
    """
    try:
        return now + timedelta(seconds=parse_duration(span))
    except OverflowError as err:
        raise UsageError(f'"{shown(span[:40])}" is beyond the year 9999') from err
