"""The clock of the host is set while the console runs: it is said, and what is shown stays right and goes on."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from auxtui.app import ConsoleApp
from auxtui.clock_watch import SAID_S, ClockWatch, Silence
from auxtui.profile import Profile
from tests.console.driving import lacks, screen_text, sees, until
from tests.console.sample_catalog import NOW

HOUR = timedelta(hours=1)


def test_a_clock_that_goes_as_it_should_is_not_spoken_of():
    watch = ClockWatch()

    for minute in range(100):
        assert not watch.look(NOW + timedelta(minutes=minute, seconds=3), 60.0 * minute)


@pytest.mark.parametrize("by", [HOUR, -2 * HOUR, timedelta(days=400)])
def test_a_clock_that_was_set_is_spoken_of_for_a_while(by):
    watch = ClockWatch()
    watch.look(NOW, 50.0)

    assert watch.look(NOW + by + timedelta(seconds=1), 51.0) == by
    assert watch.look(NOW + by + timedelta(seconds=SAID_S), 50.0 + SAID_S) == by
    assert not watch.look(NOW + by + timedelta(seconds=SAID_S + 2), 52.0 + SAID_S)


def test_silence_is_counted_by_the_steady_clock():
    silence, second = Silence(), timedelta(seconds=1)
    assert silence.look(NOW - 7 * second, NOW, 100.0) == 7.0

    assert silence.look(NOW - 7 * second, NOW + HOUR, 101.0) == 8.0
    assert silence.look(NOW - 7 * second, NOW - HOUR, 150.0) == 57.0
    assert silence.look(NOW - HOUR, NOW - HOUR, 151.0) == 0.0
    assert Silence().look(NOW + HOUR, NOW, 5.0) == 0.0


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (timedelta(hours=30), "was set 1 d 06:00 forward, or the host slept"),
        (timedelta(hours=-30), "was set 1 d 06:00 back"),
    ],
)
async def test_the_console_says_it_and_goes_on(home, door, by, said):
    now = [NOW]
    app = ConsoleApp(
        home,
        profile=Profile(refresh_s=0.05),
        door=door,
        clock=lambda: now[0],
        steady=lambda: 0.0,
        zone=UTC,
        is_alive=lambda: True,
    )
    async with app.run_test(size=(160, 40)) as pilot:
        await sees(pilot, "905", "Secondary copies")

        now[0] += by

        await until_said(pilot, said)
        await lacks(pilot, "has not reported")
        await pilot.press("escape", "2")
        await report(home.catalog, now[0])
        await sees(pilot, "Job controller", "8.00 GiB of 10.0 GiB")
        for keys in (("1",), ("3",), ("4",), ("5",), ("6",), ("7",), ("2", "enter"), ("f6",)):
            await pilot.press(*keys)
            await pilot.pause(0.1)
            shown = screen_text(app)
            assert not [word for word in shown.split() if word[0] == "-" and word[1:2].isdigit()]


async def until_said(pilot, said: str) -> None:
    """It stands among what is wrong."""
    app = pilot.app
    await until(pilot, lambda: any(said in one.text for one in app.state.troubles), said)
    await pilot.press("exclamation_mark")
    await sees(pilot, said)


async def report(catalog, now: datetime) -> None:
    """The service goes on: it reports, and a job has done more."""
    db = sqlite3.connect(catalog)
    with db:
        db.execute("UPDATE service SET heartbeat_at = ?", (f"{now:%Y-%m-%d %H:%M:%S.%f}",))
        db.execute("UPDATE job SET bytes_done = 8 * 1073741824 WHERE id = 905")
    db.close()
