"""Names that try to break the screen, on every screen: shown as text, never interpreted."""

from __future__ import annotations

import pytest

from tests.console.driving import screen_text, sees, still

COPY = ["down"] * 4 + ["right", "down", "down"]
WALKS = {
    "home": [],
    "copy": [*COPY, "tab"],
    "ledger": [*COPY, "b"],
    "why": [*COPY, "b", "w"],
    "restore": [*COPY, "b", "s"],
    "browse": [*COPY, "b", "b", "down", "right"],
    "decide": [*COPY, "b", "c"],
    "filter form": [*COPY, "b", "F"],
    "aging": [*COPY, "D"],
    "dialog": [*COPY, "r"],
    "initiation": [*COPY, "r", "f6"],
    "plan": [*COPY, "r", "f6", "f6", "f6"],
    "menu": [*COPY, "m"],
    "jobs": ["2"],
    "job": ["2", "enter"],
    "streams": ["2", "enter", "f6", "f6"],
    "errors": ["2", "enter", *["f6"] * 7],
    "history": ["3"],
    "storage": ["4"],
    "library": ["4", "down", "enter"],
    "schedules": ["6"],
    "schedule": ["6", "enter"],
    "windows": ["6", "tab"],
    "trend": ["7"],
    "alarms": ["end", "right", "down", "down"],
    "alarm": ["end", "right", "down", "down", "tab", "enter"],
    "forecast": ["7", "f6", "f6"],
    "media": ["2", "enter", "f6", "f6", "f6"],
    "off": ["s"],
    "week": ["6", "tab", "enter"],
    "alerts": ["8", "tab"],
    "alert": ["8", "tab", "enter"],
    "clear": ["8", "x"],
    "events": ["5"],
    "event": ["5", "enter"],
    "palette": ["ctrl+p"],
    "help": ["question_mark"],
    "troubles": ["exclamation_mark"],
}


@pytest.mark.parametrize("walk", WALKS)
async def test_no_name_is_interpreted_or_sent_raw(hostile_home, make_console, walk):
    app = make_console(hostile_home)
    async with app.run_test(size=(160, 40)) as pilot:
        await sees(pilot, "Storage Policies", "[/red]x")
        for key in WALKS[walk]:
            await pilot.press(key)
        await still(pilot)
        text = screen_text(app)

        assert app.return_code is None
        assert all(line.isprintable() for line in text.split("\n"))
        assert "[/red]x" in text
