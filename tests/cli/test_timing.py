"""When things run, as the command line tells it: schedules, operation windows, activity control."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta

import pytest

from auxtui.moments import moment_of, past_moment_of
from engine.model.errors import UsageError
from tests.cell import Cell
from tests.cli.conftest import Program

TIMES = """
[schedules.nightly]
operation = "auxcopy"
policy = "databases"
when = "daily at 22:00"
time_zone = "Europe/Berlin"
options = { streams = 1 }

[windows.office]
on = ["commcell"]
operations = ["auxcopy"]
do_not_run = [{ days = "mon-fri", from = "08:00", to = "18:00" }]
time_zone = "Europe/Berlin"

[windows.evening]
on = ["clients.db1"]
do_not_run = [{ days = "mon", from = "17:00", to = "20:00" }]
time_zone = "UTC"
let_running_jobs_finish = true
"""
SUBCLIENT = "clients.db1.subclients.pg"


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    """A CommCell with a schedule, windows and one backup job that is not copied."""
    program = Program(Cell(tmp_path_factory.mktemp("timed")))
    program.cell.dump("a.dump")
    assert program.configure(TIMES).code == 0
    assert program.within("scan").code == 0
    yield program
    program.cell.close()


def test_schedules_are_listed_with_their_next_run_in_their_zone(timed):
    (found,) = [
        line
        for line in timed("schedule", "list", "--json").document["schedules"]
        if line["name"] == "nightly"
    ]

    assert (found["operation"], found["policy"]) == ("auxcopy", "databases")
    assert found["in_words"] == "Every day at 22:00, Europe/Berlin time."
    assert (found["enabled"], found["missed"], found["last_run_at"]) == (True, "start", None)
    assert datetime.fromisoformat(found["next_run_at"]) > datetime.now(UTC)
    (line,) = [line for line in timed.within("schedule", "list").out.splitlines() if "nig" in line]
    assert "daily at 22:00" in line
    assert " 22:00  " in line


def test_a_schedule_is_shown_with_its_next_five_runs(timed):
    document = timed.within("schedule", "show", "nightly", "--json").document

    runs = [datetime.fromisoformat(run) for run in document["next_runs"]]
    assert len(runs) == 5
    assert runs == sorted(set(runs))
    assert document["options"] == {"streams": 1}
    assert (
        timed.within("schedule", "show", "nightly").out.count(" 22:00") == 7
    )  # when, in words, five runs


def test_a_schedule_is_disabled_enabled_and_run_now(timed):
    disabled = timed.within("schedule", "disable", "nightly", "--json").document
    ran = timed("schedule", "run", "nightly", "--json")
    enabled = timed.within("schedule", "enable", "nightly").out

    assert (disabled["enabled"], disabled["next_run_at"]) == (False, None)
    assert ran.code == 0, ran.err
    (job_id,) = ran.document["job_ids"]
    assert timed.within("job", "show", str(job_id), "--json").document["policy"] == "databases"
    assert timed.within("job", "kill", str(job_id)).code in (0, 2)
    assert "nightly is enabled; next run: " in enabled
    listed = timed.within("schedule", "list", "--json").document["schedules"]
    assert {line["name"] for line in listed} > {"nightly", "system"}


def test_windows_are_listed(timed):
    listed = timed("window", "list", "--json").document["windows"]

    assert [line["name"] for line in listed] == ["evening", "office"]
    assert listed[1]["do_not_run"] == [{"days": "mon-fri", "from": "08:00", "to": "18:00"}]
    assert "08:00-18:00" in timed.within("window", "list").out


def test_a_node_is_checked_against_the_windows_of_all_levels_at_a_time(timed):
    monday = "2026-11-23T09:00+01:00"
    said = timed("window", "check", SUBCLIENT, "--at", monday, "--json")

    found = said.document
    assert said.code == 1
    assert not found["may_run"]
    assert "'office'" in found["reasons"][0]
    # office until 18:00 in Berlin, which is 17:00 UTC, when evening begins: until 20:00 UTC
    assert found["until"] == found["next_change"] == "2026-11-23T20:00:00+00:00"
    in_force = {window["name"]: window["in_force"] for window in found["windows"]}
    assert in_force == {"office": True, "evening": False}
    higher = timed.within("window", "check", "commcell", "--at", monday, "--json").document
    assert higher["until"] == "2026-11-23T17:00:00+00:00"


def test_a_node_may_run_until_the_next_window_and_other_operations_anyway(timed):
    free = timed.within("window", "check", SUBCLIENT, "--at", "2026-11-24 20:00", "--json")
    other = timed.within(
        "window", "check", "commcell", "--at", "2026-11-24 09:00", "--operation", "restore"
    )

    assert free.code == 0
    assert free.document["may_run"]
    assert free.document["next_change"] == "2026-11-25T07:00:00+00:00"
    assert other.code == 0
    assert "may run" in other.out


def test_a_window_that_lets_jobs_finish_says_so(timed):
    said = timed.within("window", "check", "clients.db1", "--at", "2026-11-23T18:00Z")

    assert said.code == 1
    assert "evening" in said.out
    assert "may finish" in said.out
    assert "until: 2026-11-23 20:00 UTC" in said.out


def test_activity_is_switched_off_for_a_time_seen_by_the_check_and_on_again(timed):
    off = timed("activity", "off", "clients.db1", "--for", "2h", "--json").document["activity"]
    at = datetime.now(UTC) + timedelta(minutes=1)
    free = "2026-11-22T12:00Z"  # a Sunday
    check = timed.within("window", "check", SUBCLIENT, "--json")
    listed = timed.within("activity", "list")
    on = timed.within("activity", "on", "clients.db1")
    again = timed.within("activity", "on", "clients.db1")

    (line,) = off
    until = datetime.fromisoformat(line["off_until"])
    assert line["node"] == "clients.db1"
    assert at < until < at + timedelta(hours=2)
    assert check.code == 1
    assert "activity is switched off on clients.db1 by" in check.document["reasons"][0]
    assert check.document["activity"] == [line]
    assert datetime.fromisoformat(check.document["until"]) >= until
    assert "clients.db1" in listed.out
    assert "activity is on on clients.db1" in on.out
    assert "was not off" in again.out
    assert timed.within("window", "check", SUBCLIENT, "--at", free).code == 0


def test_a_node_below_one_that_is_off_stays_off_and_says_so(timed):
    assert timed.within("activity", "off", "commcell").code == 0
    said = timed.within("activity", "on", "clients.db1")
    check = timed.within("window", "check", SUBCLIENT, "--at", "2030-01-06T12:00Z", "--json")
    assert timed.within("activity", "on", "commcell").code == 0

    assert "still off on commcell" in said.err
    assert (check.code, check.document["until"]) == (1, None)
    assert timed.within("activity", "list").out == "activity is on everywhere\n"


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["schedule", "show", "nihgtly"], 4, '"nightly"'),
        (["schedule", "run", "\udcff"], 2, "UTF-8"),
        (["window", "check", "clients.mars"], 4, "clients.db1"),
        (["window", "check", "commcell", "--at", "tomorrow"], 2, "not a time"),
        (["window", "check", "commcell", "--operation", "auxcpy"], 2, "auxcopy"),
        (["activity", "off", "mars"], 4, "mars"),
        (["activity", "off", "commcell", "--for", "2"], 2, "duration"),
        (["activity", "off", "commcell", "--for", "0s"], 2, "past"),
        (["activity", "off", "commcell", "--until", "2020-01-01"], 2, "past"),
        (["activity", "off", "commcell", "--for", "1h", "--until", "18:00"], 2, "exclude"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_wrong_use_changes_nothing(timed, arguments, code, word):
    said = timed.within(*arguments)

    assert said.code == code, said.err
    assert word in said.err
    assert timed.within("activity", "list", "--json").document == {"activity": []}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("18:00", "2026-03-28T17:00+00:00"),
        ("09:00", "2026-03-29T07:00+00:00"),  # tomorrow, when the clock has changed
        ("2026-03-29 02:30", "2026-03-29T01:00+00:00"),  # does not exist: the end of the gap
        ("2026-10-25 02:30", "2026-10-25T00:30+00:00"),  # comes twice: the first
        ("2026-12-24", "2026-12-23T23:00+00:00"),
        ("2026-12-24T18:00+05:00", "2026-12-24T13:00+00:00"),
    ],
)
def test_times_are_those_of_the_zone(text, meant):
    now = datetime(2026, 3, 28, 9, 0, tzinfo=UTC)

    assert moment_of(text, "Europe/Berlin", now) == datetime.fromisoformat(meant)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("09:59", "2026-03-28T08:59+00:00"),
        ("10:00", "2026-03-28T09:00+00:00"),  # now
        ("18:00", "2026-03-27T17:00+00:00"),  # yesterday: it has not come today
        ("2026-03-27", "2026-03-26T23:00+00:00"),
    ],
)
def test_a_time_of_day_that_was_is_the_last_one(text, meant):
    now = datetime(2026, 3, 28, 9, 0, tzinfo=UTC)

    assert past_moment_of(text, "Europe/Berlin", now) == datetime.fromisoformat(meant)


@pytest.mark.parametrize("text", ["2026-03-28 10:01", "2027-01-01"])
def test_what_is_to_come_is_refused_where_it_must_be_past(text):
    now = datetime(2026, 3, 28, 9, 0, tzinfo=UTC)

    with pytest.raises(UsageError, match="Europe/Berlin is to come"):
        past_moment_of(text, "Europe/Berlin", now)


@pytest.mark.parametrize(
    "text", ["", "soon", "25:00", "10:75", "2026-13-01", "9999-12-31T23:59-14"]
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UsageError, match="not a time"):
        moment_of(text, "UTC", datetime(2026, 3, 28, tzinfo=UTC))


def test_a_run_is_made_a_schedule_that_is_in_the_export(timed):
    arguments = ["auxcopy", "databases", "--streams", "2", "--throttle", "50MiB/s", "--schedule"]
    more = ["weekly on sat at 03:00", "--name", "weekend", "--time-zone", "Europe/Berlin"]

    dry = timed.within(*arguments, *more, "--dry-run")
    assert timed.within("schedule", "show", "weekend").code == 4
    made = timed(*arguments, *more, "--json")

    assert (dry.code, made.code) == (0, 0), made.err
    wanted = {
        "operation": "auxcopy",
        "policy": "databases",
        "when": "weekly on sat at 03:00",
        "time_zone": "Europe/Berlin",
        "options": {"streams": 2, "throttle": "50MiB/s"},
    }
    assert tomllib.loads(made.document["table"]) == {"schedules": {"weekend": wanted}}
    assert tomllib.loads(dry.out) == {"schedules": {"weekend": wanted}}
    exported = timed.within("export").out
    assert tomllib.loads(exported)["schedules"]["weekend"] == wanted
    timed.site.write_text(exported)
    assert timed.within("apply", str(timed.site)).out == "nothing to change\n"
    assert timed.within("schedule", "show", "weekend", "--json").document["enabled"]


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["--schedule", "daily at 22:00"], 2, "--name"),
        (["--name", "x"], 2, "--schedule"),
        (["--schedule", "dayly at 22:00", "--name", "x"], 2, "not a schedule"),
        (["--schedule", "once at 2020-01-01 03:00", "--name", "x"], 2, "past"),
        (["--schedule", "daily at 22:00", "--name", "nightly"], 2, "already"),
        (["--schedule", "daily at 22:00", "--name", "system"], 2, "already"),
        (["--schedule", "daily at 22:00", "--name", "../x"], 2, "name"),
        (["--schedule", "daily at 22:00", "--name", "x", "--wait"], 2, "--wait"),
        (["--schedule", "daily at 22:00", "--name", "x", "--copy", "no"], 4, "no"),
        (["--schedule", "daily at 22:00", "--name", "x", "--time-zone", "Europe/Bern"], 2, "zone"),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, list) else "",
)
def test_a_schedule_that_cannot_be_is_refused(timed, arguments, code, word):
    before = timed.within("export").out

    said = timed.within("auxcopy", "databases", *arguments)

    assert said.code == code, said.err
    assert word in said.err
    assert said.out == ""
    assert len(said.err.strip().splitlines()) <= 2
    assert timed.within("export").out == before
