"""Numbers and times as people read them; pure."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from engine.model.errors import UsageError

KIB = 1024
MIB = 1024**2
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def size(count: int | None) -> str:
    """A byte count with three significant digits: `4.19 GiB`."""
    if count is None:
        return "-"
    value, unit = float(count), 0
    while abs(value) >= 999.5 and unit < len(_UNITS) - 1:
        value /= KIB
        unit += 1
    if unit == 0 or abs(value) >= 99.95:
        return f"{value:.0f} {_UNITS[unit]}"
    return f"{value:.1f} {_UNITS[unit]}" if abs(value) >= 9.995 else f"{value:.2f} {_UNITS[unit]}"


def rate(bytes_per_second: int | None) -> str:
    """A rate: `180 MiB/s`; a dash for none."""
    return f"{size(bytes_per_second)}/s" if bytes_per_second else "-"


def limit(bytes_per_second: int | None) -> str:
    """A throttle: its rate, or that there is none."""
    return "none" if bytes_per_second is None else rate(bytes_per_second)


def duration(seconds: float | None) -> str:
    """A time span: `0:33`, `1:02:05`, `3 d 04:00`; a dash for none."""
    if seconds is None:
        return "-"
    whole = max(0, round(seconds))
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, secs = divmod(rest, 60)
    if days:
        return f"{days} d {hours:02d}:{minutes:02d}"
    return f"{hours}:{minutes:02d}:{secs:02d}" if hours else f"{minutes}:{secs:02d}"


def span(seconds: float | None) -> str:
    """A rule's time span in its largest whole unit: `30 days`, `5 minutes`; `for ever` for none."""
    if seconds is None:
        return "for ever"
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length and seconds % length == 0:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count != 1 else ''}"
    return f"{seconds:g} seconds"


def moment(at: datetime | None, zone: tzinfo | None = None, *, now: datetime | None = None) -> str:
    """A time in the zone of the console; the date only when it is not the day of `now`."""
    if at is None:
        return "-"
    local = at.astimezone(zone)
    if now is not None and local.date() == now.astimezone(zone).date():
        return f"{local:%H:%M:%S}"
    return f"{local:%Y-%m-%d %H:%M}"


def moment_to_the_second(
    at: datetime | None, zone: tzinfo | None = None, *, now: datetime | None = None
) -> str:
    """As `moment`, with seconds on every day: of what may follow one another within a minute."""
    if at is None:
        return "-"
    local = at.astimezone(zone)
    is_today = now is not None and local.date() == now.astimezone(zone).date()
    return f"{local:%H:%M:%S}" if is_today else f"{local:%Y-%m-%d %H:%M:%S}"


def percent(done: int, total: int) -> int:
    """Whole percent; 100 only when all is done."""
    if total <= 0:
        return 0
    return 100 if done >= total else min(99, done * 100 // total)


def age(span_of: timedelta) -> str:
    """How long ago, roughly: `40 s`, `12 min`, `5 h`, `3 days`."""
    seconds = max(0, int(span_of.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    if seconds < 172800:
        return f"{seconds // 3600} h"
    return f"{seconds // 86400} days"


def count(number: int, noun: str) -> str:
    """`1 backup job`, `14 backup jobs`, `2 libraries`, with thousands separated."""
    if number == 1:
        return f"1 {noun}"
    plural = f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s"
    plural = plural.replace("copys", "copies")
    return f"{number:,} {plural}"


def whole_number(text: str, what: str, *, least: int, most: int) -> int:
    """A number that was typed.

    Args:
        text: what was typed.
        what: the field, for the message.
        least: smallest that is possible.
        most: largest that is possible.

    Raises:
        UsageError: it is none, or out of range.
    """
    try:
        number = int(text.strip().replace(",", ""))
    except ValueError as err:
        raise UsageError(
            f"{what}: {text.strip()!r} is not a whole number", hint=f"{least} to {most}"
        ) from err
    if not least <= number <= most:
        raise UsageError(f"{what}: {number} is not possible", hint=f"{least} to {most}")
    return number
