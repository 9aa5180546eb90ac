"""Alerts, forecast and metrics on the command line of the real program."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.cell import Cell
from tests.cli.conftest import Program
from tests.control.receivers import web_server
from tests.ports import free_port


@pytest.fixture
def program(auxtui: Program) -> Program:
    """The program on a CommCell with one copy."""
    said = auxtui.configure()
    assert said.code == 0, said.err
    return auxtui


def with_alerts(program: Program, text: str) -> None:
    said = program.configure(text)
    assert said.code == 0, said.err


def copy_one(program: Program) -> None:
    program.cell.dump("one.dump")
    assert program.within("scan").code == 0
    assert program.within("auxcopy", "databases", "--wait").code == 0


def test_forecast_before_and_after_a_run(program: Program) -> None:
    program.cell.dump("one.dump")
    program.within("scan")
    (before,) = program.within("forecast", "--json").document["forecasts"]
    assert program.within("auxcopy", "databases", "--wait").code == 0
    (after,) = program.within("forecast", "databases", "--json").document["forecasts"]

    assert (before["policy"], before["copy"]) == ("databases", "offsite")
    assert (before["backup_jobs_owed"], before["bytes_owed"]) == (1, 100_000)
    assert (before["known"], before["never"], before["fallen_behind"]) == (False, False, False)
    assert after["forecast"] == "nothing to copy"
    assert after["bytes_per_second"] > 0
    assert "databases/offsite" in program.within("forecast").out
    assert program.within("forecast", "databasse").code == 4


def test_alerts_are_listed_tested_and_cleared(program: Program) -> None:
    with web_server() as web:
        with_alerts(
            program,
            f'[alerts.hook]\non = ["all"]\nto = "http://127.0.0.1:{web.port}/x"\n'
            '[alerts.page]\non = ["failed"]\nto = "exec:/nowhere/page"\n',
        )
        tested = program.within("alert", "test", "hook", "--json")
        (program.cell.root / "vault").rename(program.cell.root / "away")
        program.cell.dump("one.dump")
        program.within("scan")
        assert program.within("auxcopy", "databases", "--retries", "0", "--wait").code != 0
        listed = program.within("alert", "list", "--json").document
        doctor = program.within("doctor", "--json").document["findings"]
        numbers = program.within("metrics").out
        one = next(alarm for alarm in listed["alarms"] if alarm["kind"] == "failed")
        cleared = program.within("alert", "clear", str(one["alarm_id"]), "--json")

    assert tested.document["destination"] == "webhook 127.0.0.1"
    assert web.messages[0] == ("told", "test")
    assert {alarm["kind"] for alarm in listed["alarms"]} >= {"failed", "library-offline"}
    assert {alert["name"] for alert in listed["alerts"]} == {"hook", "page"}
    assert any("alert page cannot be delivered" in each["what"] for each in doctor)
    assert any(each["what"].startswith("failed since") for each in doctor)
    assert 'auxtui_alarms{kind="failed"} 1.0' in numbers
    assert 'auxtui_library_online{library="vault"} 0.0' in numbers
    assert cleared.document == {"alarms": [one["alarm_id"]]}
    assert program.within("alert", "clear", str(one["alarm_id"])).code == 4
    assert "failed" in program.within("alert", "list", "--history").out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("alert", "test", "nobody"), 4, "no alert"),
        (("alert", "clear"), 2, "name alarms"),
        (("alert", "clear", "--all", "1"), 2, "name alarms"),
        (("metrics", "--listen", "somewhere"), 2, "is not HOST:PORT"),
        (("metrics", "--listen", "127.0.0.1:99999"), 2, "out of range"),
        (("metrics", "--listen", "::1:9464"), 2, "is not HOST:PORT"),
    ],
)
def test_refusals(program: Program, arguments: tuple[str, ...], code: int, words: str) -> None:
    said = program.within(*arguments)

    assert (said.code, words in said.err) == (code, True), said.err


def test_metrics_of_a_copied_policy(program: Program) -> None:
    copy_one(program)

    lines = program.within("metrics").out.splitlines()

    assert 'auxtui_job_copies{copy="offsite",policy="databases",state="available"} 1.0' in lines
    assert 'auxtui_bytes_to_copy{copy="offsite",policy="databases"} 0.0' in lines
    assert 'auxtui_jobs{operation="auxcopy",state="completed"} 1.0' in lines
    assert "auxtui_service_up 1.0" in lines
    assert any(
        line.startswith('auxtui_last_success_timestamp_seconds{operation="auxcopy"')
        for line in lines
    )


def test_metrics_are_served_on_loopback(program: Program, cell: Cell) -> None:
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "auxtui", "metrics", "--listen", str(port)],
        stderr=subprocess.PIPE,
        env=program.environment(),
    )
    try:
        assert server.stderr is not None
        said = server.stderr.readline().decode()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=120) as answer:
            text = answer.read().decode()
    finally:
        server.terminate()
        server.wait()
        if server.stderr is not None:
            server.stderr.close()

    assert f"http://127.0.0.1:{port}/metrics" in said
    assert "auxtui_service_up" in text


def test_a_secret_is_neither_exported_nor_shown(program: Program, tmp_path: Path) -> None:
    secret = tmp_path / "hook"
    secret.write_text("http://127.0.0.1:1/s3cret-token")
    secret.chmod(0o600)
    with_alerts(program, f'[alerts.hook]\non = ["all"]\nto = "file:{secret}"\n')

    said = program.within("alert", "test", "hook")

    everything = (
        program.within("export").out + program.within("alert", "list").out + said.out + said.err
    )
    assert said.code == 75
    assert "Connection refused" in said.err
    assert "s3cret" not in everything
    assert b"s3cret" not in program.cell.home.catalog.read_bytes()


def test_priorities_of_job_copies_and_the_question_of_a_new_copy(program: Program) -> None:
    program.cell.dump("old.dump")
    os.utime(program.cell.landing / "old.dump", (1.6e9, 1.6e9))
    program.within("scan")
    (line,) = program.within("copies", "databases/offsite", "--json").document["job_copies"]
    said = program.within("prioritise", "databases/offsite", "1", "--priority", "2")
    after = program.within("copies", "databases/offsite", "--json").document["job_copies"][0]
    wrong = program.within("prioritise", "databases/offsite", "99", "--priority", "2")
    second = '[policies.databases.copies.second]\nkind = "synchronous"\nlibrary = "vault"\n'
    asked = program.configure(second)
    again = program.within("export")

    assert (line["priority"], after["priority"], said.code, wrong.code) == (5, 2, 0, 4)
    assert "copy all of them, or only backups on and after a date?" in asked.out
    assert "second" in again.out
