"""The check finds what contradicts; copies are whole, private, never over another, and rotate."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from engine.catalog import backups, events, jobs, ledger, service_state
from engine.catalog.checking import backup_catalog, check_catalog, keep_backups
from engine.catalog.durable import link_in
from engine.catalog.home import Home
from engine.catalog.opening import open_catalog
from engine.model.errors import CatalogError, NotFoundError, UsageError
from engine.model.states import JobCopyState, JobState, Severity
from tests.catalog.estate import MONTHLY, NOW, OFFSITE, PRIMARY, WWW, adopt, new_job


def execute(catalog, statement):
    with catalog.write() as session:
        session.connection().execute(text(statement))


def execute_unchecked(home, statement):
    """Changes what the catalog itself would refuse."""
    with closing(sqlite3.connect(home.catalog)) as connection, connection:
        connection.execute(statement)


@pytest.fixture
def used(estate):
    """An estate with backup jobs, copied ones among them, and an ended job."""
    with estate.write() as session:
        job_id = new_job(session, state=JobState.COMPLETED)
        for number in range(3):
            backup_job_id = adopt(session, name=b"%d" % number)
            ledger.mark_available(
                session,
                OFFSITE,
                backup_job_id,
                manifest_digest=b"d" * 32,
                chunks=1,
                size_bytes=1,
                by_job=job_id,
                now=NOW,
            )
        ledger.set_state(session, MONTHLY, backup_job_id, JobCopyState.DO_NOT_COPY, "not monthly")
    return estate


def test_catalog_that_is_well_has_no_findings(used, home):
    assert check_catalog(home) == []


def test_check_changes_nothing(used, home):
    with used.read() as session:
        before = session.connection().execute(text("PRAGMA data_version")).scalar_one()
        check_catalog(home)
        after = session.connection().execute(text("PRAGMA data_version")).scalar_one()

    assert before == after


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "UPDATE job_copy SET manifest_digest = NULL WHERE copy_id = 2 AND backup_job_id > 2",
            "2 backup jobs are available on copy offsite without the digest",
        ),
        ("UPDATE policy_copy SET kind = 'primary' WHERE id = 2", "has 2 primary copies"),
        ("UPDATE policy_copy SET kind = 'selective'", "has 0 primary copies"),
        ("DELETE FROM job_copy WHERE copy_id = 1", "3 backup jobs have no line for a primary"),
        ("UPDATE id_sequence SET next_id = 3", "stands at [3], the largest id is 4"),
        ("DELETE FROM id_sequence", "stands at []"),
        ("UPDATE job SET options = '{torn'", "table job holds a value that cannot be read"),
        ("UPDATE job SET created_at = 'yesterday'", "table job holds a value"),
    ],
)
def test_contradiction_is_found(used, home, statement, words):
    execute(used, statement)

    findings = check_catalog(home)

    assert words in " / ".join(finding.what for finding in findings)
    assert all(finding.severity is Severity.ERROR and finding.hint for finding in findings)


def test_text_that_is_no_text_is_found(used, home):
    with used.write() as session:
        events.add_event(session, severity=Severity.INFO, code="x", message="m", now=NOW)
    execute(used, "UPDATE event SET message = CAST(x'ff00fe' AS TEXT)")

    (finding,) = check_catalog(home)

    assert "table event holds a value that cannot be read" in finding.what


def test_reference_to_nothing_is_found(used, home):
    execute_unchecked(home, "DELETE FROM backup_job WHERE id = 3")

    findings = check_catalog(home)

    assert len(findings) == 2
    assert all("of job_copy refers to a row of backup_job" in found.what for found in findings)


def test_available_content_on_the_primary_needs_its_proof_too(estate, home):
    with estate.write() as session:
        adopt(session, subclient_id=WWW, name=b"", fingerprint="")

    (finding,) = check_catalog(home)

    assert "available on copy primary without the digest" in finding.what


def dead_pid():
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    return int(done.stdout)


@pytest.mark.parametrize("served", [None, "dead", "stopped", "alive"])
def test_running_job_without_a_service_is_found(estate, home, served):
    with estate.write() as session:
        new_job(session, state=JobState.RUNNING)
        new_job(session, state=JobState.SUSPENDED)
        if served is not None:
            pid = dead_pid() if served == "dead" else os.getpid()
            service_state.new_epoch(session, pid=pid, host="h", boot_id="b", version="1", now=NOW)
        if served == "stopped":
            service_state.set_stopped(session, NOW)

    findings = check_catalog(home)

    if served == "alive":
        assert findings == []
    else:
        assert [finding.what for finding in findings] == [
            "job 1 is called running, and no service runs"
        ]
        assert findings[0].severity is Severity.WARNING


def test_copy_is_one_whole_private_file(used, home, tmp_path):
    target = tmp_path / "copy.db"
    with used.write() as session:
        new_job(session)
        backup_catalog(home, target)

    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path != home.path] == ["copy.db"]
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert copy.execute("SELECT id FROM job").fetchall() == [(1,)]


def test_copy_serves_as_a_catalog(used, home, tmp_path):
    elsewhere = Home(tmp_path / "restored").make()
    backup_catalog(home, elsewhere.catalog)

    with open_catalog(elsewhere) as catalog, catalog.write() as session:
        assert len(ledger.job_copies(session, PRIMARY)) == 3
        assert jobs.next_id(session) == 5
    assert check_catalog(elsewhere) == []


@pytest.mark.parametrize("taken", ["file", "link", "itself"])
def test_copy_never_replaces_anything(used, home, tmp_path, taken):
    target = home.catalog if taken == "itself" else tmp_path / "copy.db"
    if taken == "file":
        target.write_bytes(b"mine")
    if taken == "link":
        target.symlink_to(tmp_path / "nowhere")

    with pytest.raises(UsageError, match="something is there"):
        backup_catalog(home, target)

    assert check_catalog(home) == []
    if taken == "file":
        assert target.read_bytes() == b"mine"
    assert not (tmp_path / "nowhere").exists()
    assert not [path for path in target.parent.iterdir() if path.name.startswith(".")]


def test_copy_to_no_directory_or_of_no_catalog_is_refused(used, home, tmp_path):
    with pytest.raises(UsageError, match="no such directory"):
        backup_catalog(home, tmp_path / "none" / "copy.db")
    with pytest.raises(NotFoundError, match="there is no catalog"):
        backup_catalog(Home(tmp_path / "empty"), tmp_path / "copy.db")


def test_full_disk_under_the_copy_leaves_nothing(used, home, tmp_path, monkeypatch):
    class Full(sqlite3.Connection):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.execute("PRAGMA max_page_count=3")

        def execute(self, statement, *arguments):
            if "journal_mode" in statement:
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error
            return super().execute(statement, *arguments)

    connect = sqlite3.connect
    monkeypatch.setattr(
        backups.sqlite3,
        "connect",
        lambda name, **options: connect(
            name, **options, **({"factory": Full} if "copy.db" in str(name) else {})
        ),
    )

    with pytest.raises(CatalogError, match="cannot write a copy") as caught:
        backup_catalog(home, tmp_path / "copy.db")

    assert "free space" in caught.value.hint
    assert [path for path in tmp_path.iterdir() if path != home.path] == []


def test_disk_without_hard_links_takes_copies_too(tmp_path, monkeypatch):
    def refuse(*_arguments, **_options):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    aside, target = tmp_path / "aside", tmp_path / "target"
    aside.write_bytes(b"new")

    link_in(aside, target)

    assert (target.read_bytes(), aside.exists()) == (b"new", False)
    aside.write_bytes(b"newer")
    with pytest.raises(FileExistsError):
        link_in(aside, target)
    assert target.read_bytes() == b"new"


def test_seven_daily_copies_are_kept_and_those_before_migrations(used, home):
    other = home.backups / "catalog-0001-20260101T000000.000000Z.db"
    other.write_bytes(b"before a migration")
    (home.backups / "mine.txt").write_bytes(b"not ours")

    made = [keep_backups(home, now=NOW + timedelta(days=day)) for day in range(10)]

    assert made[0] == home.backups / "catalog-2026-03-01.db"
    assert sorted(home.backups.glob("catalog-2026-*")) == made[3:]
    assert other.exists()
    assert (home.backups / "mine.txt").exists()


def test_second_copy_of_a_day_is_not_made(used, home):
    first = keep_backups(home, now=NOW)
    before = first.stat()

    assert keep_backups(home, now=NOW + timedelta(hours=5)) is None
    assert first.stat().st_ino == before.st_ino


def test_writers_go_on_while_a_copy_is_made(used, home, tmp_path, monkeypatch):
    make = backups.make_private_file

    def write_meanwhile(path: Path):
        make(path)
        with used.write() as session:
            new_job(session)

    monkeypatch.setattr(backups, "make_private_file", write_meanwhile)
    with used.read() as session:
        jobs.jobs(session)
        backup_catalog(home, tmp_path / "copy.db")

    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM job").fetchone() == (2,)
