"""Errors of the database driver as errors of the catalog, each with what to do now.

Owns the translation; everything that talks to the database in `engine.catalog` goes through it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from engine.catalog.home import Home
from engine.model.errors import AuxError, CatalogBusy, CatalogCorrupt, CatalogError
from engine.model.names import shown

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_DAMAGE_TEXTS = ("no such table", "no such column", "Could not decode to UTF-8")
"""How damage shows where the driver gives no code of its own."""


def newest_backup(home: Home) -> Path | None:
    """The copy of the catalog that was made last, if there is one."""
    if not home.backups.is_dir():
        return None
    copies = [path for path in home.backups.iterdir() if is_backup_name(path.name)]
    return max(copies, key=lambda path: path.stat().st_mtime_ns, default=None)


def is_backup_name(name: str) -> bool:
    """True for the names that copies of the catalog have in `backups/`."""
    return name.startswith("catalog-") and name.endswith(".db")


def corrupt(home: Home, why: str) -> CatalogCorrupt:
    """The error for a damaged catalog; the hint names the copy to go back to."""
    copy = newest_backup(home)
    source = f"copy {shown(str(copy))} there" if copy else "restore it from a backup of this host"
    return CatalogCorrupt(
        f"the catalog {shown(str(home.catalog))} is damaged: {why}",
        hint=f"it is left as it is: stop the service, move catalog.db and its -wal and -shm aside, "
        f"and {source}; or move the whole home aside, apply the site file, and run: auxtui catalog "
        "rebuild. The copies themselves are whole without it",
    )


@contextmanager
def catalog_faults(home: Home) -> Iterator[None]:
    """Turns errors of the driver into errors of the catalog.

    A constraint that is violated or a statement that is wrong is a bug, and passes as it is.

    Raises:
        CatalogBusy, CatalogCorrupt, CatalogError: what the driver meant.
    """
    try:
        yield
    except PoolTimeout as err:
        raise _busy(home) from err
    except DBAPIError as err:
        meant = meaning_of(home, err.orig)
        if meant is None:
            raise
        raise meant from err
    except sqlite3.Error as err:
        meant = meaning_of(home, err)
        if meant is None:
            raise
        raise meant from err


@contextmanager
def disk_fault(path: Path) -> Iterator[None]:
    """Turns a full or failing disk under a copy of the catalog into an error that names the copy.

    Raises:
        CatalogError: the copy cannot be written.
    """
    try:
        yield
    except sqlite3.Error as err:
        code = (getattr(err, "sqlite_errorcode", None) or 0) & 0xFF
        if code not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY):
            raise
        raise CatalogError(
            f"cannot write a copy of the catalog to {shown(str(path.parent))}: {err}",
            hint="free space there, or name another place",
        ) from err


@contextmanager
def file_faults(home: Home) -> Iterator[None]:
    """Turns what the operating system refuses around the catalog into an error of the catalog.

    Not around the work of a caller: its files are not the catalog's.

    Raises:
        CatalogError: a file of the home cannot be used.
    """
    try:
        yield
    except OSError as err:
        raise CatalogError(
            f"cannot use {shown(str(err.filename or home.path))}: {err.strerror}",
            hint="look at owner, mode and free space of that directory; nothing was changed",
        ) from err


def meaning_of(home: Home, err: BaseException | None) -> AuxError | None:
    """The error of the catalog that a driver's error means; None for a bug of ours."""
    code = (getattr(err, "sqlite_errorcode", None) or 0) & 0xFF
    text = str(err)
    if code in _BUSY:
        return _busy(home)
    if code in _CORRUPT or text.startswith(_DAMAGE_TEXTS):
        return corrupt(home, text)
    name = shown(str(home.catalog))
    if code == sqlite3.SQLITE_FULL:
        return CatalogError(
            f"cannot write the catalog {name}: no space left on its disk",
            hint=f"free space on the file system of {shown(str(home.path))}; nothing was changed",
        )
    if code == sqlite3.SQLITE_IOERR:
        return CatalogError(
            f"cannot use the catalog {name}: {text} ({getattr(err, 'sqlite_errorname', '')})",
            hint="look at the disk and its free space (dmesg, df); nothing was changed",
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return CatalogError(
            f"cannot open the catalog {name}: {text}",
            hint="look at owner and mode of that directory, and whether its disk is read-only",
        )
    return None


def _busy(home: Home) -> CatalogBusy:
    return CatalogBusy(
        f"the catalog {shown(str(home.catalog))} is held by another writer",
        hint="try again in a moment",
    )
