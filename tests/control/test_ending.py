"""The service can always be stopped; asking waits for nobody who is gone."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import subprocess
from contextlib import closing

import pytest

from engine.control import frontdoor
from engine.control.ending import terminate_holder
from engine.control.lock import ServiceLock, is_held
from engine.model.errors import ServiceError, UsageError
from engine.model.states import RequestKind
from engine.policy.values import RunOptions
from tests.cell import Cell


def test_a_service_whose_catalog_is_of_another_version_is_stopped(cell: Cell) -> None:
    cell.apply()
    frontdoor.ensure_service(cell.home)
    with closing(sqlite3.connect(cell.home.catalog)) as catalog, catalog:
        catalog.execute("UPDATE alembic_version SET version_num = 'r9999'")

    assert frontdoor.stop_service(cell.home, by="test")

    assert not is_held(cell.home.service_lock)


def test_a_service_whose_catalog_is_gone_is_stopped(cell: Cell) -> None:
    cell.apply()
    frontdoor.ensure_service(cell.home)
    cell.home.catalog.rename(cell.root / "elsewhere.db")

    assert frontdoor.stop_service(cell.home, by="test")

    assert not is_held(cell.home.service_lock)


def test_only_the_process_that_holds_the_lock_is_signalled(cell: Cell) -> None:
    cell.apply()
    lock = ServiceLock(cell.home.service_lock)
    try:
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
            cell.home.service_lock.write_text(
                json.dumps({"pid": other.pid, "host": "here", "since": "now"})
            )
            with pytest.raises(ServiceError, match=f"{other.pid} does not hold"):
                terminate_holder(cell.home.service_lock)
            assert other.poll() is None
    finally:
        lock.release()


def test_a_process_that_only_has_the_file_open_is_not_signalled(cell: Cell) -> None:
    cell.apply()
    command = ["sh", "-c", 'exec cat 3<"$0"', os.fspath(cell.home.service_lock)]
    cell.home.service_lock.touch()
    with subprocess.Popen(command, stdin=subprocess.PIPE) as other:
        cell.home.service_lock.write_text(
            json.dumps({"pid": other.pid, "host": "here", "since": "now"})
        )
        with pytest.raises(ServiceError, match="does not hold"):
            terminate_holder(cell.home.service_lock)


@pytest.mark.parametrize("content", ["", "nonsense", '{"pid": 0, "host": "", "since": ""}'])
def test_a_lock_that_does_not_name_its_holder_signals_nobody(cell: Cell, content: str) -> None:
    cell.apply()
    cell.home.service_lock.write_text(content)

    with pytest.raises(ServiceError):
        terminate_holder(cell.home.service_lock)


def test_asking_a_service_to_stop_that_is_gone_does_not_wait_nor_stop_the_next(cell: Cell) -> None:
    cell.apply()

    answer = frontdoor.request(cell.home, RequestKind.STOP_SERVICE, None, {}, by="test")
    frontdoor.ensure_service(cell.home)
    job = cell.run()

    assert "ended" in answer["withdrawn"]
    assert job.state == "completed"


def test_a_stop_that_nobody_answers_is_withdrawn(cell: Cell) -> None:
    cell.apply()
    descriptor = os.open(cell.home.service_lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(ServiceError, match="not answered"):
            frontdoor.request(
                cell.home, RequestKind.STOP_SERVICE, None, {}, by="test", timeout_s=0.1
            )
    finally:
        os.close(descriptor)

    assert cell.run().state == "completed"


def test_a_job_that_was_started_suspended_is_resubmitted_to_run(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply()
    cell.scan()
    first = cell.start(start_suspended=True)
    frontdoor.request(cell.home, RequestKind.KILL, first, {}, by="test")
    cell.wait(first)

    job = cell.wait(frontdoor.resubmit(cell.home, first, by="test"))

    assert (job.state, job.backup_jobs_done) == ("completed", 1)


def test_names_that_no_catalog_can_hold_are_refused_before_it_is_asked(cell: Cell) -> None:
    wrong = "\udcff"
    calls = [
        lambda: frontdoor.preview(cell.home, wrong, RunOptions()),
        lambda: frontdoor.run_auxcopy(cell.home, wrong, RunOptions(), by="t"),
        lambda: frontdoor.run_auxcopy(cell.home, "databases", RunOptions(copies=(wrong,)), by="t"),
        lambda: frontdoor.decide(cell.home, "databases", wrong, [1], "picked", by="t"),
        lambda: frontdoor.schedule(cell.home, wrong, "run", by="t"),
        lambda: frontdoor.switch_activity(cell.home, wrong, on=True, by="t"),
        lambda: frontdoor.run_scan(cell.home, wrong, by="t"),
    ]
    for call in calls:
        with pytest.raises(UsageError, match="UTF-8"):
            call()


def test_every_operation_is_resubmitted_with_what_it_was_asked(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply()
    cell.scan()
    copied = cell.run(description="first")
    verified = cell.wait(
        frontdoor.run_verification(cell.home, "databases", "offsite", "all", by="test")
    )
    aged = cell.wait(frontdoor.run_aging(cell.home, dry_run=False, confirm=True, by="test"))
    (backup_job,) = [line.backup_job_id for line in cell.ledger().values()]
    repaired = cell.wait(
        frontdoor.repair(cell.home, "databases", "offsite", [backup_job], by="test")
    )

    again = [
        cell.wait(frontdoor.resubmit(cell.home, job.id, by="test"))
        for job in (copied, verified, aged, repaired)
    ]

    assert [job.operation.value for job in again] == ["auxcopy", "verification", "aging", "repair"]
    assert [job.state.value for job in again[:3]] == ["completed"] * 3
    assert again[0].options["description"] == "first"
    assert (again[1].options["which"], again[1].copies) == ("all", ("offsite",))
    assert again[1].backup_jobs_done == 1
    assert again[2].options["confirm"] is False
    assert (again[3].options["backup_jobs"], again[3].copies) == ([backup_job], ("offsite",))
