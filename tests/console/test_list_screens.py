from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from auxtui.widgets.line_table import LineTable
from engine.catalog.home import Home
from engine.model.states import RequestKind
from tests.console.driving import lacks, screen_text, sees, type_ahead, until
from tests.console.sample_catalog import grow_ledger

LEDGER = ["j", "j", "j", "j", "l", "j", "j", "b"]  # to the synchronous copy, then its backup jobs


@pytest.fixture(scope="module")
def large_home(tmp_path_factory: pytest.TempPathFactory, sample_files: dict[bool, bytes]) -> Home:
    """A copy of 100,000 backup jobs, made once: nobody writes to it."""
    folder: Path = tmp_path_factory.mktemp("large")
    (folder / "catalog.db").write_bytes(sample_files[False])
    grow_ledger(folder / "catalog.db", rows=100_000)
    return Home(folder)


async def test_job_controller_lists_totals_and_filters(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("2")
        await sees(pilot, "1 running, 1 suspended, 1 completed with errors", "905", "906", "902")

        await pilot.press("slash", *"suspended")
        await lacks(pilot, " 905 ")
        await sees(pilot, "906")

        await pilot.press("escape")
        await sees(pilot, "905")


async def test_a_filter_without_jobs_does_not_say_that_none_is_running(home, make_console):
    db = sqlite3.connect(home.catalog)
    with db:
        db.execute("UPDATE job SET state = 'running' WHERE id = 906")
    db.close()
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("2")
        await sees(pilot, "2 running", "905", "906")

        await pilot.press("f", "f")
        await sees(pilot, "no job is held; f shows others", "2 running")
        assert "no job is running" not in screen_text(app)

        await pilot.press("f", "slash", *"nosuch", "enter")
        await sees(pilot, "no job here has this text; esc shows them all")


async def test_job_controller_sorts_the_worst_first(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("2")
        await sees(pilot, "as they came")

        await pilot.press("comma")

        await sees(pilot, "worst first (,)")
        table = app.screen.query_one("#list", LineTable)
        assert [table.source.key_at(i) for i in range(3)] == [902, 906, 905]


async def test_history_goes_round_the_outcomes_and_runs_again(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("3")
        await sees(pilot, "2 jobs", "901", "902")

        await pilot.press("f")
        await sees(pilot, "1 job; failed or completed with errors")
        await lacks(pilot, " 901 ")

        await pilot.press("a")
        await sees(pilot, "web / Run Auxiliary Copy")
        await pilot.press("escape")
        assert not [call for call in door.calls if call[0] == "run_auxcopy"]


async def test_storage_shows_state_space_and_opens_a_library(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("4")
        await sees(pilot, "58%", "420 GiB", "offline", "store2")

        await pilot.press("down", "enter")

        await sees(pilot, "no marker at /mnt/vault", "databases / monthly", "Reached by")
        await pilot.press("escape")
        await sees(pilot, "Storage resources")


async def test_events_filter_by_severity_and_open_whole(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("5")
        await sees(pilot, "4 events", "service started")

        await pilot.press("f", "f")
        await sees(pilot, "1 event; errors")
        await pilot.press("enter")
        await sees(pilot, "library.offline", "library vault is offline")
        await pilot.press("escape")
        await sees(pilot, "Event log")


async def test_ledger_shows_reasons_and_filters_by_state(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*LEDGER)
        await sees(pilot, "40 backup jobs; every state (f)", "41 of 64 chunks")

        await pilot.press("f")
        await sees(pilot, "12 backup jobs; not copied (f)")
        await lacks(pilot, "✔ available")

        await pilot.press("slash", *"operator")
        await sees(pilot, "3 backup jobs; not copied (f)", "an operator said so")


async def test_why_is_it_not_there_shows_every_copy(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*LEDGER)
        await sees(pilot, "40 backup jobs")
        await pilot.press("w")

        await sees(pilot, "backup job 139", "Available on", "older than 90 days", "not considered")
        await pilot.press("escape")
        await sees(pilot, "40 backup jobs")


async def test_ledger_of_100_000_opens_at_once_and_pages(large_home, make_console):
    app = make_console(large_home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*LEDGER)
        await sees(pilot, "100,040 backup jobs", "110000")
        table = app.screen.query_one("#list", LineTable)

        await pilot.press("end")
        await sees(pilot, "100  db1/pg")
        assert table.cursor_key == 100

        await pilot.press("comma", "comma", "comma")
        await sees(pilot, "largest first")
        assert table.cursor_key == 100  # the cursor stays on its backup job


async def test_key_is_handled_at_once_while_a_large_ledger_is_open(large_home, make_console):
    app = make_console(large_home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*LEDGER)
        await sees(pilot, "100,040 backup jobs")
        table = app.screen.query_one("#list", LineTable)

        started_s = time.process_time()
        for _ in range(50):
            await pilot.press("pagedown")
        used_s = time.process_time() - started_s

        assert table.cursor == 50 * (table.size.height - 2)
        assert used_s < 10  # reads pages, not 100,000 rows for each key


async def test_job_details_show_every_tab(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("2")
        await sees(pilot, "905")
        await pilot.press("enter")
        await sees(pilot, "before the move", "5 of 12 done, 1 failed", "copied")
        await pilot.press("f6")
        await sees(pilot, "4.20 GiB of 10.0 GiB", "Rate history", "180 MiB/s")
        await pilot.press("f6")
        await sees(
            pilot, "limited by: MediaAgent store2 allows 2 streams", "throttled", "pg/base.tar"
        )
        await pilot.press("f6", "f6", "f6")
        await sees(pilot, "under way")
        await pilot.press("f6")
        await sees(pilot, "job 905 started")
        await pilot.press("f6")
        await sees(pilot, "Input/output error", "look at the disk")
        await pilot.press("enter")
        await sees(pilot, "What to do", "dmesg")
        await pilot.press("escape", "right")
        await sees(pilot, "1; left shows them")
        await pilot.press("left")
        await sees(pilot, "Input/output error")


async def test_job_details_follow_the_job_and_suspend_it(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("2")
        await sees(pilot, "905")
        await pilot.press("enter", "f6")
        await sees(pilot, "41%")

        db = sqlite3.connect(home.catalog)
        with db:
            db.execute("UPDATE job SET bytes_done = bytes_total * 3 / 4 WHERE id = 905")
        db.close()

        await sees(pilot, "75%")
        await pilot.press("s")
        await until(pilot, lambda: door.calls == [(RequestKind.SUSPEND, 905, {})])


async def test_the_key_of_a_view_leads_to_its_list_as_it_was_left(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("2")
        await sees(pilot, "905", "906")
        await pilot.press("down", "enter")
        await sees(pilot, "Jobs / job 906")
        await pilot.press("3")
        await sees(pilot, "Job history")
        await pilot.press("2")
        await sees(pilot, "Job controller")
        assert "Jobs / job 906" not in screen_text(app)
        await pilot.press("enter")
        await sees(pilot, "Jobs / job 906")
        await pilot.press("2")
        await sees(pilot, "Job controller")


async def test_a_number_in_the_palette_is_a_backup_job_and_why_it_is_not_there(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("ctrl+p", *"101")
        await sees(pilot, "backup job   101", "on every copy")
        await pilot.press("enter")
        await sees(pilot, "backup job 101", "on every copy", "Available on")


async def test_a_number_in_the_palette_is_a_job_that_ended_long_ago(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("ctrl+p")
        await sees(pilot, "Find a task")
        type_ahead(app, *"901", "enter")  # before the catalog has said what 901 is
        await sees(pilot, "Jobs / job 901")
        await pilot.press("1")
        await pilot.press("ctrl+p", *"901")
        await sees(pilot, "job          901 databases", "completed")
        await lacks(pilot, "backup job   901")
        await pilot.press("enter")
        await sees(pilot, "Jobs / job 901")


async def test_a_number_that_nothing_has_is_not_offered(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("ctrl+p", *"424242")
        await sees(pilot, "nothing with these letters")
        await pilot.press("enter", "escape")
        app.open_backup_job(424242)
        await sees(pilot, "there is no backup job 424242")
        await lacks(pilot, "reading the catalog")


async def test_100_000_marked_rows_cost_no_key_a_pause(large_home, make_console, door):
    app = make_console(large_home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*LEDGER)
        await sees(pilot, "100,040 backup jobs")
        await pilot.press("asterisk")
        await sees(pilot, "100,040: tasks are for these")

        started_s = time.process_time()
        for _ in range(20):
            await pilot.press("down")
        assert time.process_time() - started_s < 10  # the targets are not made anew for each key

        await pilot.press("c")
        await sees(pilot, "Copy backup jobs 109940", "and 99975 more")
        await pilot.press("y")
        await until(pilot, lambda: bool(door.calls))
        assert door.calls[0][:3] == ("decide", "databases", "offsite")
        assert len(door.calls[0][3]) == 99_980
        await until(pilot, lambda: bool(app.state.said))
        assert "to be copied anew to databases/offsite" in app.state.said[0].cell.text
        assert app.undo is None  # what most of them were was never read
