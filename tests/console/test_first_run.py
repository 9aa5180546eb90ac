"""First steps: an empty home becomes a policy with adopted backups and the plan of its first run."""

from __future__ import annotations

import tomllib
from dataclasses import replace

from auxtui.first_run import document_of, fields_for, host_name
from auxtui.frame import is_configured
from engine.catalog.home import Home
from engine.catalog.live import LiveCatalog
from engine.control import frontdoor
from engine.site.editing import text_of
from engine.site.reading import read_site
from tests.console.driving import paste, sees, until


def test_the_site_file_of_the_guide_is_right_for_any_host_name():
    for host in ("vm", "db-1.example.org", "-x-", "ü", ""):
        assert host_name(host)
        values = {field.name: field.value for field in fields_for(host)}
        values |= {"landing": "/land", "library": "/vault"}
        text = text_of(document_of(values, {}))
        assert tomllib.loads(text)
        assert len(read_site(text, "a", implied_media_agent="x").copies) == 2


def test_the_guide_drops_nothing_that_is_configured(home):
    before = {
        "commcell": {"name": "hq", "time_zone": "Europe/Berlin"},
        "media_agents": {"store1": {}},
        "alerts": {"oncall": {"on": ["failed"], "to": "file:/var/log/oncall"}},
    }
    values = {field.name: field.value for field in fields_for("vm")}

    after = document_of(values | {"landing": "/land", "library": "/vault"}, before)

    assert before.items() <= after.items()
    with LiveCatalog(home.catalog) as live:
        estate = live.estate()
    assert is_configured(replace(estate, policies=(), clients=()))
    assert is_configured(replace(estate, policies=(), libraries=()))
    assert not is_configured(replace(estate, policies=(), clients=(), libraries=()))


async def test_from_nothing_to_the_plan_of_the_first_run(tmp_path, make_console, door):
    home = Home(tmp_path / "home")
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "First steps", "1 Backups lie in")
        assert not home.path.exists()
        await paste(pilot, f"{tmp_path}/land")
        await pilot.press("tab", *"*.dump", "tab", "tab")
        await paste(pilot, f"{tmp_path}/vault")
        await pilot.press("f2")

        await sees(pilot, "backups / Run Auxiliary Copy", "all active copies (1)")
    document = frontdoor.site_document(home)
    assert document["policies"]["backups"]["copies"]["Copy_2"]["library"] == "library1"
    assert (tmp_path / "vault" / "auxtui-library.json").exists()
    assert ("scan", None) in door.calls


async def test_the_guide_says_what_is_wrong_at_the_field_and_makes_nothing(tmp_path, make_console):
    home = Home(tmp_path / "home")
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "First steps")
        await pilot.press("f2")
        await sees(pilot, "give a directory that begins with /")
        await paste(pilot, f"{tmp_path}")
        await pilot.press("tab", "tab", "tab")
        await paste(pilot, f"{tmp_path}/vault")
        await pilot.press("f2")
        await sees(pilot, 'has inside it the library "library1"')
        assert app.screen.focused.id == "field-landing"
        await pilot.press("escape", "escape")
        await sees(pilot, "First Steps: left; nothing was changed")
    assert not home.path.exists()
    assert not (tmp_path / "vault").exists()


async def test_the_guide_is_offered_by_the_palette_only_where_nothing_is_configured(
    home, make_console
):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press("ctrl+p", *"first steps")
        await sees(pilot, "First Steps", "not now")
        await until(pilot, lambda: app.return_code is None)
