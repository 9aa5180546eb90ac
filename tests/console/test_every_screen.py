"""Every screen and dialog as it is drawn, with a fixed clock: a difference is for a person to look at.

At two sizes in the first theme, some of them in every theme. After a wanted change: `make snapshots`, then look
at what it changed.
"""

from __future__ import annotations

import pytest

from tests.console.drawing import cells, drawn, in_every_theme, unreadable
from tests.console.driving import screen_text
from tests.console.walking import WALKS, walk

IN_EVERY_THEME = {"tree", "menu", "ledger", "restore", "question", "job: progress", "week", "trend"}
"""With all kinds of widgets among them, and everything that has a colour of its own."""

AT_LEISURE_S = 60.0  # nothing changes; what a screen asks for when it opens is looked up at once


@pytest.fixture(autouse=True)
def _same_home(monkeypatch):
    """Where a restore goes by default does not depend on who runs the tests."""
    monkeypatch.setenv("HOME", "/home/admin")


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("part", WALKS)
async def test_every_screen_looks_as_it_did(snapshot, home, make_console, part, size):
    app = make_console(home, refresh_s=AT_LEISURE_S)
    seen, dim = {}, []
    async with app.run_test(size=size) as pilot:
        async for step in walk(pilot, WALKS[part]):
            by_theme = {"dark": cells(app)}
            if step.name in IN_EVERY_THEME and size == (80, 24):
                by_theme = await in_every_theme(pilot)
            seen[step.name] = drawn(by_theme)
            dim += [f"{step.name}: {words}" for words in unreadable(by_theme)]

    assert dim == []
    for name, text in seen.items():
        assert text == snapshot(name=name), name


@pytest.mark.parametrize("part", WALKS)
async def test_every_sign_is_ascii_where_nothing_else_can_be_shown(home, make_console, part):
    app = make_console(home, glyphs="ascii", refresh_s=AT_LEISURE_S)
    others = {}
    async with app.run_test(size=(80, 24)) as pilot:
        async for step in walk(pilot, WALKS[part]):
            found = {one for one in screen_text(app) if not one.isascii()}
            if found:
                others[step.name] = sorted(found)

    assert others == {}
