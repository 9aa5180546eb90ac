"""What a form makes of an item of the site file, and what its keys are called and take."""

from __future__ import annotations

import tomllib
from types import SimpleNamespace

import pytest

from auxtui.site_forms import Item, change_facts, fields_of, place_of, table_of, wrong_field
from auxtui.site_key import Key
from auxtui.site_keys import KEYS
from engine.control import frontdoor
from engine.model.errors import SiteError
from engine.site.editing import SiteEdit, edited, own_keys, table_at, text_of
from engine.site.reading import read_site
from engine.site.rendering import rendered
from tests.console.site_samples import WHOLE

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


def test_places_are_those_of_the_site_file():
    assert place_of("copy", "b", "a") == ("policies", "a", "copies", "b")
    assert place_of("subclient", "b", "a") == ("clients", "a", "subclients", "b")
    assert place_of("media_agent", "x") == ("media_agents", "x")
