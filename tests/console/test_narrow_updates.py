"""What is sent piece by piece is what a full repaint would show; and only what changed is sent."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from datetime import UTC

import pytest
from rich.cells import cell_len
from textual._compositor import ChopsUpdate, CompositorUpdate

from auxtui.app import ConsoleApp
from auxtui.changes import changed_cells, is_right, places_of
from auxtui.columns import JOBS, lay_out
from auxtui.narrow_updates import NarrowUpdate
from auxtui.present import JOINED, Cell, Row, Tone
from auxtui.profile import Profile
from tests.console.driving import screen_text, sees, still
from tests.console.sample_catalog import NOW

_PIECE = re.compile(r"\x1b\[(\d+);(\d+)H|\x1b\[[0-9;?]*[a-zA-Z]|(\n)|([^\x1b\n]+)")
SIZE = (100, 24)


class Grid:
    """As much of a terminal as an update needs."""

    def __init__(self, width: int, height: int) -> None:
        self.lines = [[" "] * width for _ in range(height)]
        self.x = self.y = 0

    def feed(self, sequences: str) -> None:
        """Does what a terminal does with them."""
        for row, column, newline, text in _PIECE.findall(sequences):
            if row:
                self.y, self.x = int(row) - 1, int(column) - 1
            elif newline:
                self.y, self.x = self.y + 1, 0
            for sign in text:
                wide = cell_len(sign)
                if wide and self.y < len(self.lines):
                    self.lines[self.y][self.x : self.x + wide] = [sign, *[""] * (wide - 1)]
                self.x += wide

    @property
    def text(self) -> str:
        """What stands there."""
        return "\n".join("".join(line).rstrip() for line in self.lines)


class Watched(ConsoleApp):
    """A console of which the updates are drawn on a grid."""

    grid = Grid(*SIZE)

    def _display(self, screen, renderable):
        super()._display(screen, renderable)
        if isinstance(renderable, ChopsUpdate):
            renderable = NarrowUpdate.of(renderable)
        if isinstance(renderable, CompositorUpdate):
            self.grid.feed(renderable.render_segments(self.console))


@pytest.fixture
def watched(home, door):
    Watched.grid = Grid(*SIZE)
    return Watched(
        home,
        profile=Profile(refresh_s=0.05),
        door=door,
        clock=lambda: NOW,
        zone=UTC,
        is_alive=lambda: True,
    )


def _set(home, **columns):
    db = sqlite3.connect(home.catalog)
    with db:
        for name, value in columns.items():
            db.execute(f"UPDATE job SET {name} = ? WHERE id = 905", (value,))  # noqa: S608 - names of this test
    db.close()


@pytest.mark.parametrize("screen", ["1", "2"])
async def test_updates_in_pieces_are_what_a_full_repaint_shows(watched, home, screen):
    changes = (
        {"bytes_done": 5 * 2**30, "bytes_per_second": 190 * 2**20, "seconds_left": 9},
        {"policy": "日本語の方針", "errors": 12},
        {"policy": "日本誌の方針", "bytes_per_second": 5 * 2**20},
        {"state": "pending", "reason": "library vault is offline"},
        {"state": "running", "policy": "x", "seconds_left": 3600, "bytes_done": 10 * 2**30},
    )
    async with watched.run_test(size=SIZE) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(screen)
        await sees(pilot, "905", "41%")
        for number, change in enumerate(changes):
            mark = f"mark-{number}"
            _set(home, **change)
            _set(home, initiated_by=mark)
            looked = asyncio.Event()
            watched.feed.refresh(looked.set)
            await looked.wait()
            await still(pilot)
            await pilot.press("down", "up")
            await pilot.pause()

            assert watched.grid.text.rstrip() == screen_text(watched).rstrip()


def _row(**changes: Cell) -> Row:
    cells = {
        "state": Cell("▶ running", Tone.RUN),
        "job": Cell("905"),
        "operation": Cell("Auxiliary copy"),
        "target": Cell("databases → offsite"),
        "progress": Cell("███▎░░░░  41%", Tone.RUN),
        "errors": Cell("1"),
        "rate": Cell("180 MiB/s"),
        "left": Cell("0:33"),
        **changes,
    }
    return Row(905, tuple(cells.values()))


def test_a_reason_has_the_room_of_the_cells_that_are_joined_to_it():
    laid = lay_out(JOBS, 79)
    held = _row(rate=Cell(" held by root"), left=JOINED)

    places = {JOBS[place.column].title: place.cells for place in places_of(held, laid)}

    assert "Left" not in places
    assert places["Rate"] == 10 + 1 + 7
    assert not is_right(places_of(held, laid)[-1], JOBS)
    everything = sum(place.cells + place.gap for place in laid)
    assert changed_cells(_row(), held, JOBS, laid) == (0, everything)
    assert changed_cells(held, _row(), JOBS, laid) == (0, everything)
    other = held._replace(cells=(*held.cells[:6], Cell(" held by anna"), JOINED))
    first, end = changed_cells(held, other, JOBS, laid)
    assert end - first == len("root")


def test_only_the_digits_that_changed_are_sent():
    laid = lay_out(JOBS, 79)

    assert changed_cells(_row(), _row(), JOBS, laid)[1] == 0
    first, end = changed_cells(_row(), _row(left=Cell("0:32")), JOBS, laid)
    assert end - first == 1
    first, end = changed_cells(_row(), _row(rate=Cell("181 MiB/s"), left=Cell("0:32")), JOBS, laid)
    assert end - first == 15


def test_another_tone_sends_the_whole_cell():
    laid = lay_out(JOBS, 79)

    first, end = changed_cells(_row(), _row(errors=Cell("1", Tone.BAD)), JOBS, laid)

    assert end - first == 3
