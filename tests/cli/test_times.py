"""One rule: times are those of the CommCell, and the zone is named; schedules have their own."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from engine.catalog.live import LiveCatalog
from engine.control import frontdoor
from engine.model.errors import UsageError
from tests.cell import Cell
from tests.cli.conftest import Program

ZONE = "America/New_York"
SITE = """
[commcell]
name = "test"
time_zone = "America/New_York"
[media_agents.here]
[libraries.vault]
url = "{root}/vault"
[clients.db1.subclients.pg]
policy = "databases"
landing = "{root}/landing"
settle = "0s"
[policies.databases.copies.offsite]
kind = "synchronous"
library = "vault"
[schedules.night]
operation = "auxcopy"
policy = "databases"
when = "daily at 22:00"
time_zone = "Asia/Tokyo"
[alerts.hook]
on = ["failed"]
to = "exec:///bin/true"
"""


@pytest.fixture(scope="module")
def estate(tmp_path_factory):
    cell = Cell(tmp_path_factory.mktemp("times"))
    program = Program(cell)
    program.site.write_text(SITE.format(root=cell.root))
    cell.dump("a.dump")
    said = program.within("apply", str(program.site))
    assert said.code == 0, said.err
    assert program.within("scan").code == 0
    assert program.within("auxcopy", "databases", "--wait").code == 0
    yield program
    cell.close()


@pytest.mark.parametrize(
    ("command", "heading"),
    [
        ("jobs", "SINCE"),
        ("copies databases", "BACKED UP"),
        ("forecast", "OLDEST DUE"),
        ("library list", "LOOKED AT"),
        ("alert list", "LAST DELIVERED"),
    ],
)
def test_tables_name_the_zone_of_their_times(estate, command, heading):
    assert f"{heading} ({ZONE})" in estate.within(*command.split()).out


def test_a_job_is_told_in_the_time_of_the_commcell(estate):
    said = estate.within("job", "show", "2").out
    document = estate.within("job", "show", "2", "--json").document
    stamp = re.search(r"^started +(\S+ \S+) (\S+)$", said, re.MULTILINE)
    assert stamp
    assert stamp[2] == ZONE
    assert document["started_at"][:16].replace("T", " ") != stamp[1]
    assert document["started_at"].endswith("+00:00")
    assert f"{ZONE}, completed" in said


def test_activity_speaks_the_time_that_was_typed(estate):
    said = estate.within("activity", "off", "clients.db1", "--until", "2030-06-01 18:00")
    listed = estate.within("activity", "list").out
    assert estate.within("activity", "on", "clients.db1").code == 0

    assert said.out == f"activity is off on clients.db1 until 2030-06-01 18:00 {ZONE}\n"
    assert f"UNTIL ({ZONE})" in listed
    assert "2030-06-01 18:00" in listed


@pytest.mark.parametrize(
    "command",
    ["activity off commcell --until", "retain databases/offsite 1 --until"],
)
def test_a_time_that_is_past_is_refused_in_the_words_it_was_typed_in(estate, command):
    said = estate.within(*command.split(), "2020-06-01 18:00")
    assert said.code == 2
    assert f"2020-06-01 18:00 {ZONE} is past" in said.err


def test_the_engine_refuses_in_the_same_words(estate):
    home, past = estate.cell.home, datetime(2020, 6, 1, 22, tzinfo=UTC)
    words = f"2020-06-01 18:00 {ZONE}"

    with pytest.raises(UsageError, match=f"{words} is past"):
        frontdoor.switch_activity(home, "commcell", on=False, by="test", off_until=past)
    with pytest.raises(UsageError, match=f"{words} is past"):
        frontdoor.retain(home, "databases", "offsite", [1], by="test", until=past)
    assert (
        estate.within("retain", "databases/offsite", "1", "--until", "2030-06-01 18:00").code == 0
    )
    with LiveCatalog(home.catalog) as live:
        kept = [event.message for event in live.events() if event.code == "retention.pinned"]
    assert kept[0].endswith(f"on copy offsite until 2030-06-01 18:00 {ZONE}")


def test_schedules_are_told_in_their_own_zone(estate):
    said = estate.within("schedule", "show", "night").out
    assert re.search(r"^next run +\S+ 22:00 Asia/Tokyo$", said, re.MULTILINE), said
    assert re.search(r"Asia/Tokyo +yes +\S+ 22:00", estate.within("schedule", "list").out)


def test_windows_are_checked_in_the_time_of_the_commcell(estate):
    said = estate.within("window", "check", "commcell", "--at", "2030-06-01 18:00").out
    assert f"at 2030-06-01 18:00 {ZONE}: may run" in said
