"""Something new by form: what it lacks is said, and what is typed behind it waits for it."""

from __future__ import annotations

import threading

import pytest

from engine.catalog.home import Home
from engine.control import frontdoor
from tests.console.driving import paste, screen_text, sees, type_ahead, until
from tests.console.site_samples import POLICY, ready


async def test_a_dialog_opened_behind_a_change_shows_it(site_home, make_console):
    """The catalog is looked at a moment later; what is typed in between waits for that."""
    app, may_look = make_console(site_home), threading.Event()
    may_look.set()
    turn = app.feed._turn

    def held_back() -> None:
        assert may_look.wait(120)
        turn()

    app.feed._turn = held_back
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "n")
        await ready(pilot, "New copy")
        await pilot.press("tab", "tab", "enter", "down", "enter", "f2")
        await sees(pilot, "This will change", "databases/Copy_2")
        may_look.clear()
        await pilot.press("y")
        await sees(pilot, "copy Copy_2 is applied")

        type_ahead(app, "r")
        await pilot.pause(0.1)
        may_look.set()

        await sees(pilot, "Run Auxiliary Copy", "all active copies (2)")


async def test_a_key_that_applies_while_the_form_is_judged_waits_for_that(site_home, make_console):
    app = make_console(site_home)
    asked, may_answer, may_edit = threading.Event(), threading.Event(), threading.Event()
    may_edit.set()
    question, edit = app.door.new_copy_question, app.door.edit

    def slow_question(*given):
        asked.set()
        assert may_answer.wait(120)
        return question(*given)

    def slow_edit(*given, **options):
        assert may_edit.wait(120)
        return edit(*given, **options)

    app.door.new_copy_question, app.door.edit = slow_question, slow_edit
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "n")
        await ready(pilot, "New copy")
        await pilot.press("tab", "tab", "enter", "down", "enter")
        await until(pilot, asked.is_set)
        may_edit.clear()
        type_ahead(app, "f2")
        await pilot.pause(0.1)
        may_answer.set()
        await pilot.pause(0.1)
        may_edit.set()
        await sees(pilot, "This will change", "databases/Copy_2", "library: vault")


@pytest.mark.parametrize(
    ("keys", "empty", "form"),
    [
        (("6", "tab"), "no operation windows", "New window"),
        (("6",), "no schedules yet", "New schedule"),
        (("4",), "no libraries yet", "New library"),
        (("down",) * 5 + ("tab",), "no operation windows", "New window"),
    ],
)
async def test_an_empty_list_takes_something_new(tmp_path, make_console, keys, empty, form):
    home = Home(tmp_path / "home").make()
    frontdoor.apply_text(home, '[commcell]\nname = "hq"\n', "site.toml", dry_run=False)
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*keys)
        await sees(pilot, empty)
        await pilot.press("enter", "n")
        await ready(pilot, form)


async def test_a_new_copy_has_the_next_name_and_its_backlog_is_asked_about(
    site_home, make_console, door, monkeypatch
):
    monkeypatch.setattr(
        door, "new_copy_question", lambda policy, source: "the source holds much: all, or a date?"
    )
    note = "the source holds much: all, or a date? on_and_after = DATE"
    monkeypatch.setattr("engine.site.applying.backlog_note", lambda session, item, now: note)
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "n")
        await ready(pilot, "New copy", "Copy_2", "still to fill in: Library")
        await pilot.press("tab", "tab", "down", "down", "enter", "f2")
        await sees(pilot, "Selection (1!)", "Backlog: the source holds much", "not answered yet")
        await pilot.press("down", "down", "enter", "f2")

        await sees(pilot, "This will change", "databases/Copy_2")
        assert "on_and_after = DATE" not in screen_text(app)  # it is answered
        await pilot.press("n")
        await sees(pilot, "nothing was changed")
    assert "Copy_2" not in frontdoor.site_document(site_home)["policies"]["databases"]["copies"]


async def test_a_library_in_a_place_that_is_not_there_is_refused_at_its_field(
    site_home, make_console
):
    app = make_console(site_home)
    async with app.run_test(size=(120, 30)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("4", "n")
        await ready(pilot, "New library")
        await pilot.press(*"lib3", "tab", *"/nosuch/lib3", "f2")
        await sees(pilot, "/nosuch, in which the library is to lie, is not there")
        assert app.screen.focused.id == "field-url"
        assert "+ library" not in screen_text(app)


async def test_hostile_names_are_refused_at_the_field(site_home, make_console):
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("ctrl+p", *"new storage", "enter")
        await ready(pilot, "New storage policy")
        for name in ("[/red]x", "../up", "a/b", ".hidden"):
            await pilot.press("ctrl+u", *name, "f2")
            await sees(pilot, f'"{name}" cannot be a name')
        await pilot.press("ctrl+u", *"fine", "f2")
        await sees(pilot, "This will change", "+ storage policy")


async def test_a_schedule_shows_its_next_five_runs(site_home, make_console):
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("ctrl+p", *"new schedule", "enter")
        await ready(pilot, "New schedule", "When")
        await pilot.press(*"nightly", "f2")
        await sees(pilot, 'there is a schedule "nightly" already')
        await pilot.press("2", "tab", "tab", "tab", *"daily at 22:00", "tab")
        await sees(pilot, "Next runs", ":00", "+ schedule")
        lines = [line for line in screen_text(app).split("\n") if ":00" in line and "-" in line]
        assert len(lines) >= 5
        await pilot.press("shift+tab", "ctrl+u", *"at noon", "tab")
        await sees(pilot, "'at noon' is not a schedule")


async def test_the_time_of_a_schedule_is_judged_beside_other_faults(site_home, make_console):
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("ctrl+p", *"new schedule", "enter")
        await ready(pilot, "New schedule", "When", "databases")
        await pilot.press("tab", "tab", "tab", *"daily at 25:00", "tab")
        await sees(pilot, "not a time of day", "give it a name")


async def test_what_a_new_form_lacks_is_said_when_it_was_left_or_is_to_be_applied(
    site_home, make_console
):
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("4", "n")
        await ready(pilot, "New library", "still to fill in: Name")
        assert "give it a name" not in screen_text(app)

        await pilot.press(*"lib3", "tab")
        await sees(pilot, "still to fill in: Place")
        assert "it is needed" not in screen_text(app)

        await pilot.press("tab")
        await sees(pilot, "it is needed")
        await pilot.press("shift+tab", "shift+tab", "ctrl+u", "f2")
        await sees(pilot, "give it a name")
        assert app.screen.focused.id == "field-name"


async def test_new_on_a_node_offers_a_window_that_holds_there(site_home, make_console):
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("4", "tab")
        await sees(pilot, "store1")
        await pilot.press("n")
        await sees(pilot, "New MediaAgent", "New Operation Window")
        await pilot.press("down", "enter")
        await ready(pilot, "New window", "media_agents.store1")


async def test_the_next_key_is_for_what_was_applied(site_home, make_console, door):
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("6")
        await sees(pilot, "nightly")
        await pilot.press("n")
        await ready(pilot, "New schedule", "When")
        await paste(pilot, "zz")
        await pilot.press("tab", "tab", "tab")
        await paste(pilot, "daily at 22:00")
        await pilot.press("f2")
        await sees(pilot, "This will change", "+ schedule")
        await pilot.press("y")
        await sees(pilot, "schedule zz is applied")
        await pilot.press("s")
        await until(pilot, lambda: ("schedule", "zz", "disable") in door.calls)


async def test_n_on_the_windows_of_a_node_begins_with_a_window(tmp_path, make_console):
    home = Home(tmp_path / "home").make()
    frontdoor.apply_text(home, '[commcell]\nname = "hq"\n', "site.toml", dry_run=False)
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("W")
        await sees(pilot, "no window concerns it", " n New")
        await pilot.press("n", "enter")
        await ready(pilot, "New window")
