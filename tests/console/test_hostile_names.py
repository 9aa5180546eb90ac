"""Names that try to break the screen, on every screen: shown as text, never interpreted."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.console.driving import screen_text, sees, still

ESC = "escape"
COPY = (*["down"] * 4, "right", "down", "down")


class Step(NamedTuple):
    """What is looked at: its name, the keys from the step before, the screen that they lead to."""

    name: str
    keys: tuple[str, ...]
    screen: str


WALKS = {
    "copies": (
        Step("home", (), "HomeScreen"),
        Step("copy", (*COPY, "tab"), "HomeScreen"),
        Step("ledger", (ESC, "b"), "LedgerScreen"),
        Step("why", ("w",), "BackupJobScreen"),
        Step("restore", (ESC, *["down"] * 6, "s"), "RestoreScreen"),
        Step("browse", (ESC, "b", "down", "right"), "BrowseScreen"),
        Step("decide", (ESC, "c"), "ConfirmScreen"),
        Step("filter form", (ESC, "F"), "LedgerFilterScreen"),
        Step("aging", (ESC, ESC, "D"), "AgingScreen"),
        Step("run", (ESC, "r"), "RunAuxiliaryCopyScreen"),
        Step("initiation", ("f6",), "RunAuxiliaryCopyScreen"),
        Step("plan", ("f6", "f6"), "RunAuxiliaryCopyScreen"),
        Step("menu", (ESC, "m"), "MenuScreen"),
    ),
    "jobs": (
        Step("off", ("s",), "PromptScreen"),
        Step("jobs", (ESC, "2"), "JobsScreen"),
        Step("job", ("enter",), "JobScreen"),
        Step("streams", ("f6", "f6"), "JobScreen"),
        Step("media", ("f6",), "JobScreen"),
        Step("errors", ("f6", "f6", "f6", "f6"), "JobScreen"),
        Step("history", ("3",), "HistoryScreen"),
        Step("storage", ("4",), "StorageScreen"),
        Step("library", ("down", "enter"), "LibraryScreen"),
    ),
    "rules": (
        Step("schedules", ("6",), "SchedulesScreen"),
        Step("schedule", ("enter",), "HomeScreen"),
        Step("windows", ("6", "tab"), "SchedulesScreen"),
        Step("week", ("enter",), "WindowsScreen"),
        Step("trend", (ESC, "7"), "TrendScreen"),
        Step("forecast", ("f6", "f6"), "TrendScreen"),
        Step("clear", ("8", "x"), "AlertsScreen"),
        Step("alerts", ("tab",), "AlertsScreen"),
        Step("alert", ("enter",), "TextScreen"),
        Step("events", (ESC, "5"), "EventsScreen"),
        Step("event", ("enter",), "TextScreen"),
    ),
    "alarms": (
        Step("alarms", ("end", "right", "down", "down"), "HomeScreen"),
        Step("alarm", ("tab", "enter"), "TextScreen"),
        Step("palette", (ESC, "ctrl+p"), "PaletteScreen"),
        Step("help", (ESC, "question_mark"), "HelpScreen"),
        Step("troubles", (ESC, "exclamation_mark"), "TroublesScreen"),
    ),
}


@pytest.mark.parametrize("walk", WALKS)
async def test_no_name_is_interpreted_or_sent_raw(hostile_home, make_console, walk):
    app = make_console(hostile_home)
    async with app.run_test(size=(160, 40)) as pilot:
        await sees(pilot, "Storage Policies", "[/red]x")
        for step in WALKS[walk]:
            await pilot.press(*step.keys)
            await still(pilot)
            text = screen_text(app)

            assert type(app.screen).__name__ == step.screen, (step.name, text)
            assert app.return_code is None
            assert all(line.isprintable() for line in text.split("\n")), step.name
            assert "[/red]x" in text, step.name
