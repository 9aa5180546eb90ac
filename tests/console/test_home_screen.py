from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from textual.geometry import Region

from auxtui.widgets.line_table import LineTable
from auxtui.widgets.tree_table import TreeTable
from engine.catalog.revision import VERSION_TABLE
from engine.model.errors import ServiceError
from engine.model.states import RequestKind
from tests.console.driving import lacks, screen_text, sees, still, until

POLICY = ["j", "j", "j", "j"]  # from the root to the first policy


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_first_screen_shows_tree_jobs_and_the_worst_thing(home, make_console, size):
    app = make_console(home)
    async with app.run_test(size=size) as pilot:
        await sees(pilot, "hq", "Storage Policies", "databases", "running", "905", "41%")
        await sees(pilot, "library vault is offline", "8 troubles: !", "? Help", "q Leave")


async def test_wide_screens_show_what_the_node_holds(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Secondary copies", "databases / off", "3 bad")

        await pilot.press(*POLICY)

        await sees(pilot, "PostgreSQL dumps", "901 completed", "primary", "offsite")


async def test_narrow_screens_swap_panes_with_tab(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await lacks(pilot, "Secondary copies")

        await pilot.press("tab")
        await sees(pilot, "Secondary copies")
        await lacks(pilot, "Storage Policies")

        await pilot.press("escape")
        await sees(pilot, "Storage Policies")


async def test_copy_shows_its_backup_jobs_with_reason(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "l", "j", "j")

        await sees(pilot, "databases / offsite", "25 available", "digest differs in pg/base", "139")


async def test_tree_folds_and_keeps_its_cursor_when_the_catalog_changes(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "l", "j", "j")
        tree = app.screen.query_one(TreeTable)
        assert tree.cursor_key == ("copy", 2)

        _execute(
            home.catalog,
            "INSERT INTO storage_policy (name, description, behind) VALUES ('aaa', '', '{}')",
        )

        await sees(pilot, "aaa")
        assert tree.cursor_key == ("copy", 2)
        await pilot.press("h")
        assert tree.cursor_key == ("policy", 1)
        await pilot.press("h")
        assert tree.source.index_of(("copy", 3)) is None


async def test_job_progress_is_followed_and_only_its_row_repainted(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "41%", "Storage Policies", "troubles")
        await still(pilot)  # what belongs to the first painting has been painted
        jobs = app.screen.query_one("#jobs", LineTable)
        painted: list[tuple[Region, ...]] = []
        refresh = jobs.refresh
        jobs.refresh = lambda *regions, **options: (  # type: ignore[method-assign]
            painted.append(regions),
            refresh(*regions, **options),
        )[1]

        _execute(home.catalog, "UPDATE job SET bytes_done = bytes_total / 2 WHERE id = 905")

        await sees(pilot, "50%")
        row = Region(0, 1, 80, 1)
        assert painted
        assert all(len(regions) == 1 and regions[0] in row for regions in painted), painted


async def test_job_that_ends_stays_with_its_outcome(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "905")

        _execute(
            home.catalog,
            "UPDATE job SET state = 'completed', ended_at = '2026-03-14 02:59:59.000000' WHERE id = 905",
        )

        await sees(pilot, "✔ completed", "905")


async def test_suspend_asks_the_service_and_says_its_answer(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "905")
        await pilot.press("tab", "tab", "s")

        await sees(pilot, "job 905: suspended")
        assert door.calls == [(RequestKind.SUSPEND, 905, {})]


async def test_refusal_of_the_service_is_shown_with_its_hint(home, make_console, door):
    door.error = ServiceError("the service does not answer", hint="auxtui service status")
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await sees(pilot, "905")
        await pilot.press("tab", "tab", "s")

        await sees(pilot, "the service does not answer (auxtui service status)")


async def test_a_long_refusal_takes_the_lines_that_it_needs_and_is_kept(
    home, make_console, door, monkeypatch
):
    monkeypatch.setattr("auxtui.app.reading_s", lambda cell: 600.0)
    end = "and then run it again from the job history"
    door.error = ServiceError("the line is cut in the middle of a word " * 3, hint=end)
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "905")
        await until(pilot, lambda: app.screen.query_one("#status").size.height == 1)
        await pilot.press("tab", "tab", "s")
        await sees(pilot, "Suspend job 905: the line", "troubles: !", "from the job history)")
        assert app.screen.query_one("#status").size.height == 3

        app._unflash(app.state.flash)
        await until(pilot, lambda: app.screen.query_one("#status").size.height == 1)
        await lacks(pilot, "Suspend job 905")
        await pilot.press("exclamation_mark", "pagedown", "pagedown", "pagedown")
        await sees(
            pilot, "What came of the last keys", "Suspend job 905: the line", "(and then run it"
        )


async def test_of_several_jobs_one_that_is_refused_keeps_no_other_back(home, make_console, door):
    app = make_console(home)
    request = door.request

    def refused(kind, job_id, payload):
        if job_id == 906:
            raise ServiceError("it has ended")
        return request(kind, job_id, payload)

    door.request = refused
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "906")
        await pilot.press("tab", "tab", "space", "space", "x", "y")

        await sees(pilot, "job 905: killed; 1 refused: it has ended")


async def test_incomplete_backup_jobs_are_among_the_troubles(home, make_console):
    with sqlite3.connect(home.catalog) as db:
        db.execute(
            "UPDATE job_copy SET reason = 'incomplete: 1 entry left out'"
            " WHERE copy_id = 2 AND backup_job_id IN (SELECT backup_job_id FROM job_copy"
            " WHERE copy_id = 2 AND state = 'available' LIMIT 2)"
        )
    db.close()
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "9 troubles: !")
        await pilot.press("exclamation_mark")
        await sees(pilot, "copy databases/offsite has 2 incomplete backup jobs", "left out")


async def test_action_that_is_not_possible_says_why_and_asks_nothing(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "906")
        await pilot.press("tab", "tab", "down", "s")

        await sees(pilot, "Suspend: job 906 is suspended already")
        assert door.calls == []


async def test_kill_asks_first_and_the_safe_answer_is_the_default(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "905")
        await pilot.press("tab", "tab", "x")
        await sees(pilot, "Kill job 905?", "What is published stays")

        await pilot.press("enter")
        await sees(pilot, "Kill: not done")
        assert door.calls == []

        await pilot.press("x")
        await sees(pilot, "Kill job 905?")
        await pilot.press("y")
        await until(pilot, lambda: door.calls == [(RequestKind.KILL, 905, {})])


async def test_marked_jobs_are_acted_on_together(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "906")
        await pilot.press("tab", "tab", "space", "space", "x")
        await sees(pilot, "Kill jobs 905, 906?")
        await pilot.press("y")

        await until(pilot, lambda: [call[1] for call in door.calls] == [905, 906])


async def test_priority_prompt_refuses_what_is_not_possible(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "905")
        await pilot.press("tab", "tab", "o")
        await sees(pilot, "Priority, 0 (first) to 9 (last)")

        await pilot.press("1", "2", "enter")
        await sees(pilot, "12 is not possible")
        await pilot.press("backspace", "enter")

        await until(pilot, lambda: door.calls == [(RequestKind.PRIORITY, 905, {"priority": 1})])


async def test_read_only_console_changes_nothing(home, make_console, door):
    app = make_console(home, read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "905")
        await pilot.press("tab", "tab", "x")

        await sees(pilot, "Kill: this console is read-only")
        assert door.calls == []


async def test_scan_of_a_subclient_names_it(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("j", "l", "j", "l", "j", "c")

        await sees(pilot, "2 new backup jobs")
        assert door.calls == [("scan", "db1/pg")]


async def test_dead_service_with_a_running_job_is_the_worst_thing(home, make_console, door):
    app = make_console(home, alive=False)
    async with app.run_test(size=(120, 30)) as pilot:
        await sees(pilot, "service down", "the service has died; 2 jobs stand still", "interrupted")

        await pilot.press("S")
        await until(pilot, lambda: door.calls == [("ensure_service",)])


async def test_catalog_that_vanishes_is_said_and_recovered_from(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await sees(pilot, "905")
        aside = home.path / "aside.db"
        home.catalog.rename(aside)
        await sees(pilot, "the catalog is gone")

        aside.rename(home.catalog)
        await sees(pilot, "library vault is offline")


async def test_damaged_catalog_is_said_with_what_to_do(home, make_console):
    home.catalog.write_bytes(b"this is not a database" * 400)
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await sees(pilot, "the catalog is damaged")
        await pilot.press("exclamation_mark")
        await sees(pilot, "restore a backup")


async def test_empty_catalog_says_what_to_do_first(home, make_console):
    with sqlite3.connect(home.catalog) as db:
        tables = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in {*tables} - {VERSION_TABLE}:
            db.execute(f'DELETE FROM "{table}"')  # noqa: S608 - names from the schema
    db.close()
    app = make_console(home, alive=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "nothing is configured yet: ctrl+p First Steps", "no job is running")


async def test_too_small_terminal_says_what_it_needs(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "905")
        await pilot.resize_terminal(40, 10)
        await sees(pilot, "This terminal is 40 x 10", "auxtui needs 60 x 16")

        await pilot.resize_terminal(80, 24)
        await sees(pilot, "905", "Storage Policies")


async def test_leaving_says_that_jobs_go_on(home, make_console, capsys):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "905")
        await pilot.press("q")
        await until(pilot, lambda: app._exit)
    assert "2 jobs go on in the service" in capsys.readouterr().err


async def test_pause_holds_the_view(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "41%")
        await pilot.press("p")
        await sees(pilot, "paused")
        _execute(home.catalog, "UPDATE job SET bytes_done = bytes_total / 2 WHERE id = 905")
        for _ in range(20):
            await pilot.pause(0.01)
        assert "41%" in screen_text(app)

        await pilot.press("R")
        await sees(pilot, "50%", "paused")

        _execute(home.catalog, "UPDATE job SET bytes_done = bytes_total WHERE id = 905")
        await pilot.press("p")
        await sees(pilot, "100%")


def _execute(path: Path, sql: str) -> None:
    db = sqlite3.connect(path)
    with db:
        db.execute(sql)
    db.close()
