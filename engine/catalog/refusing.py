"""Looks at the files of a catalog before it is opened: what must not be opened, or made anew."""

from __future__ import annotations

import os
import sqlite3

from engine.catalog.faults import corrupt, is_backup_name
from engine.catalog.home import Home
from engine.model.errors import CatalogError

_OLDEST_SQLITE = (3, 35, 0)  # the first that gives back what an update wrote (RETURNING)


def refuse_old_library(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> None:
    """Refuses a SQLite that lacks what the queries need.

    Raises:
        CatalogError: it is too old.
    """
    if version < _OLDEST_SQLITE:
        raise CatalogError(
            f"this Python comes with SQLite {'.'.join(map(str, version))}, "
            f"auxtui needs {'.'.join(map(str, _OLDEST_SQLITE))} or newer",
            hint="use a newer Python, or one that is built with a newer SQLite",
        )


def refuse_lost_log(home: Home) -> None:
    """Refuses a catalog whose write-ahead log was taken away: it held the latest changes.

    SQLite removes its shared memory before the log, so the one without the other is no way of
    closing. Looked at three times, because another process may open or close it meanwhile.

    Raises:
        CatalogCorrupt: the log is gone.
    """
    log, shared = f"{home.catalog}-wal", f"{home.catalog}-shm"
    for _ in range(3):
        if os.path.lexists(log) or not os.path.lexists(shared):
            return
    raise corrupt(home, "its write-ahead log catalog.db-wal is missing, with the latest changes")


def refuse_to_replace(home: Home) -> None:
    """Refuses to start anew where a catalog was lost.

    Raises:
        CatalogCorrupt: there are traces of one: its log, copies of it, or manifests.
    """
    if os.path.lexists(f"{home.catalog}-wal"):
        raise corrupt(home, "catalog.db is missing, its write-ahead log is there")
    if home.backups.is_dir() and any(is_backup_name(path.name) for path in home.backups.iterdir()):
        raise corrupt(home, "catalog.db is missing, copies of it are in backups/")
    if home.manifests.is_dir() and any(home.manifests.iterdir()):
        raise corrupt(home, "catalog.db is missing, manifests of its backup jobs are there")
