"""Trend, forecast and free space: what is plotted and said, and the screens that show it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from rich.segment import Segment
from textual.color import Color

from auxtui import trend
from auxtui.glyphs import BLOCK
from auxtui.line_filter import Signs
from auxtui.plots import Chart, Series, chart_lines
from auxtui.present import Look, Tone
from engine.catalog.live import LiveCatalog
from engine.catalog.watch_values import CopySample
from tests.console.driving import sees, until
from tests.console.sample_catalog import GIB, NOW

LOOK = Look(zone=UTC, clock=lambda: NOW)


@pytest.fixture
def copy(home):
    with LiveCatalog(home.catalog) as live:
        return next(copy for copy in live.estate().copies() if copy.id == 2)


def _samples(copy_id: int, held: list[int], *, minutes: int = 60) -> tuple[CopySample, ...]:
    return tuple(
        CopySample(
            copy_id=copy_id,
            at=NOW - timedelta(minutes=minutes * (len(held) - 1 - place)),
            held_jobs=place,
            held_bytes=number,
            owed_jobs=0,
            owed_bytes=0,
            partial_bytes=0,
            copied_bytes=0,
            seconds=minutes * 60,
        )
        for place, number in enumerate(held)
    )


def _chart(count: int = 50) -> Chart:
    at = tuple(NOW + timedelta(minutes=number) for number in range(count))
    first = Series(name="up", at=at, values=tuple(float(number * GIB) for number in range(count)))
    second = Series(name="down", at=at, values=tuple(float(GIB) for _ in range(count)))
    return Chart(title="Both", series=(first, second))


@pytest.mark.parametrize("size", [(30, 5), (78, 8), (120, 20), (200, 40)])
def test_a_plot_is_as_large_as_asked_and_has_its_ticks(size):
    lines = chart_lines(_chart(), *size, glyphs="unicode", zone=UTC)

    assert lines[0] == "Both: up ▄, down •"
    assert len(lines) == size[1] + 1
    assert all(len(line) <= size[0] for line in lines[1:])
    assert any("GiB" in line for line in lines)
    assert "03:00" in lines[-1]


def test_an_ascii_plot_is_ascii_only():
    lines = chart_lines(_chart(), 80, 12, glyphs="ascii", zone=UTC)

    assert all(line.isascii() for line in lines)
    assert any("*" in line for line in lines)
    assert any("o" in line for line in lines[1:-1])


def test_without_points_or_room_there_is_no_plot():
    assert chart_lines(_chart(1), 80, 12, glyphs="unicode", zone=UTC) == ()
    assert chart_lines(_chart(), 20, 12, glyphs="unicode", zone=UTC) == ()


def test_a_library_is_full_at_the_rate_at_which_its_copies_grow():
    trends = (_samples(1, [0, GIB, 2 * GIB]), _samples(2, [GIB, GIB, GIB]))

    growth = trend.growth_bps(trends)

    assert growth == pytest.approx(2 * GIB / 7200)
    cell = trend.full_text(24 * GIB, growth, LOOK)
    assert cell.text == "2026-03-15, at 24.0 GiB a day"
    assert cell.tone is Tone.BAD


def test_nothing_is_said_of_days_after_less_than_an_hour():
    assert trend.growth_bps((_samples(1, [0, GIB], minutes=30),)) is None
    assert "not known yet" in trend.full_text(GIB, None, LOOK).text
    assert "does not tell" in trend.full_text(None, 1.0, LOOK).text
    assert "does not grow" in trend.full_text(GIB, 0.0, LOOK).text


def test_free_space_is_reckoned_back_from_now():
    trends = (_samples(1, [0, GIB, 3 * GIB]), _samples(2, [GIB, GIB, GIB]))

    series = trend.free_series(trends, 10 * GIB)

    assert series.values == (13.0 * GIB, 12.0 * GIB, 10.0 * GIB)
    assert trend.held_series(trends).values == (1.0 * GIB, 2.0 * GIB, 4.0 * GIB)


def test_a_forecast_goes_down_to_nothing_when_it_is_caught_up(copy):
    chart = trend.copy_chart(copy, _samples(2, [0, 1]), trend.FORECAST, NOW)

    assert chart.series[1].at == (NOW, copy.standing.caught_up_at)
    assert chart.series[1].values == (7.0 * GIB, 0.0)
    never = replace(copy, standing=replace(copy.standing, caught_up_at=None))
    assert len(trend.copy_chart(never, _samples(2, [0, 1]), trend.FORECAST, NOW).series) == 1


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_trend_shows_forecast_and_plots(home, make_console, size):
    app = make_console(home)
    async with app.run_test(size=size) as pilot:
        await pilot.press("7")
        await sees(pilot, "fallen behind", "caught up Saturday 13:00", "owed for 15 days")
        await sees(pilot, "databases / offsite: copied ▄, still to copy •", "a week (f)")
        await pilot.press("f6")
        await sees(pilot, "databases / offsite: rate", "KiB/s")
        await pilot.press("f6", "f")
        await sees(pilot, "so far ▄, forecast •", "all that is kept (f)")


async def test_a_library_tells_when_it_is_full(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        await sees(pilot, "fast")
        await pilot.press("enter")
        await sees(pilot, "Full", "at 24.0 GiB a day", "Free space over a week (f)", "GiB")


async def test_ascii_glyphs_draw_every_plot_in_ascii(home, make_console):
    app = make_console(home, glyphs="ascii")
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("7")
        await sees(pilot, "databases / offsite: copied *, still to copy o")
        await until(pilot, lambda: "+---" in "".join(app.screen.query_one("#chart")._lines))
        assert all(line.isascii() for line in app.screen.query_one("#chart")._lines)


async def test_a_copy_that_has_fallen_behind_is_a_trouble_with_its_forecast(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "8 troubles")
        await pilot.press("exclamation_mark")
        await sees(pilot, "offsite has fallen behind", "caught up Saturday 13:00")


def test_block_signs_are_those_of_the_first_pc_in_plots_and_in_textual_widgets_too():
    signs = {*bytes(range(0x20, 0xFF)).decode("cp437"), *"►▼▲•→"}
    drawn = [getattr(BLOCK, name) for name in BLOCK.__slots__ if name != "name"]
    assert {one for text in drawn for one in "".join(text)} <= signs
    assert {*"".join(chart_lines(_chart(), 60, 14, glyphs="block", zone=UTC))} <= signs

    textual = [Segment("▁▂▃▄▅▆▇ ▔▏▕│ ▼▲ ü")]
    for glyphs, text in (("block", "   ▄    ─│││ ▼▲ ü"), ("ascii", "        -||│ v^ ü")):
        (left,) = Signs(glyphs).apply(textual, Color.parse("black"))
        assert left.text == text


def test_what_is_not_known_says_when_it_was_looked_for(copy):
    unknown = replace(copy.standing, is_known=False, forecast="not known yet: nothing was copied")
    said = trend.trend_row(replace(copy, standing=unknown), LOOK).cells[4].text

    assert said == f"not known yet: nothing was copied (as of {LOOK.time(unknown.at)})"
