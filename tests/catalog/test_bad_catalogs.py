"""A damaged or lost catalog: recognised, told with what to do, and left exactly as it is."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from engine.catalog import connecting, jobs, opening, tables
from engine.catalog.checking import check_catalog, keep_backups
from engine.catalog.faults import meaning_of
from engine.catalog.opening import open_catalog
from engine.catalog.refusing import refuse_old_library
from engine.catalog.revision import HEAD
from engine.model.errors import (
    CatalogBusy,
    CatalogCorrupt,
    CatalogError,
    CatalogTooNew,
    NotFoundError,
)
from engine.model.states import Severity
from tests.catalog.estate import NOW, make_estate, new_job

PAGE_BYTES = 4096


def fingerprint(home):
    """Everything in the home, so that a test can tell that nothing was touched."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in home.path.iterdir()
        if path.is_file() and not path.name.endswith("-shm")
    }


@pytest.fixture
def closed(home):
    """A catalog with some pages of rows, that nobody has open."""
    with open_catalog(home, create=True) as catalog, catalog.write() as session:
        make_estate(session)
        for number in range(200):
            session.add(
                tables.Event(at=NOW, severity="info", code="x", message=f"event {number} " * 20)
            )
    return home


def garbage(content):
    return hashlib.shake_128(b"garbage").digest(len(content))


def garbage_in_schema(content):
    return content[:100] + b"\xff" * 400 + content[500:]


def half(content):
    return content[: len(content) // 2 // PAGE_BYTES * PAGE_BYTES]


def torn(content):
    return content[: PAGE_BYTES // 2]


def nothing(_content):
    return b""


@pytest.mark.parametrize("damage", [garbage, garbage_in_schema, half, torn, nothing])
def test_damage_is_recognised_and_left_alone(closed, damage):
    closed.catalog.write_bytes(damage(closed.catalog.read_bytes()))
    before = fingerprint(closed)

    with pytest.raises(CatalogCorrupt, match="is damaged") as caught:
        open_catalog(closed)
    with pytest.raises(CatalogCorrupt):
        open_catalog(closed, create=True)

    assert "stop the service" in caught.value.hint
    assert [finding.severity for finding in check_catalog(closed)] == [Severity.ERROR]
    assert fingerprint(closed) == before


def test_hint_names_the_copy_to_go_back_to(closed):
    copy = keep_backups(closed)
    closed.catalog.write_bytes(b"x" * 9000)

    with pytest.raises(CatalogCorrupt) as caught:
        open_catalog(closed)

    assert str(copy) in caught.value.hint


def test_flipped_page_is_found_by_the_check_and_by_who_reads_it(closed):
    content = bytearray(closed.catalog.read_bytes())
    at = content.rindex(b"event 100 ") // PAGE_BYTES * PAGE_BYTES
    for byte in range(at, at + 64):
        content[byte] ^= 0xFF
    closed.catalog.write_bytes(content)
    before = fingerprint(closed)

    with (
        open_catalog(closed) as catalog,
        pytest.raises(CatalogCorrupt),
        catalog.read() as session,
    ):
        session.connection().execute(text("SELECT sum(length(message)) FROM event")).all()

    findings = check_catalog(closed)
    assert findings
    assert all("damaged" in finding.what and finding.hint for finding in findings)
    assert fingerprint(closed) == before


def test_no_copy_is_made_of_a_damaged_catalog_and_no_older_one_is_let_go(closed):
    good = keep_backups(closed, now=NOW)
    content = bytearray(closed.catalog.read_bytes())
    at = content.rindex(b"event 100 ") // PAGE_BYTES * PAGE_BYTES
    content[at : at + 64] = bytes(64)
    closed.catalog.write_bytes(content)

    with pytest.raises(CatalogCorrupt):
        keep_backups(closed, kept=1)

    assert list(closed.backups.iterdir()) == [good]


def test_database_of_something_else_is_not_touched(home):
    home.make()
    with closing(sqlite3.connect(home.catalog)) as other, other:
        other.execute("CREATE TABLE photos (id INTEGER)")
    before = fingerprint(home)

    with pytest.raises(CatalogCorrupt, match="something else"):
        open_catalog(home, create=True)

    assert fingerprint(home)["catalog.db"] is not None
    with closing(sqlite3.connect(home.catalog)) as other:
        assert other.execute("SELECT name FROM sqlite_schema").fetchall() == [("photos",)]
    assert set(fingerprint(home)) == set(before)


@pytest.mark.parametrize("rows", [(), ("0001", "0002")])
def test_catalog_that_states_no_single_revision_is_damaged(closed, rows):
    with closing(sqlite3.connect(closed.catalog)) as other, other:
        other.execute("DELETE FROM alembic_version")
        other.executemany("INSERT INTO alembic_version VALUES (?)", [(row,) for row in rows])

    with pytest.raises(CatalogCorrupt, match=f"states {len(rows)} revisions"):
        open_catalog(closed)


def test_newer_catalog_is_refused(closed):
    with closing(sqlite3.connect(closed.catalog)) as other, other:
        other.execute("UPDATE alembic_version SET version_num = '9\x1b[31m999'")

    with pytest.raises(
        CatalogTooNew, match=rf"revision 9\\x1b\[31m999, this auxtui knows up to {HEAD}"
    ):
        open_catalog(closed)
    assert "9" in check_catalog(closed)[0].what


def killed_while_open(home):
    """Leaves the catalog as a killed process does: with its log and shared memory."""
    code = (
        "import os, sys; from pathlib import Path\n"
        "from engine.catalog import jobs; from engine.catalog.home import Home\n"
        "from engine.catalog.opening import open_catalog\n"
        "c = open_catalog(Home(Path(sys.argv[1])))\n"
        "with c.write() as s: print(jobs.next_id(s), flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(home.path)], capture_output=True, check=False, timeout=240
    )
    assert done.returncode == -9, done.stderr
    return int(done.stdout)


def test_what_a_killed_process_had_committed_is_there(closed):
    taken = killed_while_open(closed)

    with open_catalog(closed) as catalog, catalog.write() as session:
        assert jobs.next_id(session) == taken + 1


def test_missing_log_is_recognised(closed):
    killed_while_open(closed)
    Path(f"{closed.catalog}-wal").unlink()
    before = fingerprint(closed)

    with pytest.raises(CatalogCorrupt, match=r"write-ahead log catalog\.db-wal is missing"):
        open_catalog(closed)

    assert "write-ahead log" in check_catalog(closed)[0].what
    assert fingerprint(closed) == before


def test_missing_database_beside_its_log_is_not_made_anew(closed):
    killed_while_open(closed)
    closed.catalog.unlink()
    before = fingerprint(closed)

    with pytest.raises(CatalogCorrupt, match=r"catalog\.db is missing"):
        open_catalog(closed, create=True)

    assert fingerprint(closed) == before


@pytest.mark.parametrize("trace", ["backups/catalog-2026-03-01.db", "manifests/7.jsonl.zst"])
def test_lost_catalog_is_not_replaced_by_an_empty_one(home, trace):
    home.make()
    (home.path / trace).write_bytes(b"x")

    for create in (False, True):
        with pytest.raises(CatalogCorrupt, match=r"catalog\.db is missing"):
            open_catalog(home, create=create)

    assert not home.catalog.exists()


def test_directory_in_the_place_of_the_catalog_is_told(home):
    home.make()
    home.catalog.mkdir()

    with pytest.raises(CatalogError, match="cannot open the catalog"):
        open_catalog(home, create=True)


def test_check_of_no_catalog_says_so(home):
    with pytest.raises(NotFoundError, match="there is no catalog"):
        check_catalog(home)


def test_table_that_is_gone_is_damage(estate, home):
    with estate.write() as session:
        session.connection().execute(text("DROP TABLE event"))

    with pytest.raises(CatalogCorrupt, match="no such table"), estate.read() as session:
        session.connection().execute(text("SELECT * FROM event"))


def test_other_writer_is_waited_for_then_told(estate, home, monkeypatch):
    estate.close()
    settings = tuple(s for s in connecting._SETTINGS if "busy_timeout" not in s)
    monkeypatch.setattr(connecting, "_SETTINGS", ("PRAGMA busy_timeout=1", *settings))
    with closing(connecting.connect_to(home.catalog)) as other:
        other.execute("BEGIN IMMEDIATE")

        with (
            pytest.raises(CatalogBusy, match="held by another writer") as caught,
            estate.write() as session,
        ):
            new_job(session)

    assert caught.value.retryable
    assert caught.value.exit_code == 75


def test_full_disk_is_told_and_changes_nothing(estate, home):
    def fill():
        with estate.write() as session:
            connection = session.connection()
            pages = connection.execute(text("PRAGMA page_count")).scalar_one()
            connection.execute(text(f"PRAGMA max_page_count={pages}"))
            session.add(tables.Event(at=NOW, severity="info", code="x", message="x" * 100_000))

    with pytest.raises(CatalogError, match="no space left") as caught:
        fill()

    assert not isinstance(caught.value, CatalogCorrupt)
    assert "free space" in caught.value.hint
    with estate.read() as session:
        assert session.connection().execute(text("SELECT count(*) FROM event")).scalar_one() == 0


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (sqlite3.SQLITE_IOERR_FSYNC, CatalogError, "cannot use the catalog"),
        (sqlite3.SQLITE_IOERR_SHORT_READ, CatalogError, "cannot use the catalog"),
        (sqlite3.SQLITE_READONLY, CatalogError, "cannot open the catalog"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, CatalogBusy, "another writer"),
        (sqlite3.SQLITE_LOCKED, CatalogBusy, "another writer"),
        (sqlite3.SQLITE_CORRUPT_VTAB, CatalogCorrupt, "damaged"),
    ],
)
def test_every_code_of_the_driver_has_its_meaning(home, code, kind, words):
    fault = sqlite3.OperationalError("it failed")
    fault.sqlite_errorcode = code

    meant = meaning_of(home, fault)

    assert type(meant) is kind
    assert words in meant.message
    assert meant.hint


def test_writer_of_the_same_process_is_waited_for_then_told(home, monkeypatch):
    monkeypatch.setattr(opening, "WRITER_WAIT_S", 0.01)
    with (
        open_catalog(home, create=True) as catalog,
        catalog.write() as session,
    ):
        jobs.next_id(session)

        with pytest.raises(CatalogBusy), catalog.write() as second:
            jobs.next_id(second)


def test_home_that_cannot_be_written_is_told(home, monkeypatch):
    home.make()

    def refuse(*_arguments, **_options):
        raise OSError(28, "No space left on device", "aside")

    monkeypatch.setattr("engine.catalog.creation.make_private_file", refuse)
    with pytest.raises(CatalogError, match="cannot use aside: No space left") as caught:
        open_catalog(home, create=True)

    assert "free space" in caught.value.hint
    assert not home.catalog.exists()


def test_old_sqlite_is_refused():
    with pytest.raises(CatalogError, match=r"SQLite 3\.34\.1, auxtui needs 3\.35\.0"):
        refuse_old_library((3, 34, 1))
    refuse_old_library((3, 35, 0))
    refuse_old_library((4, 0))


def test_a_bug_of_ours_is_not_dressed_up(estate):
    with pytest.raises(Exception, match="syntax error"), estate.read() as session:
        session.connection().execute(text("SELEC 1"))
