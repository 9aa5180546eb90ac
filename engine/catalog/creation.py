"""Makes a new catalog: built aside and linked in whole, so that a half-made one is never seen."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import NullPool, create_engine, event, insert, text
from sqlmodel import SQLModel

from engine.catalog import tables
from engine.catalog.connecting import connect_to
from engine.catalog.durable import link_in, make_private_file
from engine.catalog.home import Home
from engine.catalog.revision import HEAD, VERSION_TABLE


def create_catalog(home: Home) -> None:
    """Makes the catalog with its one CommCell; whoever comes second finds it made.

    Raises:
        CatalogError: the home cannot be made.
    """
    home.make()
    aside = home.path / f".catalog-{uuid.uuid4().hex}.db"
    try:
        make_private_file(aside)
        _fill(aside)
        link_in(aside, home.catalog, exist_ok=True)
    finally:
        aside.unlink(missing_ok=True)


def _fill(path: Path) -> None:
    engine = create_engine("sqlite://", creator=lambda: connect_to(path), poolclass=NullPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    commcell, sequence = tables.CommCell, tables.IdSequence
    try:
        with engine.begin() as connection:
            SQLModel.metadata.create_all(connection)
            connection.execute(
                insert(commcell).values(uuid=str(uuid.uuid4()), created_at=datetime.now(UTC))
            )
            connection.execute(insert(sequence).values(id=1, next_id=1))
            connection.execute(
                text(
                    f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL,"
                    f" CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY (version_num))"
                )
            )
            connection.execute(
                text(f"INSERT INTO {VERSION_TABLE} VALUES (:head)"),  # noqa: S608 - a constant
                {"head": HEAD},
            )
    finally:
        engine.dispose()
