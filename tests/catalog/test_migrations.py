"""Migrations: copied first, one transaction, older ones usable after any failure."""

from __future__ import annotations

import fcntl
import re
import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlmodel import SQLModel

from engine.catalog import config, jobs, opening
from engine.catalog.checking import check_catalog
from engine.catalog.home import Home
from engine.catalog.opening import open_catalog, revision_of
from engine.catalog.revision import HEAD, REVISIONS
from engine.catalog.upgrading import SCRIPTS, _run_scripts, upgrade
from engine.model.errors import CatalogBusy, CatalogCorrupt
from engine.model.states import Severity
from tests.catalog.estate import make_estate, new_job

NEXT = f"{max(map(int, REVISIONS)) + 1:04d}"
FOLLOWING = f"""
import os
import signal
import sqlalchemy as sa
from alembic import op

revision = "{NEXT}"
down_revision = "{HEAD}"
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table("policy_copy") as batch:
        batch.add_column(sa.Column("site", sa.String(), nullable=False, server_default="here"))
        batch.drop_column("take")
    with op.batch_alter_table("job") as batch:
        batch.drop_column("exit_code")
    {{last}}
"""


def scripts_with(tmp_path, last="pass"):
    """The migration scripts, and one of a later revision that ends with a statement."""
    scripts = tmp_path / "100%scripts"
    shutil.copytree(SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / f"r{NEXT}_following.py").write_text(FOLLOWING.replace("{last}", last))
    return scripts


@pytest.fixture
def older(home):
    """A catalog that is one revision behind, with rows that others refer to."""
    with open_catalog(home, create=True) as catalog, catalog.write() as session:
        make_estate(session)
        jobs.save_plan(session, new_job(session), {})
    return home


def columns_of(home, table):
    with closing(sqlite3.connect(home.catalog)) as connection:
        return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def rows_of(home, table):
    with closing(sqlite3.connect(home.catalog)) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608


def dump(path):
    with closing(sqlite3.connect(path)) as connection:
        return sorted(connection.iterdump())


def schema_of(path):
    """Names and texts of all tables and indexes, without regard to order, layout and quotes.

    A default that fills a new column for the rows that are there may stay in a migrated one.
    """
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
        return {name: parts_of(sql) for name, sql in rows if name != "alembic_version"}


def parts_of(statement):
    plain = re.sub(r" DEFAULT (\([^)]*\)|\S+?)(?=[ ,\n]|$)", "", statement.replace('"', ""))
    return sorted(part.strip() for part in re.split(r",(?![^(]*\))|\n", plain) if part.strip())


def test_migrated_schema_is_the_schema_of_the_tables(home, tmp_path):
    open_catalog(home, create=True).close()
    migrated = tmp_path / "migrated.db"
    engine = create_engine(f"sqlite:///{migrated}")
    with engine.begin() as connection:
        _run_scripts(connection, SCRIPTS, HEAD)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, SQLModel.metadata)
    engine.dispose()

    assert differences == []
    assert schema_of(migrated) == schema_of(home.catalog)


def test_revisions_are_those_of_the_scripts():
    directory = ScriptDirectory(str(SCRIPTS))

    found = [script.revision for script in directory.walk_revisions()]

    assert tuple(reversed(found)) == REVISIONS
    assert directory.get_current_head() == HEAD


def test_older_catalog_is_copied_then_migrated(older, tmp_path):
    before = dump(older.catalog)

    upgrade(older, service=False, scripts=scripts_with(tmp_path), head=NEXT)

    assert "site" in columns_of(older, "policy_copy")
    assert "take" not in columns_of(older, "policy_copy")
    (copy,) = older.backups.iterdir()
    assert re.fullmatch(rf"catalog-{HEAD}-\d{{8}}T\d{{6}}\.\d{{6}}Z\.db", copy.name)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert dump(copy) == before


def test_rebuilding_a_table_takes_nothing_along(older, tmp_path):
    upgrade(older, service=False, scripts=scripts_with(tmp_path), head=NEXT)

    assert rows_of(older, "policy_copy") == 3
    assert rows_of(older, "job") == 1
    assert rows_of(older, "job_plan") == 1


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_every_older_revision_becomes_the_present_one(home, tmp_path, revision):
    home.make()
    engine = create_engine(f"sqlite:///{home.catalog}")
    with engine.begin() as connection:
        _run_scripts(connection, SCRIPTS, revision)
        insert = (
            "INSERT INTO commcell (id, uuid, name, time_zone, created_at)"
            " VALUES (1, 'u-1', 'hq', 'UTC', '2026-01-01')"
        )
        connection.exec_driver_sql(insert)
    engine.dispose()

    with open_catalog(home) as catalog, catalog.read() as session:
        assert config.commcell(session).uuid == "u-1"

    with open_catalog(Home(tmp_path / "new"), create=True) as new:
        assert schema_of(home.catalog) == schema_of(new.home.catalog)


def test_opening_migrates_an_older_catalog(older, tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "HEAD", NEXT)
    monkeypatch.setattr(opening, "REVISIONS", (*REVISIONS, NEXT))
    monkeypatch.setattr(
        opening, "upgrade", partial(upgrade, scripts=scripts_with(tmp_path), head=NEXT)
    )

    open_catalog(older).close()

    assert revision_of(older) == NEXT
    open_catalog(older).close()
    assert len(list(older.backups.iterdir())) == 1


@pytest.mark.parametrize(
    ("last", "error"),
    [
        ("raise ZeroDivisionError", ZeroDivisionError),
        ("op.execute('DELETE FROM storage_policy')", CatalogCorrupt),
    ],
)
def test_failed_migration_leaves_the_older_catalog(older, tmp_path, last, error):
    before = dump(older.catalog)

    with pytest.raises(error):
        upgrade(older, service=False, scripts=scripts_with(tmp_path, last), head=NEXT)

    assert dump(older.catalog) == before
    open_catalog(older).close()


def test_killed_in_the_middle_the_older_catalog_is_usable(older, tmp_path):
    before = dump(older.catalog)
    scripts = scripts_with(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    code = (
        "import sys; from pathlib import Path\n"
        "from engine.catalog.home import Home; from engine.catalog.upgrading import upgrade\n"
        "upgrade(Home(Path(sys.argv[1])), service=False, scripts=Path(sys.argv[2]), head=sys.argv[3])\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, str(older.path), str(scripts), NEXT],
        capture_output=True,
        check=False,
        timeout=240,
    )

    assert done.returncode == -9, done.stderr
    open_catalog(older).close()
    assert dump(older.catalog) == before
    assert dump(next(iter(older.backups.iterdir()))) == before
    assert check_catalog(older) == []


def test_two_that_open_it_at_once_migrate_it_once(older, tmp_path):
    scripts = scripts_with(tmp_path)

    with ThreadPoolExecutor(2) as pool:
        work = [
            pool.submit(upgrade, older, service=True, scripts=scripts, head=NEXT) for _ in range(2)
        ]
        for done in work:
            done.result()

    assert "site" in columns_of(older, "policy_copy")
    assert len(list(older.backups.iterdir())) == 1


def test_nothing_migrates_under_a_running_service(older, tmp_path):
    scripts = scripts_with(tmp_path)
    with older.service_lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        with pytest.raises(CatalogBusy, match="a service runs") as caught:
            upgrade(older, service=False, scripts=scripts, head=NEXT)
        assert "service stop" in caught.value.hint
        assert "site" not in columns_of(older, "policy_copy")

        upgrade(older, service=True, scripts=scripts, head=NEXT)
    assert "site" in columns_of(older, "policy_copy")


def test_check_of_an_older_catalog_does_not_migrate_it(older, monkeypatch):
    monkeypatch.setattr("engine.catalog.checking.HEAD", NEXT)

    (finding,) = check_catalog(older)

    assert finding.severity is Severity.INFO
    assert HEAD in finding.what
    assert list(older.backups.iterdir()) == []
