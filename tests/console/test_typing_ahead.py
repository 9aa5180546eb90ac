"""On a slow line keys arrive before what they belong to is drawn; none may reach something else."""

from __future__ import annotations

from engine.model.states import RequestKind
from tests.console.driving import sees, type_ahead, until
from tests.console.test_list_screens import LEDGER

DOWN_TO_POLICY = ["down"] * 4


async def test_a_filter_takes_the_text_typed_behind_it(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await sees(pilot, "905")

        type_ahead(app, "slash", *"suspx")

        await sees(pilot, "suspx", "no job is running")
        assert door.calls == []


async def test_cursor_keys_and_the_task_behind_them_keep_their_order(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")

        type_ahead(app, *DOWN_TO_POLICY, "right", "down", "down", "b")

        await sees(pilot, "databases / offsite / backup jobs")


async def test_a_menu_takes_the_letter_typed_behind_it(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "905")

        type_ahead(app, "tab", "tab", "m", "s")

        await until(pilot, lambda: door.calls == [(RequestKind.SUSPEND, 905, {})])


async def test_a_question_takes_the_answer_typed_behind_it(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "905")

        type_ahead(app, "tab", "tab", "x", "n", "x", "y")

        await until(pilot, lambda: door.calls == [(RequestKind.KILL, 905, {})])


async def test_a_form_takes_each_text_into_its_field(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*DOWN_TO_POLICY, "r")
        await sees(pilot, "3.00 GiB")

        type_ahead(app, "tab", "tab", "3", "tab", "space", "tab", "7", *["tab"] * 4, "5")
        type_ahead(app, "f6", "f6", "2", "f2")

        await until(pilot, lambda: any(call[0] == "run_auxcopy" for call in door.calls))
        options = next(call[2] for call in door.calls if call[0] == "run_auxcopy")
        assert (options.streams, options.scalable, options.jobs_to_process) == (3, False, 7)
        assert (options.throttle_bps, options.priority) == (5 * 1024**2, 2)


async def test_a_list_that_opens_takes_the_keys_typed_behind_it(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await sees(pilot, "905")

        type_ahead(app, "enter", "f6", "f6", "escape", "3", "enter")

        await sees(pilot, "Job history", "901")


async def test_what_follows_enter_in_a_filter_is_for_the_list(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*LEDGER)
        await sees(pilot, "40 backup jobs")
        await pilot.press("slash", *"operator")
        await sees(pilot, "3 backup jobs")
        type_ahead(app, "enter", "w")
        await sees(pilot, "on every copy")
