"""The configuration by form: judged at the field, shown as TOML, applied as a site file is."""

from __future__ import annotations

import threading
import tomllib
from types import SimpleNamespace

import pytest

from auxtui.site_forms import Item, change_facts, fields_of, place_of, table_of, wrong_field
from auxtui.site_key import Key
from auxtui.site_keys import KEYS
from engine.catalog.home import Home
from engine.control import frontdoor
from engine.model.errors import CatalogError, SiteError
from engine.site.editing import SiteEdit, table_at
from engine.site.reading import read_site
from engine.site.rendering import rendered
from tests.console.driving import lacks, paste, screen_text, sees, type_ahead, until

POLICY = ["j", "j", "j", "j"]
OFFSITE = [*POLICY, "l", "j", "j"]
PLACE = ("policies", "databases", "copies", "offsite")
WHOLE = """
[commcell]
name = "hq"
time_zone = "Europe/Berlin"
[media_agents.store1]
[libraries.vault]
url = "/mnt/vault"
[clients.db1.subclients.pg]
policy = "databases"
landing = "/land"
pattern = "*.dump"
settle = "10m"
[clients.web1.subclients.content]
policy = "databases"
content = ["/srv/www", "/etc"]
exclude = ["*.tmp"]
[policies.databases]
description = "dumps"
[policies.databases.copies.primary]
library = "vault"
retain = "30d"
[policies.databases.copies.offsite]
kind = "selective"
library = "vault"
select = "every-n-cycles"
every = 3
take = "last"
retain = "90d"
retain_cycles = 2
worm = true
extended = [{keep = "monthly", retain = "1y"}, {keep = "yearly", retain = "7y"}]
throttle = [{days = "mon-fri", from = "08:00", to = "18:00", limit = "50MiB/s"}]
subclients = ["db1/pg"]
on_and_after = "2026-01-31"
verify = "within 30d"
fuse_jobs = 5
[windows.office]
on = ["commcell"]
do_not_run = [{days = "mon-fri", from = "08:00", to = "18:00"}, {days = "all", from = "20:00", to = "24:00", first_day = "2026-12-24", last_day = "2026-12-24"}]
[schedules.nightly]
operation = "auxcopy"
policy = "databases"
when = "daily at 22:00"
options = {copies = ["offsite"], streams = 2}
[alerts.mail]
on = ["failed"]
to = "smtp://localhost:25/?to=a@example.org"
"""
ITEMS = {
    "commcell": ("commcell",),
    "media_agent": ("media_agents", "store1"),
    "library": ("libraries", "vault"),
    "policy": ("policies", "databases"),
    "copy": ("policies", "databases", "copies", "offsite"),
    "primary": ("policies", "databases", "copies", "primary"),
    "subclient": ("clients", "db1", "subclients", "pg"),
    "content": ("clients", "web1", "subclients", "content"),
    "window": ("windows", "office"),
    "schedule": ("schedules", "nightly"),
    "alert": ("alerts", "mail"),
}
KINDS = {"primary": "copy", "content": "subclient"}


@pytest.mark.parametrize("name", ITEMS)
def test_a_form_that_is_not_changed_changes_nothing(name):
    from engine.site.editing import SiteEdit, edited, own_keys, text_of

    document = tomllib.loads(WHOLE)
    place, kind = ITEMS[name], KINDS.get(name, name)
    before = own_keys(place, table_at(document, place) or {})
    item = Item(kind=kind, place=place, before=before)
    values = {field.name: field.value for field in fields_of(item, document)}

    filled = table_of(item, values)

    assert filled.wrong == {}
    assert filled.place == place
    after = edited(document, SiteEdit(place=place, table=filled.table, before=before))
    assert read_site(text_of(after), "a", implied_media_agent="x") == read_site(
        WHOLE, "a", implied_media_agent="x"
    )


def _engine_defaults(name):
    wanted = read_site(WHOLE, "a", implied_media_agent="x")
    item = wanted.by_place()[ITEMS[name]]
    return rendered(item, "UTC")


def test_the_periods_of_a_window_are_reviewed_as_they_are_typed():
    night = {"days": "all", "from": "02:00", "to": "05:00"}
    dated = {**night, "first_day": "2026-12-24", "last_day": "2026-12-24"}
    change = SimpleNamespace(
        kind="window",
        name="night",
        change="changed",
        fields={"do_not_run": ([night], [night, dated])},
        note="",
    )
    ((_, cell),) = change_facts([change])
    assert "all 02:00-05:00 -> all 02:00-05:00; all 02:00-05:00 on 2026-12-24" in cell.text


def test_all_of_retention_stands_on_one_tab():
    tabs = {key.name: key.tab for key in KEYS["copy"]}
    assert {name for name, tab in tabs.items() if tab == "Retention"} >= {
        "retain",
        "retain_cycles",
        "extended",
        "worm",
    }


@pytest.mark.parametrize("name", ITEMS)
def test_every_key_of_the_site_file_is_in_its_form(name):
    keys = {key.name for key in KEYS[KINDS.get(name, name)]}

    assert set(_engine_defaults(name)) - {"options"} <= keys


@pytest.mark.parametrize("name", ["commcell", "media_agent", "library", "copy", "schedule"])
def test_what_a_form_calls_a_default_is_the_engines(name):
    plain = {
        "commcell": "[commcell]\n",
        "media_agent": "[media_agents.store1]\n",
        "library": '[media_agents.store1]\n[libraries.vault]\nurl = "/v"\n',
        "copy": '[media_agents.a]\n[libraries.v]\nurl = "/v"\n[policies.databases.copies.offsite]\n'
        'library = "v"\n',
        "schedule": '[policies.p]\n[schedules.nightly]\noperation = "auxcopy"\npolicy = "p"\n'
        'when = "daily at 22:00"\n',
    }[name]
    wanted = read_site(plain, "a", implied_media_agent="x")
    shown = rendered(wanted.by_place()[ITEMS[name]], "UTC")
    given = {"url", "library", "operation", "policy", "when", "source", "precedence", "time_zone"}

    def said(key: Key):
        return None if key.default == "" else key.default

    for key in KEYS[name]:
        if key.name not in given and key.name != "media_agents":
            assert said(key) == shown[key.name], key.name


async def _ready(pilot, *texts):
    await sees(pilot, "f3", *texts)


@pytest.fixture(scope="session")
def site_catalog(tmp_path_factory):
    """The bytes of a catalog with a configuration, made once."""
    home = Home(tmp_path_factory.mktemp("site") / "home").make()
    text = WHOLE.replace("/mnt/", f"{home.path.parent}/").replace("every-n-cycles", "monthly")
    text = text.replace("every = 3\n", "")
    frontdoor.apply_text(home, text, "site.toml", dry_run=False)
    return home.catalog.read_bytes()


@pytest.fixture
def site_home(tmp_path, site_catalog):
    home = Home(tmp_path / "home").make()
    home.catalog.write_bytes(site_catalog)
    return home


async def test_a_copy_is_edited_reviewed_and_applied(site_home, make_console):
    app = make_console(site_home)
    before = table_at(frontdoor.site_document(site_home), PLACE)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*OFFSITE, "e")
        await _ready(pilot, "copy offsite", "Precedence")
        await pilot.press("f6", "f6")
        await _ready(pilot, "Retain cycles", "90d")
        await pilot.press("ctrl+u", *"120d", "f2")
        await sees(pilot, "This will change", "retain: 90d -> 120d")
        assert table_at(frontdoor.site_document(site_home), PLACE) == before

        await pilot.press("y")

        await sees(pilot, "copy offsite is applied")
    assert table_at(frontdoor.site_document(site_home), PLACE) == {**before, "retain": "120d"}


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
        await _ready(pilot, "New copy")
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
        await _ready(pilot, "New copy")
        await pilot.press("tab", "tab", "enter", "down", "enter")
        await until(pilot, asked.is_set)
        may_edit.clear()
        type_ahead(app, "f2")
        await pilot.pause(0.1)
        may_answer.set()
        await pilot.pause(0.1)
        may_edit.set()
        await sees(pilot, "This will change", "databases/Copy_2", "library: vault")


async def test_a_wrong_value_is_said_at_its_field_and_nothing_changes(site_home, make_console):
    app = make_console(site_home)
    before = frontdoor.site_document(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*OFFSITE, "e")
        await _ready(pilot, "copy offsite")
        await pilot.press("f6", "tab", "tab", "ctrl+u", *"soon", "f6", "f2")

        await sees(pilot, "Selection (1!)", "soon")
        assert app.screen.focused.id == "field-defer"
        await pilot.press("escape", "escape")
        await lacks(pilot, "Selection")
    assert frontdoor.site_document(site_home) == before


@pytest.mark.parametrize(
    ("kind", "key", "typed", "said"),
    [
        ("window", "do_not_run", "all 00:00-24:00", "never opens"),
        ("window", "do_not_run", "mon 08:00-12:00; mon 11:00-13:00", "periods 1 and 2 overlap"),
        ("window", "do_not_run", "mon 08:00-08:00", "no time at all"),
        ("window", "do_not_run", "sometimes", "is not a period"),
        ("window", "time_zone", "Europe/Berln", "unknown time zone"),
        ("schedule", "when", "once at 2020-01-01 10:00", "its last time is past"),
        ("schedule", "when", "daily at 25:00", "not a time of day"),
        ("schedule", "time_zone", "Mars/Base", "unknown time zone"),
        ("copy", "throttle", "mon 08:00-12:00 1MiB/s; mon 09:00-12:00 2MiB/s", "overlap"),
        ("copy", "defer", "-1d", "not a duration"),
        ("library", "paths", "there", "is not NAME=PLACE"),
        ("library", "paths", "store2=/net/vault", "store2"),
    ],
)
def test_bad_input_is_said_at_its_field_and_changes_nothing(site_home, kind, key, typed, said):
    document = frontdoor.site_document(site_home)
    place = ITEMS[kind]
    item = Item(kind=kind, place=place, before=table_at(document, place))
    values = {field.name: field.value for field in fields_of(item, document)} | {key: typed}
    filled = table_of(item, values)
    if filled.wrong:
        assert said in filled.wrong[key]
        return
    edit = SiteEdit(place=filled.place, table=dict(filled.table), before=dict(item.before))
    with pytest.raises(SiteError) as refused:
        frontdoor.apply_edit(site_home, edit)

    assert said in refused.value.message
    assert wrong_field(item, place, refused.value.path, refused.value.message) == key
    assert frontdoor.site_document(site_home) == document


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
        await _ready(pilot, form)


async def test_unsaved_changes_are_asked_about_once(site_home, make_console):
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*OFFSITE, "e")
        await _ready(pilot, "copy offsite")
        await pilot.press("f6", "tab", "tab", "ctrl+u", *"1d", "escape")
        await sees(pilot, "not saved: esc once more gives it up")
        await pilot.press("escape")
        await sees(pilot, "Storage Policies")


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
        await _ready(pilot, "New copy", "Copy_2", "still to fill in: Library")
        await pilot.press("tab", "tab", "down", "down", "enter", "f2")
        await sees(pilot, "Selection (1!)", "Backlog: the source holds much", "not answered yet")
        await pilot.press("down", "down", "enter", "f2")

        await sees(pilot, "This will change", "databases/Copy_2")
        assert "on_and_after = DATE" not in screen_text(app)  # it is answered
        await pilot.press("n")
        await sees(pilot, "nothing was changed")
    assert "Copy_2" not in frontdoor.site_document(site_home)["policies"]["databases"]["copies"]


async def test_a_policy_has_limits_of_its_own(site_home, make_console):
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "e")
        await _ready(pilot, "storage policy databases", "Fallen behind above", "or older than")
        await pilot.press("tab", "tab", *"3d", "tab", *"never", "f2")
        await sees(pilot, "This will change", "behind_age: 3d; behind_time: never")
        await pilot.press("y")
        await sees(pilot, "storage policy databases is applied")
    policy = frontdoor.site_document(site_home)["policies"]["databases"]
    assert (policy["behind_age"], policy["behind_time"]) == ("3d", "never")
    assert "behind_size" not in policy


async def test_a_library_in_a_place_that_is_not_there_is_refused_at_its_field(
    site_home, make_console
):
    app = make_console(site_home)
    async with app.run_test(size=(120, 30)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("4", "n")
        await _ready(pilot, "New library")
        await pilot.press(*"lib3", "tab", *"/nosuch/lib3", "f2")
        await sees(pilot, "/nosuch, in which the library is to lie, is not there")
        assert app.screen.focused.id == "field-url"
        assert "+ library" not in screen_text(app)


async def test_a_tiny_terminal_says_so_instead_of_a_form_and_applies_nothing(
    site_home, make_console
):
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*OFFSITE, "e")
        await _ready(pilot, "copy offsite")
        await pilot.press("f6", "f6", "ctrl+u", *"120d")
        await pilot.resize_terminal(40, 10)
        await sees(pilot, "This terminal is 40 x 10", "needs 60 x 16")
        await lacks(pilot, "Apply", "Library")
        await pilot.press("f2", "f6")
        await pilot.resize_terminal(80, 24)
        await _ready(pilot, "copy offsite", "120d")
        assert "This will change" not in screen_text(app)


async def test_a_subclient_stands_in_its_client(site_home, make_console):
    app = make_console(site_home)
    async with app.run_test(size=(120, 30)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("down", "right", "down", "right", "down")
        await sees(pilot, "hq / db1 / pg")


async def test_hostile_names_are_refused_at_the_field(site_home, make_console):
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("ctrl+p", *"new storage", "enter")
        await _ready(pilot, "New storage policy")
        for name in ("[/red]x", "../up", "a/b", ".hidden"):
            await pilot.press("ctrl+u", *name, "f2")
            await sees(pilot, f'"{name}" cannot be a name')
        await pilot.press("ctrl+u", *"fine", "f2")
        await sees(pilot, "This will change", "+ storage policy")


async def test_as_toml_shows_the_lines_of_the_export(site_home, make_console):
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*OFFSITE, "e")
        await _ready(pilot, "copy offsite")
        await pilot.press("f3")
        await sees(pilot, "As TOML", "[policies.databases.copies.offsite]", 'retain = "90d"')


async def test_a_schedule_shows_its_next_five_runs(site_home, make_console):
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("ctrl+p", *"new schedule", "enter")
        await _ready(pilot, "New schedule", "When")
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
        await _ready(pilot, "New schedule", "When", "databases")
        await pilot.press("tab", "tab", "tab", *"daily at 25:00", "tab")
        await sees(pilot, "not a time of day", "give it a name")


async def test_what_a_new_form_lacks_is_said_when_it_was_left_or_is_to_be_applied(
    site_home, make_console
):
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("4", "n")
        await _ready(pilot, "New library", "still to fill in: Name")
        assert "give it a name" not in screen_text(app)

        await pilot.press(*"lib3", "tab")
        await sees(pilot, "still to fill in: Place")
        assert "it is needed" not in screen_text(app)

        await pilot.press("tab")
        await sees(pilot, "it is needed")
        await pilot.press("shift+tab", "shift+tab", "ctrl+u", "f2")
        await sees(pilot, "give it a name")
        assert app.screen.focused.id == "field-name"


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


async def test_new_on_a_node_offers_a_window_that_holds_there(site_home, make_console):
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("4", "tab")
        await sees(pilot, "store1")
        await pilot.press("n")
        await sees(pilot, "New MediaAgent", "New Operation Window")
        await pilot.press("down", "enter")
        await _ready(pilot, "New window", "media_agents.store1")


async def test_the_next_key_is_for_what_was_applied(site_home, make_console, door):
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("6")
        await sees(pilot, "nightly")
        await pilot.press("n")
        await _ready(pilot, "New schedule", "When")
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
        await _ready(pilot, "New window")


async def test_what_cannot_be_deleted_says_why(site_home, make_console):
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*OFFSITE[:-1], "delete")
        await sees(pilot, "Delete: it is the primary copy of its policy")
        await pilot.press("4", "delete")
        await sees(pilot, 'there is no library "vault"')


async def test_an_empty_client_is_deleted_by_its_name(site_home, make_console):
    from engine.site.editing import SiteEdit

    frontdoor.apply_edit(site_home, SiteEdit(place=("clients", "a-spare"), table={}, before=None))
    app = make_console(site_home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("j", "l", "j", "delete")
        await sees(pilot, "Delete client a-spare?", "- client")
        await pilot.press(*"a-spare", "enter")
        await sees(pilot, "client a-spare is deleted")
        await until(pilot, lambda: "a-spare" not in frontdoor.site_document(site_home)["clients"])


def test_places_are_those_of_the_site_file():
    assert place_of("copy", "b", "a") == ("policies", "a", "copies", "b")
    assert place_of("subclient", "b", "a") == ("clients", "a", "subclients", "b")
    assert place_of("media_agent", "x") == ("media_agents", "x")
