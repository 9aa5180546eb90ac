"""`auxtui events`: what happened, and who changed what."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from auxtui.cli.terms import whoami
from tests.cell import Cell
from tests.cli.conftest import Program


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A CommCell in which an operator has changed several things."""
    cell = Cell(tmp_path_factory.mktemp("events"))
    program = Program(cell)
    assert program.configure().code == 0
    for command in (
        ("apply", str(program.site)),
        ("activity", "off", "commcell"),
        ("activity", "off", "commcell", "--for", "2h"),
        ("activity", "on", "commcell"),
        ("activity", "on", "commcell"),
        ("schedule", "disable", "system"),
    ):
        said = program.within(*command)
        assert said.code == 0, said.err
    yield program
    cell.close()


def events_of(program: Program, *options: str) -> list[dict[str, str]]:
    said = program.within("events", *options, "--json")
    assert said.code == 0, said.err
    found: list[dict[str, str]] = json.loads(said.out)["events"]
    return found


def test_changes_of_an_operator_are_told_once_each_with_the_name(changed: Program):
    by_code = [(each["code"], each["message"]) for each in events_of(changed, whoami())]
    assert [code for code, _ in by_code] == [
        "schedule.disabled",
        "activity.on",
        "activity.off",
        "activity.off",
        "site.applied",
    ]
    assert by_code[0][1] == f"schedule system was disabled by {whoami()}"
    assert by_code[-1][1].startswith(f"configuration applied by {whoami()}: ")
    assert "more" in by_code[-1][1]


def test_it_is_filtered_and_limited(changed: Program):
    assert {each["severity"] for each in events_of(changed, "--severity", "warning")} == {"warning"}
    assert len(events_of(changed, "--limit", "2")) == 2
    assert events_of(changed, "--job", "999") == []
    assert events_of(changed, "no such text") == []


def test_as_a_table_and_with_a_wrong_word(changed: Program):
    said = changed.within("events", "switched off")
    assert said.code == 0
    assert "operations on commcell were switched off" in said.out
    refused = changed.within("events", "--severity", "bad")
    assert refused.code == 2
    assert "warning" in refused.err
