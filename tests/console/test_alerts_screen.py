"""Alarms and alerts: what stands, who is told of it, and what can be done about both."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from engine.model.errors import AuxError
from engine.model.states import RequestKind
from tests.console.driving import lacks, sees, until


async def test_it_lists_what_stands_and_who_is_told(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("8")
        await sees(pilot, "library-offline", "mount /mnt/vault", "oncall", "failed, missed")
        await sees(pilot, "mail to oncall@example.org", "mail.example.org ref")
        await pilot.press("tab")
        await sees(pilot, "delivered", "waits after 3 tries: mail.example.org refused it")


async def test_an_alert_of_jobs_that_name_it_does_not_tell_of_nothing(home, make_console):
    with closing(sqlite3.connect(home.catalog)) as db, db:
        db.execute(
            'INSERT INTO alert (name, on_events, "to", options) '
            "VALUES ('hook', '[]', 'exec:/bin/true', '{}')"
        )
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("8")
        await sees(pilot, "hook", "jobs that name it")


async def test_an_alarm_is_cleared_and_the_refusal_is_told(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("8")
        await sees(pilot, "library-offline", "Clear Alarm")
        await pilot.press("x")
        await until(pilot, lambda: bool(door.calls))
        assert door.calls == [(RequestKind.CLEAR_ALARMS, None, {"alarms": [1]})]
        await sees(pilot, "cleared; what is still wrong comes again")

        door.error = AuxError("the service is not running", hint="start it")
        await pilot.press("x")
        await sees(pilot, "the service is not running")


async def test_an_alert_is_tried_edited_shown_and_made(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("8")
        await sees(pilot, "oncall")
        await pilot.press("tab", "t")
        await sees(pilot, "accepted by mail to oncall@example.org")
        assert door.calls == [("try_alert", "oncall")]
        await pilot.press("e")
        await sees(pilot, "alert oncall")
        await pilot.press("escape", "n")
        await sees(pilot, "New alert")
        await pilot.press("escape", "enter")
        await sees(pilot, "delivered", "esc Close")


async def test_a_read_only_console_clears_nothing(home, make_console, door):
    app = make_console(home, read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("8")
        await sees(pilot, "library-offline")
        await lacks(pilot, "Clear Alarm")
        await pilot.press("x")
        await sees(pilot, "this console is read-only")
        assert door.calls == []
