"""The Run Auxiliary Copy dialog: every option of a run, and the four ways to begin."""

from __future__ import annotations

import sqlite3
from dataclasses import fields

import pytest
from textual.widgets import Select

from auxtui.initiation import schedule_facts
from auxtui.present import Look
from auxtui.run_fields import FIELDS, TABS
from auxtui.run_form import fields_of, read_form
from engine.model.errors import UsageError
from engine.policy.values import RunOptions
from engine.site.run_form import FORM_KEYS, read_script, save_script
from tests.console.driving import screen_text, sees, until
from tests.console.sample_catalog import NOW

POLICY = ["j", "j", "j", "j"]
OTHERWISE = {"throttle_bps": "throttle", "total_time_s": "total_time"}


def _calls(door, name):
    return [call[1:] for call in door.calls if call[0] == name]


def _form(samples, **options):
    policy = samples[2].policies[0]
    return fields_of(policy, options, time_zone="Europe/Berlin")


def test_the_form_offers_every_option_of_a_run():
    offered = {field.name for field in FIELDS}

    for option in fields(RunOptions):
        assert OTHERWISE.get(option.name, option.name) in offered
    assert len(FORM_KEYS) == len(fields(RunOptions))


def test_every_field_has_a_label_a_help_and_a_default():
    for field in FIELDS:
        assert field.label
        assert field.help
        assert field.default
        assert field.tab in TABS
        assert len(field.help_line) <= 118, field.name


def test_an_untouched_form_is_a_run_with_the_defaults(samples):
    form, wrong = read_form({f.name: f.value for f in _form(samples)}, {})

    assert wrong == {}
    assert form is not None
    assert form.options == RunOptions()
    assert form.initiation.kind == "now"


def test_what_an_earlier_run_said_stands_in_the_form_and_comes_out_again(samples):
    options = RunOptions(
        streams=3,
        scalable=False,
        jobs_to_process=7,
        skip_failed_verification=True,
        use_most_recent_full=True,
        fulls_first=True,
        priority=1,
        start_suspended=True,
        description="again",
        retries=0,
        total_time_s=5400,
        kill_after_total_time=True,
        throttle_bps=50 * 1024**2,
        alert="mail",
        alert_when="errors",
    )
    stated = {field.name: getattr(options, field.name) for field in fields(RunOptions)}

    form, wrong = read_form({f.name: f.value for f in _form(samples, **stated)}, {})

    assert wrong == {}
    assert form is not None
    assert form.options == options


def test_a_saved_script_says_the_same_run_again(tmp_path):
    file = tmp_path / "run.toml"
    options = RunOptions(
        copies=("offsite",), streams=2, fulls_first=True, throttle_bps=12345, alert="mail"
    )

    save_script(str(file), "databases", options)

    assert read_script(file.read_text(), "run.toml") == ("databases", options)
    with pytest.raises(UsageError, match="is there already"):
        save_script(str(file), "databases", options)


def test_next_runs_are_told_in_the_zone_of_the_schedule_and_of_the_viewer():
    look = Look(zone=NOW.tzinfo, clock=lambda: NOW)

    facts = schedule_facts("daily at 22:00", "Europe/Berlin", look)

    text = "\n".join(cell.text for _, cell in facts)
    assert "Every day at 22:00, Europe/Berlin time." in text
    assert "Sat 2026-03-14 22:00 Europe/Berlin; here 21:00" in text
    assert text.count("Europe/Berlin; here") == 5


async def test_the_alert_of_a_job_is_one_of_those_of_the_configuration(home, make_console, door):
    with sqlite3.connect(home.catalog) as db:
        db.execute(
            "INSERT INTO alert (name, on_events, \"to\", options) VALUES ('mail', '[]', 'x', '{}')"
        )
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "r")
        await sees(pilot, "3.00 GiB")
        await pilot.press("f6", "f6", "shift+tab")
        app.screen.query_one("#alert").focus()
        await pilot.press("enter", "down", "enter", "tab", "enter", "down", "enter", "f2")

        await sees(pilot, "has started")
        options = RunOptions(alert="mail", alert_when="errors")
        assert _calls(door, "run_auxcopy") == [("databases", options)]


async def test_a_run_that_a_window_holds_is_not_said_to_have_started(home, make_console, door):
    held = "held until Monday 18:00: operation window 'office'"
    door.plan = {**door.plan, "held": {"reason": "office"}, "warnings": [held]}
    door.held = held
    async with make_console(home).run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "r")
        await sees(pilot, "held, it does not begin now")
        await pilot.press("f2")

        await sees(pilot, "job 907 is held until Monday 18:00")


async def test_a_schedule_is_made_after_its_next_runs_were_shown(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "r")
        await sees(pilot, "3.00 GiB")
        await pilot.press("f6", "enter", "down", "enter")
        await sees(pilot, "Every day at 22:00, Europe/Berlin time.", "Sun 2026-03-15 22:00")
        await pilot.press("tab", "tab", *["backspace"] * 20, *"every 2h", "f2")

        await sees(pilot, "schedule databases is made")
        when = {"name": "databases", "when": "every 2h", "time_zone": "Europe/Berlin"}
        assert _calls(door, "schedule_auxcopy") == [("databases", RunOptions(), when)]
        assert _calls(door, "run_auxcopy") == []


async def test_a_wrong_time_is_said_at_its_tab_and_nothing_is_made(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "r")
        await sees(pilot, "3.00 GiB")
        app.screen.query_one("#initiation", Select).value = "schedule"
        await pilot.press("f6", "tab", "tab", *["backspace"] * 20, *"now and then", "f6", "f2")

        await sees(pilot, "Job Initiation 1!", "When: ")
        assert app.focused is not None
        assert app.focused.id == "schedule_when"
        assert _calls(door, "schedule_auxcopy") == []


async def test_automatic_is_a_schedule_every_thirty_minutes(home, make_console, door):
    app = make_console(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "l", "j", "j", "r")
        await sees(pilot, "3.00 GiB")
        app.screen.query_one("#initiation", Select).value = "automatic"
        await pilot.press("f6")
        await sees(pilot, "every 30m", "Make schedule")
        assert app.screen.query_one("#schedule_when").disabled
        await pilot.press("f2")

        await until(pilot, lambda: bool(_calls(door, "schedule_auxcopy")))
        policy, options, when = _calls(door, "schedule_auxcopy")[0]
        assert (policy, options.copies) == ("databases", ("offsite",))
        assert (when["name"], when["when"]) == ("databases-offsite", "automatic")


async def test_a_script_is_saved_and_not_run(home, make_console, door, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "r")
        await sees(pilot, "3.00 GiB")
        app.screen.query_one("#initiation", Select).value = "script"
        await pilot.press("f6")
        await sees(pilot, "auxtui auxcopy --script databases.toml", "Save script")
        await pilot.press("f2")

        await until(pilot, lambda: bool(_calls(door, "save_script")))
        assert _calls(door, "save_script") == [("databases", RunOptions(), "databases.toml")]
        assert _calls(door, "run_auxcopy") == []


async def test_a_script_never_replaces_a_file(home, make_console, door, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "databases.toml").write_text("mine")
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "r")
        await sees(pilot, "3.00 GiB")
        app.screen.query_one("#initiation", Select).value = "script"
        await pilot.press("f2")

        await sees(pilot, "Job Initiation 1!", "is there already")
        assert _calls(door, "save_script") == []


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_every_field_is_on_the_screen_with_its_help(home, make_console, size):
    app = make_console(home)
    async with app.run_test(size=size) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*POLICY, "r")
        await sees(pilot, "3.00 GiB")
        for tab in TABS[:3]:
            here = [field for field in FIELDS if field.tab == tab]
            await sees(pilot, *(field.label for field in here))
            assert "Default: " in screen_text(app)
            await pilot.press("f6")
