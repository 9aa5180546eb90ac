"""New catalogs of tests are copies of one that the engine has made: to make its tables takes longer than many a test.

Each is a CommCell of its own. How a catalog is made is proven in `tests/catalog`, where none is a copy.
"""

from __future__ import annotations

import sqlite3
import tempfile
import uuid
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from engine.catalog import creation

make_tables = creation._fill


def copy_instead(patch: pytest.MonkeyPatch) -> None:
    """From now on a new catalog is filled with a copy."""
    patch.setattr(creation, "_fill", _fill)


def make_anew(patch: pytest.MonkeyPatch) -> None:
    """From now on a new catalog is filled as the engine does it."""
    patch.setattr(creation, "_fill", make_tables)


def _fill(path: Path) -> None:
    path.write_bytes(_blank())
    with closing(sqlite3.connect(path, isolation_level=None)) as own:
        own.execute("PRAGMA synchronous=OFF")
        now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
        own.execute("UPDATE commcell SET uuid = ?, created_at = ?", (str(uuid.uuid4()), now))


@cache
def _blank() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "blank.db")
        path.touch()
        make_tables(path)
        return path.read_bytes()
