"""Time zones by IANA name, and wall time <-> instants. The only door from a zone's name to its rules.

Zones come from the `tzdata` package that is pinned with the release, so that every host agrees.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

from engine.model.errors import UsageError
from engine.model.names import shown

DAY_S = 86_400


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every IANA zone name that can be used."""
    listed = resources.files("tzdata").joinpath("zones").read_text(encoding="ascii")
    return frozenset(listed.split())


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """The zone of an IANA name.

    Raises:
        UsageError: no zone has this name; the message names the nearest one.
    """
    if name not in zone_names():
        from rapidfuzz import process  # slow to import, and only a wrong name needs it

        nearest = process.extractOne(name, sorted(zone_names()), score_cutoff=60)
        hint = f"did you mean {nearest[0]!r}?" if nearest else "use an IANA name as Europe/Berlin"
        raise UsageError(f"unknown time zone {shown(name)!r}", hint=hint)
    place = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    with place.open("rb") as stream:
        return ZoneInfo.from_file(stream, key=name)


def instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant (UTC) at which a clock in the zone first shows a wall time.

    A time inside a gap is the end of the gap; of a time that comes twice, the first.
    """
    first = wall.replace(tzinfo=zone, fold=0)
    instant = first.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall.replace(fold=0):
        return instant
    whole = instant.replace(microsecond=0)
    return offset_change(whole - timedelta(days=1), whole + timedelta(days=1), zone)


def offset_change(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The first instant, to the second, after `low` and not after `high` at which the offset differs.

    Args:
        low: whole seconds, UTC.
        high: an instant with another offset, UTC.
        zone: the zone.
    """
    before = low.astimezone(zone).utcoffset()
    first, last = 0, int((high - low).total_seconds())
    while last - first > 1:
        middle = (first + last) // 2
        if (low + timedelta(seconds=middle)).astimezone(zone).utcoffset() == before:
            first = middle
        else:
            last = middle
    return low + timedelta(seconds=last)


def wall_of(instant: datetime, zone: ZoneInfo) -> datetime:
    """What a clock in the zone shows at an instant: naive, with `fold` set in a repeated hour."""
    return instant.astimezone(zone).replace(tzinfo=None)


def told(at: datetime, zone: str) -> str:
    """An instant for a person, with the zone in which it is told: `2026-01-02 14:05 Europe/Berlin`."""
    return f"{at.astimezone(zone_of(zone)):%Y-%m-%d %H:%M} {zone}"


class LocalClock:
    """Wall times of many instants in one zone, fast: the offset is looked up once for each UTC day.

    Args:
        zone_name: IANA name.
    """

    def __init__(self, zone_name: str = "UTC") -> None:
        self.zone = zone_of(zone_name)
        self._offset_by_day: dict[int, int | None] = {}
        self._dates: dict[int, str] = {}

    def offset_s(self, at: float) -> int:
        """Offset from UTC in seconds at an instant (seconds since the epoch)."""
        day = int(at // DAY_S)
        try:
            offset = self._offset_by_day[day]
        except KeyError:
            first, last = self._exact(day * DAY_S), self._exact((day + 1) * DAY_S)
            offset = self._offset_by_day[day] = first if first == last else None
        return self._exact(at) if offset is None else offset

    def _exact(self, at: float) -> int:
        delta = datetime.fromtimestamp(at, self.zone).utcoffset()
        return round(delta.total_seconds()) if delta is not None else 0

    def day(self, at: float) -> int:
        """Local days since 1970-01-01 at an instant (seconds since the epoch)."""
        return int((at + self.offset_s(at)) // DAY_S)

    def date_text(self, at: float) -> str:
        """Local date of an instant (seconds since the epoch), as 2026-01-02."""
        day = self.day(at)
        text = self._dates.get(day)
        if text is None:
            text = self._dates[day] = datetime.fromtimestamp(day * DAY_S, UTC).strftime("%Y-%m-%d")
        return text

    def minute_text(self, at: float) -> str:
        """Local date and minute of an instant (seconds since the epoch), as `told` tells it."""
        return f"{datetime.fromtimestamp(at, self.zone):%Y-%m-%d %H:%M} {self.zone.key}"
