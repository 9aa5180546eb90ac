"""On a slow line keys arrive before what they belong to is drawn; none may reach something else."""

from __future__ import annotations

import threading
import tomllib
from types import SimpleNamespace

from textual.widgets import Input

from engine.model.states import RequestKind
from tests.console.driving import lacks, sees, type_ahead, until
from tests.console.site_samples import WHOLE
from tests.console.test_list_screens import LEDGER

DOWN_TO_POLICY = ["down"] * 4


async def test_a_filter_takes_the_text_typed_behind_it(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await sees(pilot, "905")

        type_ahead(app, "slash", *"suspx")

        await sees(pilot, "suspx", "no job here has this text")
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


async def test_a_menu_that_is_closing_takes_no_second_letter(home, make_console, door):
    """Letters that arrive together: the menu gave its answer with the first one."""
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "905")

        type_ahead(app, "tab", "tab", "m", "s", "s")

        await until(pilot, lambda: (RequestKind.SUSPEND, 905, {}) in door.calls)
        await sees(pilot, "905")
        assert app._exception is None


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

        await sees(pilot, "Jobs / job 902", "1 of 3 backup jobs failed")


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


class SlowSite:
    """Lets the configuration be read when the test says so."""

    def __init__(self, door):
        self.opened = threading.Event()
        door.site = self
        door.edit = lambda *given, **options: SimpleNamespace(changes=(), text="")

    def __call__(self):
        assert self.opened.wait(120)
        return tomllib.loads(WHOLE)


async def test_a_form_that_is_still_read_gets_every_key_in_order(home, make_console, door):
    app, site = make_console(home), SlowSite(door)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Client Computers")

        type_ahead(app, "down", "n", *"web")
        await sees(pilot, "reading the configuration")
        type_ahead(app, "8", "backspace", "9")
        site.opened.set()

        await until(pilot, lambda: not app._typed_ahead and bool(app.screen.query("#field-name")))
        await until(pilot, lambda: app.screen.query_one("#field-name", Input).value == "web9")
        assert door.calls == []


async def test_the_question_before_a_deletion_gets_the_name_typed_ahead(home, make_console, door):
    app, site = make_console(home), SlowSite(door)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")

        type_ahead(app, *DOWN_TO_POLICY, "delete", *"data")
        await pilot.pause()
        site.opened.set()

        await sees(pilot, "Delete")
        await until(pilot, lambda: [one.value for one in app.screen.query(Input)] == ["data"])


async def test_escape_leaves_a_form_that_is_still_read(home, make_console, door):
    app, site = make_console(home), SlowSite(door)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Client Computers")
        type_ahead(app, "down", "n", *"web9")
        await sees(pilot, "reading the configuration")

        await pilot.press("escape")

        await lacks(pilot, "reading the configuration")
        site.opened.set()
        type_ahead(app, "2")
        await sees(pilot, "Job controller")


async def test_a_list_that_is_still_read_takes_the_task_typed_behind_it(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "905")
        may_read = threading.Event()
        app.feed.ask(app, "slow", lambda live: may_read.wait(120))

        type_ahead(app, "3", "down", "A")
        await sees(pilot, "Job history", "reading the catalog")
        may_read.set()

        await until(pilot, lambda: door.calls == [("resubmit", 901)])


async def test_keys_do_not_wait_for_a_list_for_ever(home, make_console, monkeypatch):
    monkeypatch.setattr("auxtui.screens.base.HOLD_S", 0.01)
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "905")
        may_read = threading.Event()
        app.feed.ask(app, "slow", lambda live: may_read.wait(120))

        type_ahead(app, "3", "2")

        await sees(pilot, "Job controller")
        may_read.set()


async def test_what_follows_enter_in_the_palette_is_for_what_it_opens(home, make_console):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies", "905")

        type_ahead(app, "colon", *"monthly", "enter", "w")

        await sees(pilot, "on every copy")


async def test_what_follows_enter_in_a_prompt_is_for_the_screen_below(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await sees(pilot, "905")

        type_ahead(app, "o", "backspace", "3", "enter", "s")

        priority = (RequestKind.PRIORITY, 905, {"priority": 3})
        suspend = (RequestKind.SUSPEND, 905, {})
        await until(pilot, lambda: len(door.calls) == 2)
        assert sorted(door.calls, key=str) == [priority, suspend]
