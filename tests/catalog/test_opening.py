"""Opening: made once and whole, private, with the settings that the promises need."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from engine.catalog import config, jobs, tables
from engine.catalog.home import Home
from engine.catalog.opening import open_catalog
from engine.model.errors import CatalogError, NotFoundError
from tests.catalog.estate import new_job


def run_python(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_missing_catalog_is_not_made_by_itself(home):
    with pytest.raises(NotFoundError, match="there is no catalog") as caught:
        open_catalog(home)

    assert "auxtui apply" in caught.value.hint
    assert not home.path.exists()


def test_new_catalog_has_one_commcell_and_its_sequence(home):
    with open_catalog(home, create=True) as catalog, catalog.write() as session:
        commcell = config.commcell(session)

        assert len(commcell.uuid) == 36
        assert commcell.created_at.tzinfo is not None
        assert jobs.next_id(session) == 1


def test_opening_again_keeps_what_is_there(home):
    with open_catalog(home, create=True) as catalog, catalog.read() as session:
        uuid = config.commcell(session).uuid

    with open_catalog(home, create=True) as catalog, catalog.read() as session:
        assert config.commcell(session).uuid == uuid
    assert sorted(path.name for path in home.path.iterdir()) == [
        "backups",
        "catalog.db",
        "indexes",
        "manifests",
    ]


def test_files_are_private_whatever_the_umask(home):
    before = os.umask(0)
    try:
        with open_catalog(home, create=True) as catalog, catalog.write() as session:
            jobs.next_id(session)
            modes = {
                path.name: stat.S_IMODE(path.stat().st_mode)
                for path in home.path.iterdir()
                if path.is_file()
            }
    finally:
        os.umask(before)

    assert modes == {"catalog.db": 0o600, "catalog.db-wal": 0o600, "catalog.db-shm": 0o600}


def test_modes_that_were_opened_up_are_tightened(home):
    open_catalog(home, create=True).close()
    home.catalog.chmod(0o644)

    open_catalog(home).close()

    assert stat.S_IMODE(home.catalog.stat().st_mode) == 0o600


def test_settings_hold_on_every_connection(catalog):
    expected = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "cell_size_check": 1,
        "busy_timeout": 5000,
    }
    for session_of in (catalog.write, catalog.read):
        with session_of() as session:
            connection = session.connection()
            found = {
                name: connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in expected
            }
        assert found == expected


def test_reading_session_cannot_write(catalog):
    with pytest.raises(CatalogError, match="readonly"), catalog.read() as session:
        jobs.next_id(session)


def test_reading_session_sees_one_moment(estate):
    with estate.read() as reader:
        assert jobs.active_jobs(reader) == []
        with estate.write() as writer:
            new_job(writer)

        assert jobs.active_jobs(reader) == []
    with estate.read() as reader:
        assert len(jobs.active_jobs(reader)) == 1


def test_failed_work_leaves_nothing(estate):
    def work():
        with estate.write() as session:
            new_job(session)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()

    with estate.write() as session:
        assert jobs.jobs(session) == []
        assert new_job(session) == 1


def test_dangling_reference_is_refused(catalog):
    with pytest.raises(IntegrityError), catalog.write() as session:
        session.add(tables.DataPath(library_id=7, media_agent_id=7))


def test_one_catalog_serves_many_threads(estate):
    def take(_):
        with estate.write() as session:
            return new_job(session)

    def look(_):
        with estate.read() as session:
            return len(jobs.active_jobs(session))

    with ThreadPoolExecutor(8) as pool:
        taken = pool.map(take, range(64))
        seen = pool.map(look, range(64))
        assert sorted(taken) == list(range(1, 65))
        assert all(0 <= number <= 64 for number in seen)


@pytest.mark.parametrize(
    "name", ["a b", "q?mode=memory", "h#x", "%41", "é", "ünï\n", os.fsdecode(b"raw-\xff"), "'; --"]
)
def test_any_directory_name_will_do(tmp_path, name):
    home = Home(tmp_path / name)

    with open_catalog(home, create=True) as catalog, catalog.write() as session:
        jobs.next_id(session)

    assert home.catalog.exists()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with open_catalog(home) as catalog, catalog.write() as session:
        assert jobs.next_id(session) == 2


def test_processes_that_make_it_at_once_find_one_catalog(home):
    code = (
        "import sys; from pathlib import Path\n"
        "from engine.catalog.home import Home; from engine.catalog.opening import open_catalog\n"
        "from engine.catalog import config\n"
        "with open_catalog(Home(Path(sys.argv[1])), create=True) as c, c.read() as s:\n"
        "    print(config.commcell(s).uuid)\n"
    )

    with ThreadPoolExecutor(3) as pool:
        uuids = set(pool.map(lambda _: run_python(code, home.path), range(3)))

    assert len(uuids) == 1
    assert not [path for path in home.path.iterdir() if path.name.startswith(".")]


def test_opening_a_current_catalog_does_not_import_the_migration_tool(home):
    open_catalog(home, create=True).close()
    code = (
        "import sys; from pathlib import Path\n"
        "from engine.catalog.home import Home; from engine.catalog.opening import open_catalog\n"
        "open_catalog(Home(Path(sys.argv[1]))).close()\n"
        "print('alembic' in sys.modules)\n"
    )

    assert run_python(code, home.path) == "False"


def test_home_and_values_come_without_sqlmodel():
    code = (
        "import sys; import engine.catalog.home, engine.catalog.values\n"
        "print(sorted({'sqlmodel', 'sqlalchemy', 'sqlite3'} & set(sys.modules)))"
    )

    assert run_python(code) == "[]"


def test_vanished_catalog_is_not_made_anew_by_a_new_connection(estate, home):
    estate.close()
    moved = Path(f"{home.catalog}.moved")
    home.catalog.rename(moved)

    with pytest.raises(CatalogError, match="cannot open the catalog"), estate.read() as session:
        jobs.active_jobs(session)

    assert not home.catalog.exists()


def test_no_file_of_the_catalog_is_ever_opened_by_hand(home):
    """Closing any descriptor of a database drops the locks that this process holds on it."""
    code = (
        "import sys; from pathlib import Path\n"
        "from engine.catalog import jobs, checking\n"
        "from engine.catalog.home import Home; from engine.catalog.opening import open_catalog\n"
        "opened = []\n"
        "sys.addaudithook(lambda e, a: opened.append(str(a[0])) if e == 'open' else None)\n"
        "home = Home(Path(sys.argv[1]))\n"
        "with open_catalog(home, create=True) as c:\n"
        "    with c.write() as s: jobs.next_id(s)\n"
        "    checking.check_catalog(home)\n"
        "    checking.keep_backups(home)\n"
        "    checking.backup_catalog(home, home.path / 'copy.db')\n"
        "    open_catalog(home).close()\n"
        "print([name for name in opened if 'catalog.db' in name])\n"
        "assert any('service' in n or 'backups' in n for n in opened)\n"
    )

    assert run_python(code, home.path) == "[]"
