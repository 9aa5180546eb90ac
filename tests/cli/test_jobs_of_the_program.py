"""Jobs driven by the real program: control, exit codes, scripts, decisions, `--here`."""

from __future__ import annotations

import signal
import tomllib

import pytest

from engine.control.lock import is_held


@pytest.fixture
def ready(auxtui):
    """A CommCell with two backup jobs that are not copied yet."""
    for name in ("a.dump", "b.dump"):
        auxtui.cell.dump(name)
    assert auxtui.configure().code == 0
    assert auxtui.within("scan").code == 0
    return auxtui


def test_scan_says_what_it_adopted_and_what_it_left(auxtui):
    auxtui.cell.dump("a.dump")
    auxtui.configure()

    said = auxtui("scan", "db1/pg", "--json")

    assert said.code == 0
    assert [line["name"] for line in said.document["adopted"]] == ["a.dump"]
    assert {"adopted", "left", "bad", "offline"} <= set(said.document)
    assert "nothing new" in auxtui.within("scan").out
    assert auxtui.within("scan", "db1/gp").code == 4


def test_a_new_copy_owes_at_once_what_is_there_already(ready):
    ready.configure('[policies.databases.copies.second]\nlibrary = "vault"\n')

    lines = ready.within("copies", "databases/second", "--json").document["job_copies"]

    assert [line["state"] for line in lines] == ["to_be_copied", "to_be_copied"]


def test_a_landing_directory_that_vanished_is_offline_and_to_be_tried_later(ready):
    ready.cell.landing.rename(ready.cell.root / "gone")

    said = ready("scan", "--json")

    assert said.code == 75
    assert [line["subclient"] for line in said.document["offline"]] == ["db1/pg"]
    doctor = ready.within("doctor", "--json")
    assert doctor.code == 1
    assert any("db1/pg" in f["what"] for f in doctor.document["findings"])


def test_a_job_started_suspended_is_controlled_to_its_end(ready):
    started = ready("auxcopy", "databases", "--suspended", "--description", "by hand", "--json")
    number = str(started.document["job_id"])
    assert started.document["state"] == "suspended"
    assert started.document["description"] == "by hand"

    assert ready.within("jobs", "--active", "--json").document["jobs"][0]["state"] == "suspended"
    assert ready.within("job", "priority", number, "2", "--json").document["priority"] == 2
    throttled = ready.within("job", "throttle", number, "1GiB/s", "--json").document
    assert throttled["throttle_bps"] == 1 << 30
    assert (
        ready.within("job", "throttle", number, "none", "--json").document["throttle_bps"] is None
    )
    assert ready.within("job", "resume", number).code == 0

    done = ready("job", "wait", number, "--json")

    assert done.code == 0
    assert (done.document["state"], done.document["backup_jobs_done"]) == ("completed", 2)
    refused = ready.within("job", "suspend", number, "--json")
    assert refused.code == 2
    assert "has ended" in refused.error["error"]
    assert ready.within("job", "resubmit", number).out.strip().isdigit()


def test_a_killed_job_is_exit_code_3_and_cannot_be_resubmitted_before(ready):
    number = ready.within("auxcopy", "databases", "--suspended").out.strip()
    assert ready.within("job", "resubmit", number).code == 2

    assert ready("job", "kill", number).code == 0

    assert ready.as_process("job", "wait", number).code == 3
    assert ready("watch", number).code == 3
    assert ready.within("watch", "--plain").out == "no job is active\n"


def test_ctrl_c_leaves_the_job_and_says_so(ready):
    number = ready.within("auxcopy", "databases", "--suspended").out.strip()

    with ready.start("job", "wait", number) as waiting:
        assert waiting.stderr is not None
        assert "suspended" in waiting.stderr.readline()
        waiting.send_signal(signal.SIGINT)
        out, err = waiting.communicate(timeout=240)

    assert waiting.returncode == 75
    assert f"job {number} goes on without you" in err
    assert out == ""
    assert "suspended" in ready.within("jobs", "--active").out


def test_a_job_that_ends_with_errors_is_exit_code_1(ready):
    victim = ready.cell.landing / "a.dump"
    victim.write_bytes(b"changed after it was adopted")

    said = ready.as_process("auxcopy", "databases", "--wait", "--json")

    assert said.code == 1
    assert said.document["state"] in ("completed_with_errors", "failed")
    assert said.document["errors"] or said.document["reason"]


def test_waiting_shows_lines_where_there_is_no_terminal(ready):
    said = ready.as_process("auxcopy", "databases", "--wait")

    assert said.code == 0
    assert "\r" not in said.err
    assert said.err.splitlines()[-1].startswith("job ")
    assert "2 backup jobs" in said.out


def test_a_saved_form_replays_and_takes_overrides(ready, tmp_path):
    script = tmp_path / "form.toml"
    saved = ready(
        "auxcopy", "databases", "--copy", "offsite", "--streams", "3", "--throttle", "64MiB/s",
        "--total-time", "6h", "--kill-after-total-time", "--no-scalable", "--save-script", str(script),
    )  # fmt: skip
    assert saved.code == 0
    assert tomllib.loads(script.read_text()) == {
        "policy": "databases",
        "copies": ["offsite"],
        "streams": 3,
        "throttle": "64MiB/s",
        "total_time": "6h",
        "kill_after_total_time": True,
        "scalable": False,
    }
    assert ready.within("auxcopy", "databases", "--save-script", str(script)).code == 2

    job = ready(
        "auxcopy", "--script", str(script), "--set", "streams=1", "--set", "throttle=1GiB/s",
        "--description", "replayed", "--wait", "--json",
    )  # fmt: skip

    assert job.code == 0, job.err
    assert job.document["description"] == "replayed"
    assert job.document["throttle_bps"] == 1 << 30
    wrong = ready.within("auxcopy", "--script", str(script), "--set", "streams=none")
    assert wrong.code == 2
    assert "--set streams=none" in wrong.err
    script.write_text('policy = "databases"\nstreems = 2\n')
    assert (
        f'{script}:2: streems: unknown key "streems"; did you mean "streams"?'
        in ready("auxcopy", "--script", str(script)).err
    )


def test_decisions_on_single_job_copies(ready):
    lines = ready.within("copies", "databases/offsite", "--json").document["job_copies"]
    first = str(min(line["backup_job_id"] for line in lines))

    assert ready.within("unpick", "databases/offsite", first).code == 0

    state = ready.within("why", first, "databases/offsite", "--json").document
    assert state["state"] == "do_not_copy"
    plan = ready.within("auxcopy", "databases", "--dry-run", "--json").document["backup_jobs"]
    assert [line["taken"] for line in plan] == [False, True]

    assert ready("unpick", "databases/offsite", first, "--by-rules", "--json").code == 0
    plan = ready.within("auxcopy", "databases", "--dry-run", "--json").document["backup_jobs"]
    assert [line["taken"] for line in plan] == [True, True]
    assert ready.within("pick", "databases/offsite", "99999").code == 4


def test_here_runs_the_service_inside_the_command(ready):
    assert ready.within("service", "stop").code == 0

    said = ready.as_process("auxcopy", "databases", "--wait", "--here", "--json")

    assert said.code == 0, said.err
    assert said.document["state"] == "completed"
    assert not is_held(ready.cell.home.service_lock)


def test_here_is_refused_while_a_service_runs(ready):
    said = ready("auxcopy", "databases", "--wait", "--here")

    assert said.code == 2
    assert "--here is refused" in said.err
    assert ready.within("jobs", "--json").document == {"jobs": []}


def test_here_stopped_before_the_end_leaves_the_job_to_another_service(ready):
    number = ready.within("auxcopy", "databases", "--suspended").out.strip()
    assert ready.within("service", "stop").code == 0

    with ready.start("job", "wait", number, "--here") as waiting:
        assert waiting.stderr is not None
        while "suspended" not in waiting.stderr.readline():
            pass
        waiting.terminate()
        _, err = waiting.communicate(timeout=240)

    assert waiting.returncode == 75, err
    assert f"auxtui job wait {number}" in err
    assert not is_held(ready.cell.home.service_lock)


def test_stopping_twice_is_no_error(ready):
    assert ready("service", "stop", "--json").document["was_running"] is True
    assert ready("service", "stop", "--json").document["was_running"] is False
    assert ready("service", "status", "--json").document["state"] == "stopped"
