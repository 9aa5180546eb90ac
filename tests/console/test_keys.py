"""Keys that the user has set: in force, shown, and refused where they clash."""

from __future__ import annotations

import json

import pytest

from auxtui import actions, keymap
from auxtui.actions import ACTIONS
from auxtui.cli.main import main
from tests.console.driving import sees, until
from tests.console.sample_catalog import without_landing
from tests.console.test_list_screens import LEDGER


@pytest.fixture(autouse=True)
def _usual_keys():
    yield
    actions.use_keys({})


def test_the_usual_keys_have_no_faults():
    assert keymap.faults(ACTIONS, {}) == []


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"job.kil": "K"}, 'there is no action "job.kil"; did you mean "job.kill"?'),
        ({"job.kill": "s"}, '"s" is the key of job.kill and of job.suspend'),
        ({"job.kill": "question_mark"}, '"question_mark" is the key of job.kill and of go.help'),
        ({"job.kill": "j"}, '"j" moves in every list'),
        ({"thing.open": "o"}, "keeps its key"),
    ],
)
def test_what_cannot_be_is_said(own, said):
    assert any(said in fault for fault in keymap.faults(ACTIONS, own))


def test_a_word_that_is_near_to_none_is_not_taken_for_another():
    assert keymap.faults(ACTIONS, {"nope": "K"}) == ['there is no action "nope"']


def test_a_key_may_be_another_actions_where_they_never_meet():
    assert keymap.faults(ACTIONS, {"job.kill": "K"}) == []
    assert keymap.faults(ACTIONS, {"job.kill": "W"}) == []  # of nodes, and a job is none


async def test_own_keys_work_and_are_shown_everywhere(home, make_console, door):
    without_landing(home.catalog)
    app = make_console(home, keys={"job-copy.pick": "P", "copy.promote": "ctrl+g"})
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, "Storage Policies")
        await pilot.press(*LEDGER)
        await sees(pilot, "40 backup jobs", "P Pick")
        await pilot.press("f", "f")
        await sees(pilot, "to be copied (f)")
        await pilot.press("plus", "m")
        await sees(pilot, "All Tasks", "P          Pick")
        assert door.calls == []
        await pilot.press("P")
        await until(pilot, lambda: [call[0] for call in door.calls] == ["decide"])
        await pilot.press("escape", "ctrl+g")
        await sees(pilot, "Type offsite to go on")


async def test_a_clash_is_said_at_the_start(home, make_console):
    app = make_console(home, keys={"job.kill": "s"})
    async with app.run_test(size=(120, 40)) as pilot:
        await sees(pilot, '"s" is the key of job.kill and of job.suspend')


def test_the_command_prints_the_keys_in_force(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "auxtui").mkdir()
    config = tmp_path / "auxtui/config.toml"
    config.write_text('[keys]\n"job.kill" = "K"\n')

    assert main(["keys", "--json"]) == 0
    found = {one["action"]: one for one in json.loads(capsys.readouterr().out)["keys"]}
    assert found["job.kill"]["keys"] == ["K"]
    assert found["job.kill"]["changed"]
    assert set(found) == {action.id for action in ACTIONS}

    config.write_text('[keys]\n"job.kill" = "s"\n')
    assert main(["keys"]) == 2
    assert "job.suspend" in capsys.readouterr().err
