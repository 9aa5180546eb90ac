"""Rebuilds a catalog while no service runs on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.catalog.home import Home
from engine.catalog.opening import open_catalog
from engine.control.lock import ServiceLock, is_held
from engine.model.clock import system_clock
from engine.model.errors import UsageError
from engine.operations.rebuild import Rebuilding


def rebuild(home: Home, libraries: Sequence[str]) -> dict[str, Any]:
    """Rebuilds the ledger from libraries alone, in one transaction.

    Args:
        home: with a catalog to which the site file was applied.
        libraries: names; empty: all.

    Returns:
        `libraries`, `backup_jobs`, `job_copies`, and what is `missing` in the configuration,
        `damaged` on the media, or `not_known`.

    Raises:
        UsageError: a service runs, or the catalog is not fresh and of another CommCell.
        NotFoundError: no such library, or no catalog.
        LibraryOffline: a library is not there; nothing was changed.
    """
    if is_held(home.service_lock):
        raise UsageError(
            "the catalog cannot be rebuilt while the service runs",
            hint="stop it first: auxtui service stop",
        )
    catalog = open_catalog(home)
    try:
        lock = ServiceLock(home.service_lock)
        try:
            with catalog.write() as session:
                return Rebuilding(session, home, system_clock()).run(list(libraries)).document()
        finally:
            lock.release()
    finally:
        catalog.close()
