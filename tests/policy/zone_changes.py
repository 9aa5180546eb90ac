"""Every change of a zone's offset from 2026 to 2030, for the tests of clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from engine.policy.zones import offset_change, zone_names, zone_of

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2031, 1, 1, tzinfo=UTC)

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "Antarctica/Troll",
)
"""Half-hour and 45-minute offsets, a 30-minute and a two-hour change, changes at midnight."""


@cache
def changes_of(name: str) -> tuple[datetime, ...]:
    """Instants of all changes of a zone's offset, 2026 to 2030."""
    zone, found, at = zone_of(name), [], START
    while at < END:
        after = at + timedelta(days=3)
        if at.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
            found.append(offset_change(at, after, zone))
        at = after
    return tuple(found)


@cache
def zones_with_changes() -> tuple[str, ...]:
    """Names of all zones whose offset changes in these years."""
    return tuple(sorted(name for name in zone_names() if changes_of(name)))
