"""The main screens as pictures, at two sizes, with a fixed clock: a difference is for a person to look at.

After a wanted change: `pytest tests/console/test_snapshots.py --snapshot-update`, then look at what it drew.
The line of keys is left out, because every new task changes it.
"""

from __future__ import annotations

import pytest

from tests.console.driving import sees, still

SCREENS = {
    "home": (["down"] * 4, ("Storage Policies", "905")),
    "jobs": (["2"], ("Job controller", "905")),
    "dialog": ([*["down"] * 4, "r"], ("all active copies (2)", "3.00 GiB")),
    "schedules": (["6"], ("nightly", "Next runs", "in force")),
    "windows": (["4", "tab", "down", "W"], ("must not run until", "Fri 03-20")),
}


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("name", SCREENS)
def test_the_screen_looks_as_it_did(snap_compare, home, make_console, name, size):
    keys, texts = SCREENS[name]

    async def walk(pilot):
        await sees(pilot, "Storage Policies", "905")
        for key in keys:
            await pilot.press(key)
        await sees(pilot, *texts)
        for line in pilot.app.screen.query("#hints"):
            line.display = False
        await still(pilot)

    assert snap_compare(make_console(home), terminal_size=size, run_before=walk)
