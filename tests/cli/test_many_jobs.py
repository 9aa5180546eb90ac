"""Jobs asked together, and all that is known of one."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from auxtui.cli.all_jobs import _chosen
from engine.catalog.live import LiveCatalog
from engine.catalog.live_values import HistoryFilter
from engine.model.states import JobState, RequestKind
from tests.cell import Cell
from tests.cli.conftest import Program

SECOND_POLICY = """
[policies.files.copies.away]
kind = "synchronous"
library = "vault"
"""


@pytest.fixture(scope="module")
def two_policies(tmp_path_factory):
    """A CommCell with two policies; nothing is copied yet."""
    program = Program(Cell(tmp_path_factory.mktemp("many")))
    program.cell.dump("a.dump")
    assert program.configure(SECOND_POLICY).code == 0
    assert program.within("scan").code == 0
    yield program
    program.cell.close()


def suspended(program: Program, policy: str) -> int:
    return int(program.within("auxcopy", policy, "--suspended").out)


def test_all_jobs_or_those_of_a_policy_are_suspended_resumed_and_killed(two_policies):
    ask = two_policies.within
    first, second = suspended(two_policies, "databases"), suspended(two_policies, "files")

    nothing = ask("job", "suspend", "--all", "--json")
    resumed = two_policies("job", "resume", "--all", "--policy", "files", "--json")
    waited = ask("job", "wait", str(second))
    killed = ask("job", "kill", "--all")
    again = ask("job", "kill", "--all", "--json")

    assert nothing.document == {"jobs": [], "refused": []}  # they are suspended already
    assert [job["job_id"] for job in resumed.document["jobs"]] == [second]
    assert waited.code == 0
    assert killed.out == "1 job killed\n"
    assert ask("job", "show", str(first), "--json").document["state"] == "killed"
    assert (again.code, again.document["jobs"]) == (0, [])


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["job", "kill"], 2, "--all"),
        (["job", "kill", "1", "--all"], 2, "--all"),
        (["job", "kill", "1", "--policy", "databases"], 2, "--all"),
        (["job", "kill", "--all", "--policy", "databses"], 4, '"databases"'),
        (["job", "kill", "--all", "--policy", "\udcff"], 2, "UTF-8"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_what_is_not_meant_is_not_done(two_policies, arguments, code, word):
    number = str(suspended(two_policies, "databases"))

    said = two_policies.within(*arguments)
    state = two_policies.within("job", "show", number, "--json").document["state"]
    two_policies.within("job", "kill", number)

    assert said.code == code
    assert word in said.err
    assert state == "suspended"


def test_a_job_shows_its_plan_its_streams_and_its_attempts(copied):
    number = str(copied.within("jobs", "--json").document["jobs"][0]["job_id"])

    document = copied("job", "show", number, "--json").document
    lines = copied.within("job", "show", number, "--plan", "--json").document["plan"]
    text = copied.within("job", "show", number).out

    (total,) = document["plan"]["copy_totals"]
    counts = {"taken": 2, "follows": 0, "skipped": 0, "blocked": 0}
    assert total == {"copy": "offsite", **counts, "bytes": 200_000}
    assert "backup_jobs" not in document["plan"]
    assert [line["taken"] for line in lines["backup_jobs"]] == [True, True]
    assert all(line["reason"] for line in lines["backup_jobs"])
    (attempt,) = document["attempt_list"]
    assert (attempt["number"], attempt["outcome"]) == (1, "completed")
    assert document["attempts"] == 1
    assert "offsite: 2 backup jobs (195 KiB) taken, 0 skipped" in text
    assert f"limited by {document['streams_limited_by']}" in text
    when = (
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"  # with seconds: attempts may follow one another quickly
    )
    assert re.search(rf"attempt 1 +{when} to {when} ", text)
    assert "taken" in copied.within("job", "show", number, "--plan").out


def test_a_job_that_has_not_begun_has_no_plan(two_policies):
    number = str(suspended(two_policies, "databases"))

    said = two_policies.within("job", "show", number, "--plan")

    assert said.code == 4
    assert "no plan" in said.err
    assert two_policies.within("job", "show", number, "--json").document["plan"] is None
    two_policies.within("job", "kill", number)


def test_what_has_not_begun_is_killed_first_and_the_newest_of_it(two_policies):
    ask = two_policies.within
    jobs = [suspended(two_policies, "databases") for _ in range(3)]

    killed = ask("job", "kill", "--all", "--json")

    assert [job["job_id"] for job in killed.document["jobs"]] == jobs[::-1]


@pytest.mark.parametrize("kind", [RequestKind.KILL, RequestKind.SUSPEND])
def test_what_runs_is_asked_last(two_policies, kind):
    with LiveCatalog(two_policies.cell.home.catalog) as live:
        job = live.history(HistoryFilter(), limit=1)[0]
    states = [JobState.QUEUED, JobState.WAITING, JobState.RUNNING]
    active = tuple(replace(job, id=n, state=state) for n, state in enumerate(states, 1))

    class Live:
        def active_jobs(self):
            return active

    assert [each.id for each in _chosen(Live(), kind, "")] == [2, 1, 3]
    assert [each.id for each in _chosen(Live(), RequestKind.RESUME, "")] == []


THROTTLED = """
[policies.slow.copies.away]
kind = "synchronous"
library = "vault"
throttle = "2MiB/s"
"""


def test_a_job_says_whose_throttle_limits_it(two_policies):
    assert two_policies.configure(SECOND_POLICY + THROTTLED).code == 0
    ask = two_policies.within
    job = str(suspended(two_policies, "slow"))

    alone = ask("job", "show", job).out
    assert ask("job", "throttle", job, "1MiB/s").code == 0
    both = ask("job", "show", job).out
    assert ask("job", "kill", job).code == 0

    assert re.search(r"^throttle +2.00 MiB/s of copy away$", alone, re.MULTILINE), alone
    assert re.search(
        r"^throttle +1.00 MiB/s of the job; 2.00 MiB/s of copy away$", both, re.MULTILINE
    )


def test_a_schedule_that_is_none_is_answered_with_the_nearest_form(two_policies):
    said = two_policies.within(
        "auxcopy", "databases", "--schedule", "dayly at 22:00", "--name", "night"
    )
    assert said.code == 2
    assert "the nearest form is 'daily at 22:00'" in said.err
    assert len(said.err) < 250


def test_a_restore_that_matches_nothing_leaves_no_directory(two_policies, tmp_path):
    assert two_policies.within("scan").code == 0
    target = tmp_path / "new" / "deep"
    said = two_policies.within("restore", "1", "--to", str(target), "--path", "no*", "--wait")
    assert said.code == 1
    assert "nothing" in said.out
    assert not (tmp_path / "new").exists()
