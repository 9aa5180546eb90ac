from __future__ import annotations

import pytest

from auxtui.actions import ACTIONS
from auxtui.screens.closing import ModalOnce
from auxtui.screens.dialog import Dialog
from auxtui.screens.palette import PaletteScreen
from auxtui.widgets.text_field import TextField
from engine.model.errors import UsageError
from engine.policy.values import RunOptions
from tests.console.driving import lacks, screen_text, sees, type_ahead, until

POLICY = ["j", "j", "j", "j"]


def _runs(door):
    return [call[1:] for call in door.calls if call[0] == "run_auxcopy"]


async def test_run_dialog_shows_the_plan_before_anything_starts(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "r")
        await sees(pilot, "all active copies (2)", "1 blocked", "store2 allows 2 streams")
        await sees(pilot, "Start ", "f2 Start ")  # the button and its key are one word

        await pilot.press("f6", "f6", "f6")
        await sees(pilot, "bad on the source", "deferred until", "available already")
        assert _runs(door) == []


async def test_run_dialog_starts_with_what_was_chosen(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "r")
        await sees(pilot, "3.00 GiB")
        await pilot.press("tab", "tab", "2", "tab", "space", "tab", *["tab"] * 4, *"100")
        await pilot.press("f6", "f6", "tab", "space", "tab", *"hi", "f2")

        await sees(pilot, "job 907 has started")
        policy, options = _runs(door)[0]
        assert policy == "databases"
        assert options == RunOptions(
            streams=2,
            scalable=False,
            throttle_bps=100 * 1024**2,
            start_suspended=True,
            description="hi",
        )


async def test_run_dialog_on_a_copy_is_for_that_copy(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "l", "j", "j", "r")
        await sees(pilot, "offsite", "3.00 GiB")
        await pilot.press("f2")

        await until(pilot, lambda: bool(_runs(door)))
        assert _runs(door)[0][1].copies == ("offsite",)


async def test_run_dialog_says_errors_at_the_field_and_starts_nothing(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "r")
        await sees(pilot, "3.00 GiB")
        await pilot.press("f6", "f6", "1", "2", "f6", "f6", "f2")

        await sees(pilot, "Priority: 12 is not possible", "Advanced 1!")
        assert app.focused is not None
        assert app.focused.id == "priority"
        assert _runs(door) == []


async def test_run_dialog_stays_open_when_the_service_refuses(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(120, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "r")
        await sees(pilot, "3.00 GiB")
        door.error = UsageError("job 905 runs on this copy", hint="wait for it")
        await pilot.press("f2")

        await sees(pilot, "job 905 runs on this copy (wait for it)", "Run Auxiliary Copy")
        door.error = None
        await pilot.press("f2")
        await sees(pilot, "job 907 has started")


async def test_source_media_agent_is_offered_only_for_a_shared_library(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "j", "r")  # its primary is on a library that two agents reach
        await sees(pilot, "web / Run Auxiliary Copy")
        assert not app.screen.query_one("#source_media_agent").disabled
        await pilot.press("escape", "k", "l", "j", "j", "r")
        await sees(pilot, "databases / Run Auxiliary Copy")
        assert app.screen.query_one("#source_media_agent").disabled is False


async def test_menu_lists_every_task_with_the_reason_where_it_is_not_possible(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "905")
        await pilot.press("tab", "tab", "m")

        await sees(pilot, "All Tasks: job 905", "Suspend", "Kill", "Change Throttle")
        await sees(pilot, "not now: job 905 is running")


async def test_menu_letter_does_the_task(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "905")
        await pilot.press("tab", "tab", "m")
        await sees(pilot, "All Tasks: job 905")
        await pilot.press("s")

        await until(pilot, lambda: [call[1] for call in door.calls] == [905])


async def test_menu_does_not_do_what_is_not_possible(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "905")
        await pilot.press("tab", "tab", "m")
        await sees(pilot, "All Tasks: job 905")
        await pilot.press("u")

        await sees(pilot, "not now: job 905 is running: only a suspended or pending")  # in full
        assert "All Tasks: job 905" in screen_text(app)
        assert door.calls == []


async def test_palette_finds_things_and_goes_there(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("ctrl+p", *"month")
        await sees(pilot, "databases / monthly", "selective")
        await pilot.press("enter")

        await sees(pilot, "databases / monthly / backup jobs")


async def test_arrows_choose_among_what_the_palette_has_found(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("ctrl+p")
        await sees(pilot, "Find a task")
        type_ahead(app, *"databases", "down", "pagedown", "up", "up", "enter")

        await sees(pilot, "databases / offsite / backup jobs")


@pytest.mark.parametrize(
    ("typed", "what"),
    [
        ("db1", "client"),
        ("db1/", "subclient"),
        ("nightly", "schedule"),
        ("office", "window"),
        ("store2", "MediaAgent"),
        ("vault", "library"),
        ("alarms", "report"),
    ],
)
async def test_the_palette_has_everything_that_the_tree_has(home, make_console, typed, what):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("ctrl+p", *typed)
        await sees(pilot, f" {what} ", typed)
        await pilot.press("enter")

        await until(pilot, lambda: not isinstance(app.screen, PaletteScreen))
        name = {"db1/": "pg", "alarms": "Alarms"}.get(typed, typed)
        await sees(pilot, name)


async def test_what_is_read_while_the_palette_is_open_comes_into_it(home, make_console):
    app = make_console(home, refresh_s=60.0)
    async with app.run_test(size=(120, 30)) as pilot:
        await sees(pilot, "Storage Policies")
        estate = app.state.estate
        app._set_state(estate=None)
        await pilot.press("ctrl+p", *"monthly")
        await sees(pilot, "nothing with these letters")

        app._set_state(estate=estate)

        await lacks(pilot, "nothing with these letters")
        await sees(pilot, " copy ", "databases / monthly")


async def test_palette_does_tasks(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await sees(pilot, "Storage Policies")
        before = app.theme
        await pilot.press("colon", *"next theme", "enter")

        await until(pilot, lambda: app.theme != before)


async def test_help_is_made_from_the_registry(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(200, 220)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("question_mark")

        await sees(pilot, *(action.label for action in ACTIONS if action.keys))
        await pilot.press("escape")
        await lacks(pilot, "next pane or field")


async def test_troubles_are_listed_with_what_to_do(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "8 troubles")
        await pilot.press("exclamation_mark")

        await sees(
            pilot, "mount or connect /mnt/vault", "3 bad job copies", "web1/content is offline"
        )


@pytest.mark.parametrize("keys", [("m",), ("colon",), ("2", "x"), ("2", "o")])
async def test_dialogs_too_are_ascii_where_the_glyphs_are(home, make_console, keys):
    app = make_console(home, glyphs="ascii")
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "905")
        await pilot.press(*keys)
        await until(pilot, lambda: isinstance(app.screen, Dialog) and app.screen.is_mounted)
        await sees(pilot, "esc")

        assert screen_text(app).isascii()


@pytest.mark.parametrize("keys", [("m",), ("colon",), ("2", "o"), (*["down"] * 4, "r")])
async def test_ctrl_c_leaves_a_dialog_and_then_the_console(home, make_console, door, keys):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "905", "Storage Policies")
        await pilot.press(*keys)
        await until(pilot, lambda: isinstance(app.screen, ModalOnce) and app.screen.is_mounted)
        for field in app.screen.query(TextField):  # else it is what is selected that is copied
            field.selection = type(field.selection).cursor(0)

        await pilot.press("ctrl+c")
        await until(pilot, lambda: not isinstance(app.screen, ModalOnce))
        assert app.is_running

        await pilot.press("ctrl+c")
        await until(pilot, lambda: app.return_code == 0)
    assert all(call[0] == "preview" for call in door.calls)
