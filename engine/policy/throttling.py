"""The limit of a copy's rate at an instant, plain or by a timetable, and when it changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.model.errors import UsageError
from engine.policy.timetable import Period, boundaries, parse_periods, period_at
from engine.policy.zones import zone_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleTimetable:
    """Limits of some hours of the week in a zone, and one for the rest."""

    periods: tuple[Period, ...] = ()
    limits_bps: tuple[int, ...] = ()
    """Bytes per second in each of the periods."""
    otherwise_bps: int | None = None
    """Outside of all periods; None: no limit."""
    zone_name: str = "UTC"


def timetable_from(
    *,
    throttle_bps: int | None,
    rows: Sequence[Mapping[str, object]] = (),
    time_zone: str = "UTC",
) -> ThrottleTimetable:
    """A timetable of the columns of the catalog.

    Args:
        throttle_bps: limit outside of all rows, bytes per second above 0; None: no limit.
        rows: periods of a site file, each with `limit_bps`.
        time_zone: IANA name.

    Raises:
        UsageError: wrong or overlapping periods, an unknown zone, or a limit that is no number
            above 0.
    """
    zone_of(time_zone)
    limits_bps = tuple(_limit(number, row) for number, row in enumerate(rows, 1))
    if throttle_bps is not None and throttle_bps <= 0:
        raise UsageError(f"a throttle of {throttle_bps} bytes per second would never copy anything")
    return ThrottleTimetable(
        periods=parse_periods(rows),
        limits_bps=limits_bps,
        otherwise_bps=throttle_bps,
        zone_name=time_zone,
    )


def _limit(number: int, row: Mapping[str, object]) -> int:
    limit = row.get("limit_bps")
    if isinstance(limit, bool) or not isinstance(limit, int) or limit <= 0:
        raise UsageError(
            f"period {number}: the limit is no rate above 0",
            hint="to copy nothing in these hours use an operation window",
        )
    return limit


def rate_at(timetable: ThrottleTimetable, at: datetime) -> int | None:
    """The limit in bytes per second at an instant (aware); None: no limit."""
    index = period_at(timetable.periods, zone_of(timetable.zone_name), at)
    return timetable.otherwise_bps if index is None else timetable.limits_bps[index]


def next_change(timetable: ThrottleTimetable, at: datetime) -> datetime | None:
    """The first instant (UTC) after `at` (aware) from which on another limit holds; None: never."""
    now = rate_at(timetable, at)
    changes = boundaries(timetable.periods, zone_of(timetable.zone_name), at)
    return next((change for change in changes if rate_at(timetable, change) != now), None)


def least(*limits_bps: int | None) -> int | None:
    """The least of several limits in bytes per second; None: no limit."""
    return min((limit for limit in limits_bps if limit is not None), default=None)
