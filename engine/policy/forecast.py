"""When a copy will be caught up: from its rates in the past, what keeps coming, and open hours.

The forecast follows the hours in which copying is allowed one by one: work goes down at the rate of
past runs, and up with what new backup jobs bring, until nothing is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from engine.policy.windows import Span
from engine.policy.zones import wall_of, zone_of

LOW, MIDDLE, HIGH = 0.2, 0.5, 0.8  # shares of the copied bytes that went slower
HORIZON_DAYS = 56  # windows are looked at so far ahead; beyond it the last week repeats
_WEEK = timedelta(days=7)
_MAX_WEEKS = 520  # ten years: later is never


class RateSample(NamedTuple):
    """A stretch of copying in the past."""

    seconds: float
    """Time in which it copied, without windows and suspension."""
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRate:
    """How fast a copy was, in bytes per second."""

    low_bps: float
    middle_bps: float
    high_bps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """When a copy will be caught up; every time is UTC, None is never (in ten years)."""

    at: datetime | None
    earliest: datetime | None
    latest: datetime | None
    sentence: str
    is_known: bool = True
    """False: nothing was copied yet, so nothing can be said."""

    @property
    def is_never(self) -> bool:
        """At the past rate it falls further behind."""
        return self.is_known and self.at is None


def past_rate(samples: Sequence[RateSample]) -> PastRate | None:
    """The middle rate of the past and its range, weighted by bytes; None without any sample."""
    useful = sorted(
        (sample.bytes / sample.seconds, sample.bytes)
        for sample in samples
        if sample.seconds > 0 and sample.bytes > 0
    )
    if not useful:
        return None
    total = sum(size for _, size in useful)

    def at_share(share: float) -> float:
        passed = 0
        for rate_bps, size in useful:
            passed += size
            if passed >= share * total:
                return rate_bps
        return useful[-1][0]

    return PastRate(low_bps=at_share(LOW), middle_bps=at_share(MIDDLE), high_bps=at_share(HIGH))


def forecast(
    *,
    backlog_bytes: int,
    rate: PastRate | None,
    income_bps: float,
    now: datetime,
    starts_at: datetime | None = None,
    blocked: Sequence[Span] = (),
    throttle_bps: int | None = None,
    zone: str = "UTC",
) -> Forecast:
    """When nothing is owed any more, if all goes on as it did.

    Args:
        backlog_bytes: what is owed now.
        rate: rate while copying, in the past; None: unknown.
        income_bps: what new backup jobs bring, bytes per second of calendar time, 0 or more.
        now: aware.
        starts_at: when copying begins next; None: it runs already.
        blocked: hours without copying from now on, in order, `HORIZON_DAYS` ahead.
        throttle_bps: limit in bytes per second; None: none.
        zone: IANA name of the zone in which the sentence tells times.
    """
    now = now.astimezone(UTC)
    if backlog_bytes <= 0:
        return Forecast(at=now, earliest=now, latest=now, sentence="nothing to copy")
    if rate is None:
        return Forecast(
            at=None,
            earliest=None,
            latest=None,
            sentence="not known yet: nothing was copied before",
            is_known=False,
        )
    start = max(now, starts_at.astimezone(UTC)) if starts_at else now
    closed = [Span(starts_at=now, ends_at=start, windows=()), *blocked] if start > now else blocked

    def done_at(rate_bps: float) -> datetime | None:
        if throttle_bps is not None:
            rate_bps = min(rate_bps, throttle_bps)
        return _caught_up(float(backlog_bytes), rate_bps, income_bps, now, closed)

    at, earliest = done_at(rate.middle_bps), done_at(rate.high_bps)
    latest = done_at(rate.low_bps)
    sentence = _sentence(at, earliest, latest, now=now, zone=zone)
    return Forecast(at=at, earliest=earliest, latest=latest, sentence=sentence)


def common_spans(of_each: Sequence[Sequence[Span]]) -> list[Span]:
    """The stretches that lie in the blocked hours of every MediaAgent: only then nothing is copied.

    Args:
        of_each: for each of them its blocked stretches, in order.
    """
    if not of_each:
        return []
    common = list(of_each[0])
    for others in of_each[1:]:
        common = [
            Span(starts_at=begins, ends_at=ends, windows=one.windows + other.windows)
            for one in common
            for other in others
            if (begins := max(one.starts_at, other.starts_at))
            < (ends := min(one.ends_at, other.ends_at))
        ]
    return common


def _caught_up(
    owed: float, rate_bps: float, income_bps: float, now: datetime, blocked: Sequence[Span]
) -> datetime | None:
    """The instant at which what is owed reaches zero; None: it never does."""
    horizon = now + timedelta(days=HORIZON_DAYS)
    week_before = horizon - _WEEK
    owed_then = owed
    for begins, ends, is_open in _stretches(now, horizon, blocked):
        net_bps = income_bps - rate_bps if is_open else income_bps
        if net_bps < 0 and owed + (ends - begins).total_seconds() * net_bps <= 0:
            return _rounded(begins + timedelta(seconds=owed / -net_bps))
        if begins <= week_before < ends:
            owed_then = owed + (week_before - begins).total_seconds() * net_bps
        owed += (ends - begins).total_seconds() * net_bps
    won = owed_then - owed
    if won <= 0 or owed / won > _MAX_WEEKS:
        return None
    return _rounded(horizon + _WEEK * (owed / won))


def _stretches(
    now: datetime, horizon: datetime, blocked: Sequence[Span]
) -> list[tuple[datetime, datetime, bool]]:
    """The time to the horizon, cut where copying stops and starts; blocked spans may overlap."""
    stretches: list[tuple[datetime, datetime, bool]] = []
    at = now
    for span in sorted(blocked, key=lambda span: span.starts_at):
        begins, ends = min(max(span.starts_at, at), horizon), min(span.ends_at, horizon)
        if begins > at:
            stretches.append((at, begins, True))
            at = begins
        if ends > at:
            stretches.append((at, ends, False))
            at = ends
    if horizon > at:
        stretches.append((at, horizon, True))
    return stretches


def _rounded(at: datetime) -> datetime:
    """Up to the next minute: a forecast to the second would pretend."""
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + timedelta(minutes=1)


def _sentence(
    at: datetime | None,
    earliest: datetime | None,
    latest: datetime | None,
    *,
    now: datetime,
    zone: str,
) -> str:
    """`caught up Thu 2026-03-12 04:10 (between Thu 2026-03-12 01:00 and never)`."""
    if at is None:
        best = "" if earliest is None else f"; at the best rate {_when(earliest, now, zone)}"
        return f"never at this rate: more comes than is copied{best}"
    text = f"caught up {_when(at, now, zone)}"
    if earliest == latest:
        return text
    return f"{text} (between {_when(earliest, now, zone)} and {_when(latest, now, zone)})"


def _when(at: datetime | None, now: datetime, zone: str) -> str:
    if at is None:
        return "never"
    wall = wall_of(at, zone_of(zone))
    if at - now < timedelta(days=6):
        return f"{wall:%A %H:%M}"
    return f"{wall:%Y-%m-%d %H:%M}" if at - now < timedelta(days=28) else f"{wall:%Y-%m-%d}"
