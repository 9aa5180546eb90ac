"""An item is edited by form: judged at the field, shown as TOML, applied as a site file is."""

from __future__ import annotations

from engine.control import frontdoor
from engine.model.errors import CatalogError
from engine.site.editing import SiteEdit, table_at
from tests.console.driving import lacks, screen_text, sees, until
from tests.console.site_samples import OFFSITE, PLACE, POLICY, ready


async def test_a_copy_is_edited_reviewed_and_applied(site_home, make_console):
    app = make_console(site_home)
    before = table_at(frontdoor.site_document(site_home), PLACE)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*OFFSITE, "e")
        await ready(pilot, "copy offsite", "Precedence")
        await pilot.press("f6", "f6")
        await ready(pilot, "Retain cycles", "90d")
        await pilot.press("ctrl+u", *"120d", "f2")
        await sees(pilot, "This will change", "retain: 90d -> 120d")
        assert table_at(frontdoor.site_document(site_home), PLACE) == before

        await pilot.press("y")

        await sees(pilot, "copy offsite is applied")
    assert table_at(frontdoor.site_document(site_home), PLACE) == {**before, "retain": "120d"}


async def test_a_wrong_value_is_said_at_its_field_and_nothing_changes(site_home, make_console):
    app = make_console(site_home)
    before = frontdoor.site_document(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*OFFSITE, "e")
        await ready(pilot, "copy offsite")
        await pilot.press("f6", "tab", "tab", "ctrl+u", *"soon", "f6", "f2")

        await sees(pilot, "Selection (1!)", "soon")
        assert app.screen.focused.id == "field-defer"
        await pilot.press("escape", "escape")
        await lacks(pilot, "Selection")
    assert frontdoor.site_document(site_home) == before


async def test_unsaved_changes_are_asked_about_once(site_home, make_console):
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*OFFSITE, "e")
        await ready(pilot, "copy offsite")
        await pilot.press("f6", "tab", "tab", "ctrl+u", *"1d", "escape")
        await sees(pilot, "not saved: esc once more gives it up")
        await pilot.press("escape")
        await sees(pilot, "Storage Policies")


async def test_a_policy_has_limits_of_its_own(site_home, make_console):
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "e")
        await ready(pilot, "storage policy databases", "Fallen behind above", "or older than")
        await pilot.press("tab", "tab", *"3d", "tab", *"never", "f2")
        await sees(pilot, "This will change", "behind_age: 3d; behind_time: never")
        await pilot.press("y")
        await sees(pilot, "storage policy databases is applied")
    policy = frontdoor.site_document(site_home)["policies"]["databases"]
    assert (policy["behind_age"], policy["behind_time"]) == ("3d", "never")
    assert "behind_size" not in policy


async def test_a_tiny_terminal_says_so_instead_of_a_form_and_applies_nothing(
    site_home, make_console
):
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*OFFSITE, "e")
        await ready(pilot, "copy offsite")
        await pilot.press("f6", "f6", "ctrl+u", *"120d")
        await pilot.resize_terminal(40, 10)
        await sees(pilot, "This terminal is 40 x 10", "needs 60 x 16")
        await lacks(pilot, "Apply", "Library")
        await pilot.press("f2", "f6")
        await pilot.resize_terminal(80, 24)
        await ready(pilot, "copy offsite", "120d")
        assert "This will change" not in screen_text(app)


async def test_a_subclient_stands_in_its_client(site_home, make_console):
    app = make_console(site_home)
    async with app.run_test(size=(120, 30)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("down", "right", "down", "right", "down")
        await sees(pilot, "hq / db1 / pg")


async def test_as_toml_shows_the_lines_of_the_export(site_home, make_console):
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*OFFSITE, "e")
        await ready(pilot, "copy offsite")
        await pilot.press("f3")
        await sees(pilot, "As TOML", "[policies.databases.copies.offsite]", 'retain = "90d"')


async def test_a_form_that_could_not_be_read_says_so_and_does_nothing(
    site_home, make_console, door, monkeypatch
):
    def busy():
        raise CatalogError("the catalog is busy", hint="try again")

    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        monkeypatch.setattr(door, "site", busy)
        await pilot.press(*POLICY, "e")
        await sees(pilot, "the catalog is busy (try again)")
        await pilot.press("f2", "f3", "f6")
        await pilot.press("escape")
        await sees(pilot, "Storage Policies", "no job is running")


async def test_what_cannot_be_deleted_says_why(site_home, make_console):
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*OFFSITE[:-1], "delete")
        await sees(pilot, "Delete: it is the primary copy of its policy")
        await pilot.press("4", "delete")
        await sees(pilot, 'there is no library "vault"')


async def test_an_empty_client_is_deleted_by_its_name(site_home, make_console):
    frontdoor.apply_edit(site_home, SiteEdit(place=("clients", "a-spare"), table={}, before=None))
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("j", "l", "j", "delete")
        await sees(pilot, "Delete client a-spare?", "- client")
        await pilot.press(*"a-spare", "enter")
        await sees(pilot, "client a-spare is deleted")
        await until(pilot, lambda: "a-spare" not in frontdoor.site_document(site_home)["clients"])
