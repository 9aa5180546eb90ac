"""Walks through every screen and dialog of the console, each from the one before: many are seen for the price of a few."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from typing import NamedTuple

from textual.app import App
from textual.pilot import Pilot

from auxtui.app import ConsoleApp
from tests.console.driving import sees, still

ESC = "escape"


class Step(NamedTuple):
    """A screen of the walk: its name, the keys from the step before, what is on it when it is there."""

    name: str
    keys: tuple[str, ...]
    texts: tuple[str, ...]


WALKS = {
    "commcell": (
        Step("tree", (), ("Storage Policies", "905", "Reports")),
        Step("commcell", ("tab",), ("Bytes owed", "databases / offsite")),
        Step("help", ("question_mark",), ("Left: the CommCell",)),
        Step("what is wrong", (ESC, "exclamation_mark"), ("What is wrong", "web1/content")),
        Step("palette", (ESC, "ctrl+p"), ("Find a task", "Run Auxiliary Copy")),
        Step("clients", (ESC, ESC, "down", "tab"), ("reachable", "1 offline")),
        Step("policies", (ESC, "down", "down", "tab"), ("901 completed", "19.0 GiB")),
        Step("policy", (ESC, "down", "tab"), ("PostgreSQL dumps", "monthly")),
        Step("menu", (ESC, "m"), ("All Tasks: databases", "Data Aging")),
    ),
    "policy": (
        Step(
            "policy form",
            (*["down"] * 4, "e"),
            ("storage policy databases", "nothing is changed yet"),
        ),
        Step("run", (ESC, "r"), ("all active copies (2)", "3.00 GiB")),
        Step("run: copies", ("enter",), ("monthly", "3.00 GiB")),
        Step("run: initiation", (ESC, "f6"), ("immediate: one job",)),
        Step("run: advanced", ("f6",), ("Number of retries",)),
        Step("run: plan", ("f6",), ("bad on the source",)),
        Step("aging", (ESC, "D"), ("Would go", "copy monthly waits for it")),
        Step("typed name", ("r",), ("Type databases",)),
    ),
    "backup jobs": (
        Step("ledger", ("colon", *"offsite", "enter"), ("40 backup jobs", "older than")),
        Step("filter form", ("F",), ("Backed up from", "shows all")),
        Step("backup job", (ESC, "w"), ("Available on", "not considered")),
        Step("browse", (ESC, *["down"] * 6, "b"), ("base.tar", "etc/")),
        Step("restore", (ESC, "s"), ("Restore", "1.00 GiB")),
    ),
    "jobs": (
        Step("jobs", ("2",), ("Job controller", "together")),
        Step("question", ("x",), ("Kill job 905?",)),
        Step("prompt", (ESC, "o"), ("Priority, 0 (first) to 9 (last)",)),
        Step("job", (ESC, "enter"), ("General", "before the move", "0:12")),
        Step("job: progress", ("f6",), ("Rate history", "02:47")),
        Step("job: streams", ("f6",), ("store2 allows 2 streams", "copying")),
        Step("job: media", ("f6",), ("Writers", "vault")),
        Step("job: plan", ("f6",), ("no plan",)),
        Step("job: attempts", ("f6",), ("under way",)),
        Step("job: events", ("f6",), ("job 905 started",)),
        Step("job: errors", ("f6",), ("Input/output error",)),
    ),
    "views": (
        Step("history", ("3",), ("2 jobs; every outcome", "901")),
        Step("storage", ("4",), ("Its time zone", "closed until")),
        Step("library", ("enter",), ("Free space over", "444 GiB")),
        Step("week", (ESC, "tab", "down", "W"), ("must not run until", "Fri 03-20")),
        Step("events", ("5",), ("4 events", "service started")),
        Step("an event", ("enter",), ("cannot read", "127")),
        Step("schedules", (ESC, "6"), ("Next runs", "in force")),
        Step("schedule form", ("e",), ("schedule nightly", "Next runs", "nothing is changed")),
        Step("window", (ESC, "tab"), ("Running jobs", "stop at a chunk")),
        Step("window form", ("e",), ("window night", "nothing is changed yet")),
        Step("week of a window", ("f4",), ("Mon", "space")),
        Step("trend", (ESC, ESC, "7"), ("caught up", "20.0 GiB")),
        Step("trend: rate", ("f6",), ("caught up", "583 KiB/s")),
        Step("trend: forecast", ("f6",), ("caught up", "so far")),
        Step("alarms", ("8",), ("mount /mnt/vault", "oncall")),
        Step("alert", ("tab",), ("waits after 3 tries",)),
    ),
}


async def walk(pilot: Pilot[None], steps: Iterable[Step]) -> AsyncIterator[Step]:
    """Goes from screen to screen; each is drawn and at rest when its step comes."""
    await sees(pilot, "Storage Policies", "905")
    for step in steps:
        await pilot.press(*step.keys)
        await sees(pilot, *step.texts)
        _say_no_outcome(pilot.app)
        await still(pilot)
        yield step


def _say_no_outcome(app: App[None]) -> None:
    """What came of the key before stands for some seconds, of which the walk may need more or fewer."""
    assert isinstance(app, ConsoleApp)
    app.state = replace(app.state, flash=None)
    app._tell_frame()
