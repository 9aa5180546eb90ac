"""Rows of the catalog as plain Python values, and SQLite's failures as the project's errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from engine.model.errors import CatalogBusy, CatalogCorrupt, CatalogError

ID_BATCH = 500  # parameters in one IN list, well below SQLite's limit


def at(text: str | None) -> datetime | None:
    """A time column as aware UTC; SQLModel stores it as naive UTC text."""
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


def known_at(text: str) -> datetime:
    """A time column that is never empty."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def to_text(moment: datetime) -> str:
    """An aware time as the catalog stores it, comparable as text."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def marks(count: int) -> str:
    """Placeholders of an IN list."""
    return ",".join("?" * count)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into those that callers decide by.

    Raises:
        CatalogBusy: a writer holds it.
        CatalogCorrupt: it is damaged, or not a catalog.
        CatalogError: it has other tables than this version knows.
    """
    try:
        yield
    except sqlite3.OperationalError as err:
        text = str(err)
        if "locked" in text or "busy" in text:
            raise CatalogBusy(
                f"the catalog is held by another writer: {path}", hint="try again in a moment"
            ) from err
        if "no such table" in text or "no such column" in text:
            raise CatalogError(
                f"the catalog was made by another version of auxtui: {text} in {path}",
                hint="`auxtui doctor` brings it up to date, after a backup",
            ) from err
        raise CatalogError(
            f"cannot read the catalog {path}: {text}",
            hint="look at the disk that it lies on, then `auxtui doctor`",
        ) from err
    except sqlite3.DatabaseError as err:
        raise CatalogCorrupt(
            f"the catalog is damaged: {err}: {path}",
            hint="stop the service, keep the file, restore a backup or run `auxtui catalog rebuild`",
        ) from err


class LiveQueries:
    """What every group of queries stands on: one connection."""

    _db: sqlite3.Connection
    _path: Path

    def _rows(self, sql: str, *parameters: object) -> list[sqlite3.Row]:
        with reading(self._path):
            return self._db.execute(sql, parameters).fetchall()

    def _rows_by_id(
        self, sql: str, ids: Sequence[int], *parameters: object
    ) -> dict[int, sqlite3.Row]:
        """Runs a query whose last condition is `IN ({ids})` in batches; keyed by its first column."""
        found: dict[int, sqlite3.Row] = {}
        for start in range(0, len(ids), ID_BATCH):
            batch = ids[start : start + ID_BATCH]
            rows = self._rows(sql.format(ids=marks(len(batch))), *parameters, *batch)
            found.update((int(row[0]), row) for row in rows)
        return found
