"""Opens the catalog: an engine for the writer, one for readers, the revision checked first.

One `Catalog` serves all threads of a process. Writers of a process queue for one connection, so
that each gets its turn; between processes `BEGIN IMMEDIATE` and the busy timeout decide.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlmodel import Session

from engine.catalog.connecting import connect_to
from engine.catalog.creation import create_catalog
from engine.catalog.faults import catalog_faults, corrupt, file_faults
from engine.catalog.home import Home
from engine.catalog.refusing import refuse_lost_log, refuse_old_library, refuse_to_replace
from engine.catalog.revision import HEAD, REVISIONS, VERSION_TABLE
from engine.catalog.upgrading import upgrade
from engine.model.errors import CatalogTooNew, NotFoundError
from engine.model.names import shown

WRITER_WAIT_S = 30.0  # for the writer's connection within this process, before it is busy


class Catalog:
    """The open catalog of one CommCell."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._writer = _engine(home, "BEGIN IMMEDIATE", pool_size=1, max_overflow=0)
        self._reader = _engine(home, "BEGIN", pool_size=4, max_overflow=-1)
        event.listen(self._reader, "connect", _refuse_writes)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session in one transaction that no other writer can be in; committed at its end.

        Raises:
            CatalogBusy: another writer held the catalog for longer than the busy timeout.
            CatalogCorrupt, CatalogError: it cannot be read or written; nothing was changed.
        """
        with catalog_faults(self.home), Session(self._writer) as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees the catalog as it is at its first query, and cannot change it.

        Raises:
            CatalogCorrupt, CatalogError: it cannot be read.
        """
        with catalog_faults(self.home), Session(self._reader) as session:
            yield session

    def close(self) -> None:
        """Closes the connections; sessions must be closed before."""
        self._writer.dispose()
        self._reader.dispose()

    def __enter__(self) -> Catalog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_catalog(home: Home, *, create: bool = False, service: bool = False) -> Catalog:
    """Opens the catalog of a home; an older one is backed up and migrated first.

    Args:
        home: where it lives.
        create: make a new one when there is none and never was.
        service: the caller holds the service's lock. Anyone else migrates only while no service
            runs, because an older service would go on writing in the old form.

    Raises:
        NotFoundError: there is none, and `create` is not set.
        CatalogTooNew: a newer auxtui wrote it.
        CatalogCorrupt: it is damaged, or was lost; it is left as it is.
        CatalogBusy: another process uses it, and it must be migrated first.
        CatalogError: it cannot be opened.
    """
    refuse_old_library()
    with catalog_faults(home), file_faults(home):
        if not os.path.lexists(home.catalog):
            refuse_to_replace(home)
            if not create:
                raise NotFoundError(
                    f"there is no catalog in {shown(str(home.path))}",
                    hint="make one with: auxtui apply FILE.toml (or auxtui demo)",
                )
            create_catalog(home)
        home.refuse_remote()
        refuse_lost_log(home)
        _tighten_modes(home)
        if revision_of(home) != HEAD:
            upgrade(home, service=service)
    return Catalog(home)


def revision_of(home: Home) -> str:
    """The revision of the catalog's schema; one of those that this auxtui knows.

    Raises:
        CatalogTooNew: it is not known here.
        CatalogCorrupt: it is no catalog.
    """
    if home.catalog.stat().st_size == 0:
        raise corrupt(home, "the file is empty")
    with closing(connect_to(home.catalog)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
        if VERSION_TABLE not in tables:
            raise corrupt(home, "it is a database of something else, or lost its tables")
        rows = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall()  # noqa: S608 - a constant
    if len(rows) != 1:
        raise corrupt(home, f"it states {len(rows)} revisions instead of one")
    found = str(rows[0][0])
    if found not in REVISIONS:
        raise CatalogTooNew(
            f"the catalog {shown(str(home.catalog))} has revision {shown(found)}, "
            f"this auxtui knows up to {HEAD}",
            hint="use the newer auxtui that wrote it, or go back to a copy in backups/",
        )
    return found


def _tighten_modes(home: Home) -> None:
    for suffix in ("", "-wal", "-shm"):
        path = f"{home.catalog}{suffix}"
        try:
            if stat.S_IMODE(os.stat(path).st_mode) & 0o077:
                os.chmod(path, 0o600)
        except FileNotFoundError:
            continue  # no log while nobody has it open


def _engine(home: Home, begin: str, *, pool_size: int, max_overflow: int) -> Engine:
    engine = create_engine(
        "sqlite://",
        creator=lambda: connect_to(home.catalog),
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=WRITER_WAIT_S,
    )

    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "begin", begin_transaction)
    return engine


def _refuse_writes(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA query_only=ON")
