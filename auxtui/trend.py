"""The trend of copies and libraries: from samples to what is plotted and said. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from auxtui import format as fmt
from auxtui.inert import safe
from auxtui.plots import Chart, Series
from auxtui.present import Cell, Fact, Look, Row, Tone
from engine.catalog.live_values import LiveCopy
from engine.catalog.watch_values import CopySample, CopyStanding

COPIED, RATE, FORECAST = VIEWS = ("Copied and to copy", "Rate", "Forecast")
PERIODS = (
    ("a day", timedelta(days=1)),
    ("a week", timedelta(days=7)),
    ("all that is kept", timedelta(days=100)),
)
LEAST_SPAN_S = 3600  # what happened in less says nothing about days
_FAR = timedelta(days=60)  # a forecast beyond this would flatten the plot


def copy_chart(copy: LiveCopy, samples: Sequence[CopySample], view: str, now: datetime) -> Chart:
    """One of the plots of a copy."""
    name = safe(f"{copy.policy} / {copy.name}")
    at = tuple(sample.at for sample in samples)
    owed = Series(name="still to copy", at=at, values=tuple(float(s.owed_bytes) for s in samples))
    if view == RATE:
        rates = Series(name="rate", at=at, values=tuple(s.bytes_per_second for s in samples))
        return Chart(title=f"{name}: rate", series=(rates,), is_rate=True)
    if view == FORECAST:
        return Chart(
            title=f"{name}: still to copy", series=(_named(owed, "so far"), *_ahead(copy, now))
        )
    held = Series(name="copied", at=at, values=tuple(float(s.held_bytes) for s in samples))
    return Chart(title=name, series=(held, owed))


def _named(series: Series, name: str) -> Series:
    return Series(name=name, at=series.at, values=series.values)


def _ahead(copy: LiveCopy, now: datetime) -> tuple[Series, ...]:
    """From what is owed now to nothing at the time that is forecast."""
    standing = copy.standing
    if standing is None or standing.caught_up_at is None or not standing.owed_bytes:
        return ()
    end = standing.caught_up_at
    if not now < end < now + _FAR:
        return ()
    return (Series(name="forecast", at=(now, end), values=(float(standing.owed_bytes), 0.0)),)


def standing_cell(standing: CopyStanding | None, look: Look) -> Cell:
    """Whether a copy has fallen behind."""
    if standing is None:
        return Cell(f"{look.glyphs.unknown} not measured", Tone.MUTED)
    if standing.is_behind:
        return Cell(f"{look.glyphs.failed} fallen behind", Tone.BAD)
    if standing.owed_bytes:
        return Cell(f"{look.glyphs.warning} to copy", Tone.WARN)
    return Cell(f"{look.glyphs.done} up to date", Tone.OK)


def trend_row(copy: LiveCopy, look: Look) -> Row:
    """A copy with its forecast; the order is that of `columns.TREND`."""
    standing = copy.standing
    forecast = safe(standing.forecast) if standing else "the service has not measured it yet"
    if (
        standing and forecast and not standing.is_known
    ):  # a run that has just ended is in the next measurement
        forecast += f" (as of {look.time(standing.at)})"
    return Row(
        ("copy", copy.id),
        (
            Cell(safe(f"{copy.policy} / {copy.name}")),
            standing_cell(standing, look),
            Cell(fmt.size(standing.owed_bytes) if standing else "-"),
            Cell(fmt.rate(standing.rate_bps) if standing else "-"),
            Cell(forecast, Tone.BAD if forecast.startswith("never") else Tone.PLAIN),
            Cell(fmt.rate(standing.income_bps) if standing else "-", Tone.MUTED),
        ),
    )


def standing_facts(copy: LiveCopy, look: Look) -> list[Fact]:
    """How a copy stands, in lines: behind or not and why, and the forecast."""
    standing = copy.standing
    if standing is None:
        return []
    facts: list[Fact] = []
    if standing.is_behind:
        since = look.time(standing.behind_since)
        facts.append(("Behind", Cell(f"{look.glyphs.failed} since {since}", Tone.BAD)))
        facts += [(" ", Cell(safe(reason), Tone.BAD)) for reason in standing.behind_reasons]
    if standing.forecast:
        is_never = standing.forecast.startswith("never")
        tone = Tone.BAD if is_never else Tone.PLAIN
        facts.append(("Forecast", Cell(safe(standing.forecast), tone)))
    return facts


def growth_bps(trends: Iterable[Sequence[CopySample]]) -> float | None:
    """How fast copies together grow on a library, bytes per second; None: not known yet.

    Args:
        trends: samples of each copy, oldest first.
    """
    grown, seconds = 0.0, 0.0
    for samples in trends:
        if len(samples) > 1:
            first, last = samples[0], samples[-1]
            grown += _there(last) - _there(first)
            seconds = max(seconds, (last.at - first.at).total_seconds())
    return grown / seconds if seconds >= LEAST_SPAN_S else None


def _there(sample: CopySample) -> int:
    return sample.held_bytes + sample.partial_bytes


def free_series(trends: Sequence[Sequence[CopySample]], free_bytes: int) -> Series:
    """Free space of a library over time, reckoned back from now by what its copies held.

    Args:
        trends: samples of each copy, oldest first.
        free_bytes: free now.
    """
    held = held_series(trends)
    most = free_bytes + (held.values[-1] if held.values else 0.0)
    free = tuple(max(0.0, most - there) for there in held.values)
    return Series(name="free", at=held.at, values=free)


def held_series(trends: Sequence[Sequence[CopySample]]) -> Series:
    """What the copies of a library held over time, unfinished job copies included.

    Args:
        trends: samples of each copy, oldest first.
    """
    times = sorted({sample.at for samples in trends for sample in samples})
    values: list[float] = []
    places = [0] * len(trends)
    for at in times:
        held = 0
        for number, samples in enumerate(trends):
            while places[number] + 1 < len(samples) and samples[places[number] + 1].at <= at:
                places[number] += 1
            if samples:
                held += _there(samples[places[number]])
        values.append(float(held))
    return Series(name="held", at=tuple(times), values=tuple(values))


def full_text(free_bytes: int | None, growth: float | None, look: Look) -> Cell:
    """When a library is full if it grows on as it did."""
    if free_bytes is None:
        return Cell("not known: it does not tell how much room it has", Tone.MUTED)
    if growth is None:
        return Cell("not known yet: the service measures it for an hour first", Tone.MUTED)
    if growth <= 0:
        return Cell("never at this rate: it does not grow", Tone.OK)
    seconds = free_bytes / growth
    if seconds > 3650 * 86_400:
        return Cell(f"not within ten years, at {fmt.size(int(growth * 86_400))} a day", Tone.OK)
    at = look.clock() + timedelta(seconds=seconds)
    tone = Tone.BAD if seconds < 7 * 86_400 else Tone.WARN if seconds < 30 * 86_400 else Tone.OK
    day = fmt.size(int(growth * 86_400))
    return Cell(f"{at.astimezone(look.zone):%Y-%m-%d}, at {day} a day", tone)
