"""The reports of the tree, and the search in the whole event log."""

from __future__ import annotations

import sqlite3

from tests.console.driving import lacks, sees


async def test_what_is_wrong_leads_to_where_it_is(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Reports")
        await pilot.press("end", "right", "end")
        await sees(pilot, "Jobs that ended", "902", "with errors")
        await pilot.press("up")
        await sees(pilot, "What to do", "mount or connect /mnt/vault")
        await pilot.press("tab", "enter")

        await sees(pilot, "hq / vault", "no marker at /mnt/vault")


async def test_every_copy_is_reported_with_its_forecast(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Reports")
        await pilot.press("end", "right", "end", "up", "up", "up")

        await sees(pilot, "web / second", "caught up Saturday 13:00", "fallen behind")


async def test_the_filter_of_the_log_looks_in_all_that_is_kept(home, make_console):
    db = sqlite3.connect(home.catalog)
    with db:
        db.executemany(
            "INSERT INTO event (at, severity, code, message) VALUES (?, 'info', 'scan.done', ?)",
            [("2026-03-14 02:59:00", f"scan number {number}") for number in range(1500)],
        )
    db.close()
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("5")
        await sees(pilot, "1,000 events", "scan number 1499")
        await lacks(pilot, "service started")
        await pilot.press("slash", *"service.st")

        await sees(pilot, "1 event;", "service started")


async def test_alarms_that_stand_are_reported_and_open(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Reports")
        await pilot.press("end", "right", "down", "down")
        await sees(pilot, "library-offline", "library vault is offline", "01:00:00")
        await pilot.press("tab", "enter")

        await sees(pilot, "mount /mnt/vault", "esc Close")
