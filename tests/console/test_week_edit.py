"""The week of an operation window as a grid: what is drawn is what is written."""

from __future__ import annotations

import tomllib
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.widgets import Input

from auxtui.site_rows import periods_from, periods_text
from auxtui.week_cells import CELLS, DAYS, closed_of, rows_of, switched
from engine.model.errors import UsageError
from engine.policy.timetable import parse_periods
from tests.console.driving import sees, until
from tests.console.site_samples import WHOLE

SPOTS = st.tuples(st.integers(0, DAYS - 1), st.integers(0, CELLS - 1))


@settings(max_examples=60, deadline=None)
@given(st.frozensets(SPOTS, max_size=40))
def test_every_week_is_read_back_as_it_was_drawn(closed):
    rows = rows_of(closed)
    again, dated = closed_of(rows)

    assert (again, dated) == (closed, [])
    assert periods_from(periods_text(rows)) == rows
    parse_periods(rows)


def test_a_night_passes_midnight_and_dates_are_kept():
    rows = periods_from("sun 22:00-06:00; all 00:00-24:00 on 2026-12-24")
    closed, dated = closed_of(rows)

    assert {(6, 44), (6, 47), (0, 0), (0, 11)} <= closed
    assert len(closed) == 16
    assert dated == rows[1:]


@pytest.mark.parametrize("text", ["mon 08:15-09:00", "mon 08:00-08:10", "xyz 08:00-09:00"])
def test_what_is_not_on_half_hours_is_left_to_the_field(text):
    with pytest.raises(UsageError):
        closed_of(periods_from(text))


def test_a_range_is_opened_only_when_all_of_it_is_closed():
    half = switched(frozenset(), [(0, 1)])
    whole = switched(half, [(0, 1), (0, 2)])

    assert whole == {(0, 1), (0, 2)}
    assert switched(whole, [(0, 1), (0, 2)]) == frozenset()


async def test_a_week_is_edited_with_the_keyboard(home, make_console, door):
    door.site = lambda: tomllib.loads(WHOLE)
    door.edit = lambda *given, **options: SimpleNamespace(changes=(), text="")
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("6", "tab", "down", "e")
        await sees(pilot, "window office", "Week as a Grid")
        field = app.screen.query_one("#field-do_not_run", Input)
        assert field.value.startswith("mon-fri 08:00-18:00; all 20:00-24:00 on")

        await pilot.press("f4")
        await sees(pilot, "Mon 00:00-00:30: open")
        await pilot.press("down", *["right"] * 4, "v", "down", "right", "right")
        await sees(pilot, "Wed 03:00-03:30: open; 6 half hours are marked")
        await pilot.press("space")
        await sees(pilot, "tue,wed 02:00-03:30")
        await pilot.press("end", "d", "enter")

        await until(pilot, lambda: "tue 02:00-03:30" in field.value)
        assert "wed 00:00-24:00" in field.value
        assert field.value.endswith("all 20:00-24:00 on 2026-12-24")


async def test_a_week_that_is_no_grid_says_so(home, make_console, door):
    site = tomllib.loads(
        WHOLE.replace(
            'from = "08:00", to = "18:00"}, {days = "all"',
            'from = "08:10", to = "18:00"}, {days = "all"',
        )
    )
    door.site = lambda: site
    door.edit = lambda *given, **options: SimpleNamespace(changes=(), text="")
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("6", "tab", "down", "e")
        await sees(pilot, "window office", "Week as a Grid")
        await pilot.press("f4")
        await sees(pilot, "no grid: mon-fri 08:10-18:00 is not on the half hour")
