"""Plots as lines of text, drawn by plotext; it is imported when the first plot is asked for.

Takes numbers, gives text: a thread may draw while the screen goes on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from auxtui import format as fmt
from auxtui.glyphs import GlyphName

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_ASCII = str.maketrans("┌┐└┘├┤┬┴┼─│", "+++++++++-|")
TICKS_X = 4
STEPS_Y = (4, 3, 5)  # of the height, the best first
TALL = 11  # lines, from which on every tick of the height has room
LEAST_WIDTH, LEAST_HEIGHT = 30, 5
FRAME_LINES = 3  # of a plot: its frame above and below, and the words of the time
TICK = "┬"
_MARKS = {"unicode": ("hd", "dot"), "block": ("█", "•"), "ascii": ("*", "o")}
_SIGNS = {**_MARKS, "unicode": ("▄", "•")}


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
    chart: Chart, width: int, height: int, *, glyphs: GlyphName, zone: tzinfo | None
) -> tuple[str, ...]:
    """A chart as text; empty when there is no room or nothing to show.

    Args:
        chart: what is plotted.
        width: cells.
        height: lines.
        glyphs: the set from which its signs are.
        zone: in which times stand at the axis; None: that of the host.
    """
    drawn = [series for series in chart.series if len(series.values) > 1]
    if not drawn or width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return ()
    from textual_plotext.plot import Plot

    plot = Plot()
    # As large as asked for: it would cut that to the size of the terminal, which it asks itself.
    plot._limit_size(False, False)  # type: ignore[attr-defined]
    lines_used, steps = _even(height)
    plot.plotsize(width, lines_used)
    marks, signs = _MARKS[glyphs], _SIGNS[glyphs]
    for series, mark in zip(drawn, marks * len(drawn), strict=False):
        x = [at.timestamp() for at in series.at]
        plot.plot(x, list(series.values), marker=mark)
    words = _ticks(plot, drawn, zone, is_rate=chart.is_rate, steps=steps)
    names = ", ".join(f"{series.name} {sign}" for series, sign in zip(drawn, signs, strict=False))
    *body, axis, _ = _ANSI.sub("", plot.build()).splitlines()
    title = f"{chart.title}: {names}" if len(drawn) > 1 else chart.title
    lines = [title, *body, axis, _below(axis, words)]
    if glyphs == "ascii":
        lines = [line.translate(_ASCII).encode("ascii", "replace").decode() for line in lines]
    return tuple(line.rstrip() for line in lines)


def _ticks(
    plot: object, drawn: Sequence[Series], zone: tzinfo | None, *, is_rate: bool, steps: int
) -> list[str]:
    """Sets the ticks of both axes; gives the words below those of the time."""
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
    return words


def _even(height: int) -> tuple[int, int]:
    """Lines of the plot and steps of its height that are equal as lines go; one line may stay empty for it."""
    for lines in (height, height - 1):
        between = lines - FRAME_LINES - 1
        for steps in STEPS_Y if height >= TALL else (2,):
            if between > 0 and between % steps == 0:
                return lines, steps
    return height, 1


def _below(axis: str, words: Sequence[str]) -> str:
    """The words below their ticks; one that has no room is left out, the first and the last never.

    plotext puts them in an order that changes from run to run, and they push each other aside.
    """
    places = [place for place, sign in enumerate(axis) if sign == TICK]
    starts = [
        max(0, min(place - len(word) // 2, len(axis) - len(word)))
        for place, word in zip(places, words, strict=False)
    ]
    line = ""
    for number, (start, word) in enumerate(zip(starts, words, strict=False)):
        is_last = number == len(starts) - 1
        has_room = start > len(line) or not line
        if is_last or (has_room and start + len(word) < starts[-1]):
            line = line[: max(0, start - 1)].ljust(start) + word
    return line
