"""Copies of the catalog: made by SQLite's backup API from a running one, whole or not at all."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from datetime import datetime
from pathlib import Path

from engine.catalog.connecting import connect_to
from engine.catalog.durable import link_in, make_private_file, sync_directory, sync_file
from engine.catalog.faults import catalog_faults, corrupt, disk_fault, file_faults
from engine.catalog.home import Home
from engine.catalog.refusing import refuse_lost_log
from engine.model.clock import system_clock
from engine.model.errors import CatalogError, NotFoundError, UsageError
from engine.model.names import shown

KEPT = 7  # daily copies
_DAILY = "catalog-[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9].db"


def backup_catalog(home: Home, target: Path) -> None:
    """Copies the catalog to a new file; writers go on meanwhile.

    Args:
        home: whose catalog.
        target: a name that is not taken.

    Raises:
        UsageError: something has that name, or its directory is not there.
        NotFoundError: there is no catalog.
        CatalogCorrupt: the catalog is damaged; no copy is made of it.
        CatalogError: the copy cannot be written.
    """
    if not home.catalog.exists():
        raise NotFoundError(f"there is no catalog in {shown(str(home.path))} to copy")
    name = shown(str(target))
    if not target.parent.is_dir():
        raise UsageError(f"cannot copy the catalog to {name}: there is no such directory")
    refuse_lost_log(home)
    aside = target.parent / f".{target.name}.{uuid.uuid4().hex}"
    try:
        make_private_file(aside)
        _copy(home, aside)
        sync_file(aside)
        link_in(aside, target)
    except FileExistsError as err:
        raise UsageError(
            f"cannot copy the catalog to {name}: something is there",
            hint="name a file that does not exist; copies are never overwritten",
        ) from err
    except OSError as err:
        raise CatalogError(
            f"cannot copy the catalog to {name}: {err.strerror}", hint="nothing was left there"
        ) from err
    finally:
        for suffix in ("", "-journal"):
            Path(f"{aside}{suffix}").unlink(missing_ok=True)


def _copy(home: Home, aside: Path) -> None:
    with (
        catalog_faults(home),
        closing(connect_to(home.catalog)) as source,
        disk_fault(aside),
        closing(sqlite3.connect(aside, isolation_level=None)) as copy,
    ):
        source.backup(copy)
        # One file without a log beside it, that can be moved and opened anywhere.
        copy.execute("PRAGMA journal_mode=DELETE")
        problems = [str(row[0]) for row in copy.execute("PRAGMA quick_check(1)")]
    if problems != ["ok"]:
        raise corrupt(home, problems[0])


def keep_backups(home: Home, *, now: datetime | None = None, kept: int = KEPT) -> Path | None:
    """Makes the copy of the day in `backups/`, and lets go of the oldest daily ones.

    Copies that were made before a migration are not counted and stay.

    Args:
        home: whose catalog.
        now: the present; the host's clock when left out.
        kept: so many daily copies stay, 1 or more.

    Returns:
        The new copy; None when today's is there.

    Raises:
        CatalogCorrupt: the catalog is damaged; no copy is made, and none let go.
        CatalogError: the copy cannot be written; none is let go.
    """
    target = home.backups / f"catalog-{now or system_clock():%Y-%m-%d}.db"
    with file_faults(home):
        if target.exists():
            return None
        home.make()
        backup_catalog(home, target)
        for old in sorted(home.backups.glob(_DAILY))[:-kept]:
            old.unlink()
        sync_directory(home.backups)
    return target


def backup_before_migration(home: Home, revision: str, *, now: datetime | None = None) -> Path:
    """Copies an older catalog to `backups/catalog-<revision>-<time>.db`.

    Raises:
        CatalogCorrupt, CatalogError: it cannot be copied, and so must not be migrated.
    """
    home.make()
    moment = f"{now or system_clock():%Y%m%dT%H%M%S.%fZ}"
    target = home.backups / f"catalog-{revision}-{moment}.db"
    backup_catalog(home, target)
    return target
