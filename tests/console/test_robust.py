"""Every screen survives a tiny terminal and a catalog that goes away, and is there again after it."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import create_engine

from auxtui.app import ConsoleApp
from auxtui.feed import CatalogTrouble
from auxtui.profile import Profile
from engine.catalog.home import Home
from engine.catalog.opening import revision_of
from engine.catalog.revision import HEAD
from engine.catalog.upgrading import SCRIPTS, _run_scripts
from engine.model.errors import CatalogError
from tests.console.driving import lacks, sees

SCREENS = {
    "schedules": (["6"], "nightly"),
    "windows": (["4", "tab", "down", "W"], "must not run until"),
    "trend": (["7"], "Copied and to copy"),
    "library": (["4", "enter"], "Free space over"),
    "progress": (["2", "enter", "f6"], "Rate history"),
}


@pytest.mark.parametrize("name", SCREENS)
async def test_a_tiny_terminal_is_survived(home, make_console, name):
    keys, text = SCREENS[name]
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies", "905")
        await pilot.press(*keys)
        await sees(pilot, text)

        await pilot.resize_terminal(40, 10)
        await sees(pilot, "This terminal is 40 x 10")
        await pilot.resize_terminal(120, 40)

        await sees(pilot, text, "? Help")


async def test_the_dialog_survives_a_tiny_terminal(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*["down"] * 4, "r")
        await sees(pilot, "3.00 GiB")
        await pilot.resize_terminal(40, 10)
        await sees(pilot, "This terminal is 40 x 10", "needs 60 x 16")
        await pilot.press("f2")
        await pilot.resize_terminal(120, 40)

        await sees(pilot, "Throttle, MiB/s", "2 streams")
        assert not [call for call in door.calls if call[0] == "run_auxcopy"]


@pytest.mark.parametrize("name", ["schedules", "windows", "trend"])
async def test_a_catalog_that_is_gone_is_said_and_recovered_from(home, make_console, name):
    keys, text = SCREENS[name]
    app = make_console(home)
    async with app.run_test(size=(100, 30)) as pilot:
        await sees(pilot, "Storage Policies", "905")
        await pilot.press(*keys)
        await sees(pilot, text)

        away = home.path / "away.db"
        home.catalog.rename(away)
        await sees(pilot, "the catalog is gone", "as it was at 03:00:00")
        await lacks(pilot, "service up")
        away.rename(home.catalog)

        await lacks(pilot, "the catalog is gone", "as it was at")
        await sees(pilot, text, "service up")


def state_revision(home, revision):
    db = sqlite3.connect(home.catalog)
    with db:
        db.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num TEXT)")
        db.execute("DELETE FROM alembic_version")
        db.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
    db.close()


@pytest.mark.parametrize(
    ("revision", "text"),
    [("0001", "of an older form (0001"), ("9999", "made by a newer auxtui (9999")],
)
async def test_a_catalog_of_another_form_is_said_until_it_is_right(
    home, make_console, door, revision, text
):
    state_revision(home, revision)
    app = make_console(home)
    async with app.run_test(size=(160, 30)) as pilot:
        if revision == "0001":
            await sees(pilot, "The catalog was made by an older auxtui.", "y Yes")
            await pilot.press("n")
            await sees(pilot, "any command, brings it up to date", "U Bring Up to Date")
        await sees(pilot, text, "U here" if revision == "0001" else "use the newer auxtui")
        await lacks(pilot, "Storage Policies", "no job is running", "reading the catalog")
        await sees(pilot, "the catalog cannot be read: ! says what to do")
        await pilot.press("2")
        await sees(pilot, text)

        state_revision(home, HEAD)

        await sees(pilot, "Job controller", "905")
        assert door.calls == []


async def test_a_catalog_that_states_no_revision_is_said_to_be_damaged(home, make_console):
    with sqlite3.connect(home.catalog) as db:
        db.execute("DELETE FROM alembic_version")
    db.close()
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await sees(pilot, "the catalog is damaged: it states 0 revisions instead of one")


async def test_an_older_catalog_is_brought_up_to_date_from_the_console(tmp_path):
    home = Home(tmp_path)
    home.make()
    engine = create_engine(f"sqlite:///{home.catalog}")
    with engine.begin() as connection:
        _run_scripts(connection, SCRIPTS, "0001")
        connection.exec_driver_sql(
            "INSERT INTO commcell (id, uuid, name, time_zone, created_at)"
            " VALUES (1, 'u-1', 'hq', 'UTC', '2026-01-01')"
        )
    engine.dispose()
    app = ConsoleApp(home, profile=Profile(refresh_s=0.05), is_alive=lambda: False)
    async with app.run_test(size=(100, 30)) as pilot:
        await sees(pilot, "The catalog was made by an older auxtui.")

        await pilot.press("y")

        await sees(pilot, "the catalog is up to date; the copy of the older one is in backups/")
        await sees(pilot, "Storage Policies")
    assert revision_of(home) == HEAD
    assert list(home.backups.iterdir())


async def test_a_console_that_only_looks_changes_no_older_catalog(home, make_console, door):
    state_revision(home, "0001")
    app = make_console(home, read_only=True)
    async with app.run_test(size=(160, 30)) as pilot:
        await sees(pilot, "of an older form (0001")
        await pilot.press("U")
        await sees(pilot, "Bring Up to Date: this console is read-only")
        assert door.calls == []


async def test_every_screen_offers_to_start_a_service_that_has_died(home, make_console):
    app = make_console(home, alive=False)
    async with app.run_test(size=(80, 24)) as pilot:
        for keys in ("1", "2", "3", "4", "5", "6", "7", "8", ("2", "enter"), ("4", "enter"), "W"):
            await pilot.press(*keys)
            await sees(pilot, "S Start the Service", "the service has died")


async def test_a_tiny_terminal_offers_and_does_nothing_but_leave(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await sees(pilot, "905")

        await pilot.resize_terminal(40, 10)
        await sees(pilot, "This terminal is 40 x 10", "q Leave")
        await lacks(pilot, "Open", "Filter", "Suspend")
        await pilot.press("s", "x", "y", "enter")
        await pilot.resize_terminal(80, 24)

        await sees(pilot, "Job controller", "905", "s Suspend")
        assert door.calls == []


async def test_what_is_told_while_the_console_closes_finds_no_screen_to_change(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await sees(pilot, "905")
        await app.screen.query_one("#list").remove()
        app._running = False  # as when it is shut down
        app.on_catalog_trouble(CatalogTrouble(CatalogError("gone")))
        app._running = True

    assert str(app.state.catalog_error) == "gone"
