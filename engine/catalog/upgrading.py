"""Brings an older catalog to the present revision; imports the migration tool only then.

One transaction that no other writer can be in: killed at any instant, the older catalog is there
as it was, and so is a copy of it under `backups/`.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, NullPool, create_engine, event

from engine.catalog.backups import backup_before_migration
from engine.catalog.connecting import connect_to
from engine.catalog.faults import corrupt
from engine.catalog.home import Home
from engine.catalog.revision import HEAD, VERSION_TABLE
from engine.model.errors import CatalogBusy
from engine.model.names import shown

SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(home: Home, *, service: bool, scripts: Path = SCRIPTS, head: str = HEAD) -> None:
    """Copies the catalog aside, then migrates it.

    Args:
        home: whose catalog.
        service: the caller holds the service's lock already.
        scripts: directory of the migration environment.
        head: the revision to reach.

    Raises:
        CatalogBusy: a service runs, or another process is writing.
        CatalogCorrupt, CatalogError: it cannot be copied or migrated; it is as it was.
    """
    with _nobody_serves(home, service=service), _one_transaction(home) as connection:
        query = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 - a constant
        found = str(connection.exec_driver_sql(query).scalar_one())
        if found == head:
            return  # another process was quicker
        backup_before_migration(home, found)
        _run_scripts(connection, scripts, head)
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise corrupt(home, f"{len(broken)} rows of revision {found} refer to nothing")


@contextmanager
def _one_transaction(home: Home) -> Iterator[Connection]:
    def connect() -> sqlite3.Connection:
        connection = connect_to(home.catalog)
        # A changed table is built anew and the old one dropped: that must not cascade. It cannot
        # be switched off inside of a transaction; what refers to what is checked at the end.
        connection.execute("PRAGMA foreign_keys=OFF")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)

    def begin_immediate(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "begin", begin_immediate)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _run_scripts(connection: Connection, scripts: Path, head: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, head)


@contextmanager
def _nobody_serves(home: Home, *, service: bool) -> Iterator[None]:
    """Keeps the service away while the catalog changes its form."""
    if service:
        yield
        return
    descriptor = os.open(home.service_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise CatalogBusy(
                f"the catalog {shown(str(home.catalog))} is of an older form, and a service runs",
                hint="stop it with: auxtui service stop; then run this again",
            ) from err
        yield
    finally:
        os.close(descriptor)
