"""Plots as lines of text, drawn by plotext; it is imported when the first plot is asked for.

Takes numbers, gives text: a thread may draw while the screen goes on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from auxtui import format as fmt

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_ASCII = str.maketrans("┌┐└┘├┤┬┴┼─│", "+++++++++-|")
TICKS_X, TICKS_Y = 4, 4
TALL = 11  # lines, from which on every tick of the height has room
LEAST_WIDTH, LEAST_HEIGHT = 30, 5
_UNICODE_MARKS = ("hd", "dot")
_UNICODE_SIGNS = ("▄", "•")
_ASCII_MARKS = ("*", "o")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points of one line of a plot."""

    name: str
    at: tuple[datetime, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What is plotted."""

    title: str
    series: tuple[Series, ...]
    is_rate: bool = False
    """Bytes per second; else bytes."""


def chart_lines(
    chart: Chart, width: int, height: int, *, ascii_only: bool, zone: tzinfo | None
) -> tuple[str, ...]:
    """A chart as text; empty when there is no room or nothing to show.

    Args:
        chart: what is plotted.
        width: cells.
        height: lines.
        ascii_only: no sign outside of ASCII.
        zone: in which times stand at the axis; None: that of the host.
    """
    drawn = [series for series in chart.series if len(series.values) > 1]
    if not drawn or width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return ()
    from textual_plotext.plot import Plot

    plot = Plot()
    # As large as asked for: it would cut that to the size of the terminal, which it asks itself.
    plot._limit_size(False, False)  # type: ignore[attr-defined]
    plot.plotsize(width, height)
    marks = _ASCII_MARKS if ascii_only else _UNICODE_MARKS
    for series, mark in zip(drawn, marks * len(drawn), strict=False):
        x = [at.timestamp() for at in series.at]
        plot.plot(x, list(series.values), marker=mark)
    _ticks(plot, drawn, zone, is_rate=chart.is_rate, steps=2 if height < TALL else TICKS_Y)
    signs = marks if ascii_only else _UNICODE_SIGNS
    names = ", ".join(f"{series.name} {sign}" for series, sign in zip(drawn, signs, strict=False))
    text = _ANSI.sub("", plot.build())
    lines = [f"{chart.title}: {names}" if len(drawn) > 1 else chart.title, *text.splitlines()]
    if ascii_only:
        lines = [line.translate(_ASCII).encode("ascii", "replace").decode() for line in lines]
    return tuple(line.rstrip() for line in lines)


def _ticks(
    plot: object, drawn: Sequence[Series], zone: tzinfo | None, *, is_rate: bool, steps: int
) -> None:
    starts, ends = drawn[0].at[0], drawn[0].at[-1]
    for series in drawn:
        starts, ends = min(starts, series.at[0]), max(ends, series.at[-1])
    span_s = max(1.0, (ends - starts).total_seconds())
    form = "%H:%M:%S" if span_s < 600 else "%H:%M" if span_s < 86_400 else "%m-%d %H:%M"
    if span_s > 5 * 86_400:
        form = "%m-%d"
    x = [starts.timestamp() + span_s * place / TICKS_X for place in range(TICKS_X + 1)]
    words = [f"{datetime.fromtimestamp(at, tz=starts.tzinfo).astimezone(zone):{form}}" for at in x]
    plot.xticks(x, words)  # type: ignore[attr-defined]
    top = max((max(series.values) for series in drawn), default=0.0) or 1.0
    y = [top * place / steps for place in range(steps + 1)]
    plot.ylim(0, top)  # type: ignore[attr-defined]
    plot.yticks(y, [fmt.size(int(v)) + ("/s" if is_rate else "") for v in y])  # type: ignore[attr-defined]
