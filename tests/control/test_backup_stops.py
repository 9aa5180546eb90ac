"""Backups that are stopped, killed or crash: nothing half is left, and the next try is whole."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.catalog import jobs
from engine.catalog.opening import open_catalog
from engine.catalog.rows import BACKUP_JOB, JOB_COPY, JOB_ITEM, connection_of
from engine.control import frontdoor
from engine.model.states import JobState, RequestKind
from tests.cell import content
from tests.control.backups import NAME, BackupCell


@pytest.fixture
def cell(backup_cell: BackupCell) -> BackupCell:
    backup_cell.configure()
    (backup_cell.source / "large").write_bytes(content("large", 40_000_000))
    return backup_cell


def slow_backup(cell: BackupCell) -> int:
    """A backup that goes on until it is stopped, once its first bytes are read."""
    frontdoor.ensure_service(cell.home)
    frontdoor.switch_activity(cell.home, "commcell", on=False, by="test")
    job_id = frontdoor.run_backup(cell.home, NAME, by="test")
    cell.until(job_id, lambda job: job.state == "queued")
    ask(cell, RequestKind.THROTTLE, job_id, {"throttle_bps": 1_000_000})
    frontdoor.switch_activity(cell.home, "commcell", on=True, by="test")
    cell.until(job_id, lambda job: job.state == "running")
    # The directory alone is not enough: a writer that begins empties it, and for a moment it is gone.
    data = cell.root / "fast" / "files" / "primary" / ".partial" / str(job_id) / "data"
    cell.until(job_id, lambda _: data.exists() and any(data.iterdir()))
    return job_id


def ask(cell: BackupCell, kind: RequestKind, job_id: int, payload: dict | None = None) -> None:
    frontdoor.request(cell.home, kind, job_id, payload or {}, by="test")


def assert_nothing_half(cell: BackupCell, job_id: int) -> None:
    partial = cell.root / "fast" / "files" / "primary" / ".partial"
    assert not (partial / str(job_id)).exists()
    assert list(cell.home.indexes.iterdir()) == []


def test_suspended_it_begins_anew_and_killed_it_leaves_nothing(cell: BackupCell):
    job_id = slow_backup(cell)
    ask(cell, RequestKind.SUSPEND, job_id)
    cell.until(job_id, lambda job: job.state == "suspended")
    assert_nothing_half(cell, job_id)
    ask(cell, RequestKind.RESUME, job_id)
    cell.until(job_id, lambda job: job.state == "running")
    ask(cell, RequestKind.KILL, job_id)
    assert cell.wait(job_id).state == "killed"
    assert_nothing_half(cell, job_id)
    done = cell.back_up()
    assert (done.state, done.options["level"]) == ("completed", None)
    assert "it is the first backup" in done.description


def test_after_a_crash_it_begins_anew(cell: BackupCell):
    job_id = slow_backup(cell)
    cell.kill9()
    (cell.source / "large").write_bytes(b"another time")
    ask(cell, RequestKind.THROTTLE, job_id, {"throttle_bps": None})
    job = cell.wait(job_id)
    assert (job.state, job.attempts) == ("completed", 2)
    found = frontdoor.browse(cell.home, job_id=job_id, path=bytes(cell.source.relative_to("/")))
    assert [one.size for one in found] == [12]


def test_a_crash_after_the_publication_is_found(cell: BackupCell):
    job = cell.back_up()
    before = cell.lines(job.id)["primary"]
    cell.close()
    catalog = open_catalog(cell.home)
    try:
        with catalog.write() as session:  # the catalog as it was when the crash came
            connection = connection_of(session)
            for table in (JOB_ITEM, JOB_COPY):
                connection.execute(table.delete().where(table.c.backup_job_id == job.id))
            connection.execute(BACKUP_JOB.delete().where(BACKUP_JOB.c.id == job.id))
            jobs.update_job(session, job.id, state=JobState.RUNNING, ended_at=None)
    finally:
        catalog.close()
    shutil.rmtree(cell.home.indexes)
    cell.home.make()
    again = cell.wait(job.id)
    assert again.state == "completed"
    after = cell.lines(job.id)["primary"]
    assert (after.state, after.manifest_digest, after.size_bytes, after.files, after.cycle) == (
        "available",
        before.manifest_digest,
        before.size_bytes,
        before.files,
        before.cycle,
    )
    assert cell.home.index(job.id).exists()


def test_a_damaged_index_is_fetched_from_the_media(cell: BackupCell, tmp_path: Path):
    first = cell.back_up()
    whole = cell.home.index(first.id).read_bytes()
    at = whole.index(b"\x28\xb5\x2f\xfd", 20)  # the first frame of entries
    cell.home.index(first.id).write_bytes(whole[: at + 20] + b"\0\0" + whole[at + 22 :])
    second = cell.back_up()
    assert (second.state, second.attempts) == ("completed", 2)
    assert "incremental" in second.description
    assert cell.home.index(first.id).read_bytes() == whole
    cell.home.index(second.id).write_bytes(b"no index")
    options = {"copy": None, "path_globs": [], "overwrite": False, "by": "test"}
    back = frontdoor.run_restore(cell.home, second.id, to=str(tmp_path / "to"), **options)
    assert cell.wait(back).state == "completed"


def test_what_a_killed_backup_left_goes_with_the_next_one(cell: BackupCell):
    job_id = slow_backup(cell)
    cell.kill9()
    catalog = open_catalog(cell.home)
    try:
        with catalog.write() as session:
            jobs.update_job(session, job_id, state=JobState.KILLED)
    finally:
        catalog.close()
    partial = cell.root / "fast" / "files" / "primary" / ".partial" / str(job_id)
    assert partial.exists()
    assert cell.back_up().state == "completed"
    assert not partial.exists()


def test_two_backups_of_a_subclient_come_one_after_the_other(cell: BackupCell):
    first = slow_backup(cell)
    second = frontdoor.run_backup(cell.home, NAME, by="test")
    queued = cell.until(second, lambda job: job.state == "queued")
    assert f"job {first} backs up the same subclient" in queued.reason
    ask(cell, RequestKind.THROTTLE, first)
    assert cell.wait(first).state == cell.wait(second).state == "completed"
    assert cell.lines(second)["primary"].level == "incremental"


def test_a_window_of_the_subclient_holds_it(cell: BackupCell):
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    today = datetime.now(UTC).weekday()
    cell.configure(
        extra=f"""
[windows.closed]
on = ["clients.web.subclients.www"]
operations = ["backup"]
do_not_run = [{{days = "{names[today]},{names[(today + 1) % 7]}", from = "00:00", to = "24:00"}}]
"""
    )
    job_id = frontdoor.run_backup(cell.home, NAME, by="test")
    held = cell.until(job_id, lambda job: job.state == "queued")
    assert "closed" in held.reason
    cell.configure()
    assert cell.wait(job_id).state == "completed"


def test_a_schedule_starts_backups(cell: BackupCell):
    cell.configure(
        extra="""
[schedules.nightly]
operation = "backup"
when = "daily at 03:00"
options = {level = "full", subclients = ["web/www"]}
"""
    )
    (job_id,) = frontdoor.schedule(cell.home, "nightly", "run", by="test")
    done = cell.wait(job_id)
    assert (done.state, done.operation, done.options["level"]) == ("completed", "backup", "full")
