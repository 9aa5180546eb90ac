"""Back Up Now: a dialog that says what a backup will take, consistent with `auxtui backup`."""

from __future__ import annotations

import sqlite3

import pytest

from engine.catalog.home import Home
from engine.model.errors import UsageError
from tests.console.driving import sees, until

CONTENT = ("j", "l", "j", "j", "l", "j")
LANDING = ("j", "l", "j", "l", "j")


@pytest.fixture
def content_home(home: Home) -> Home:
    """The sample, where web1/content is backed up by auxtui."""
    with sqlite3.connect(home.catalog) as catalog:
        catalog.execute("UPDATE subclient SET kind = 'content', state = 'online' WHERE id = 2")
    catalog.close()
    return home


def _backups(door):
    return [call[1:] for call in door.calls if call[0] == "backup"]


async def test_a_backup_is_started_from_the_tree(content_home, make_console, door):
    app = make_console(content_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*CONTENT, "B")
        await sees(pilot, "Back Up Now", "full backup of web1/content", "stops aging until")
        assert _backups(door) == []
        door.error = UsageError("a backup of web1/content runs already", hint="wait for it")
        await pilot.press("f2")
        await sees(pilot, "a backup of web1/content runs already")
        door.error = None
        await pilot.press("f2")
        await sees(pilot, "job 912 backs up")
    assert _backups(door)[-1] == ("web1/content", None, False)


async def test_level_and_belief_go_along(content_home, make_console, door):
    app = make_console(content_home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*CONTENT, "B")
        await sees(pilot, "Back Up Now")
        await pilot.press("enter", "down", "down", "enter")
        await sees(pilot, "incremental backup of web1/content", "new or changed")
        await pilot.press("tab", "space")
        await sees(pilot, "is believed, whatever is gone")
        await pilot.press("f2")
        await until(pilot, lambda: bool(_backups(door)))
    assert _backups(door) == [("web1/content", "incremental", True)]


async def test_what_lands_is_not_backed_up_and_says_why(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*LANDING, "B")
        await sees(pilot, "Back Up Now: it adopts what others write")
    assert _backups(door) == []
