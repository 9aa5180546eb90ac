"""Looks at the libraries of a policy and tells the catalog which of them can be used now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiofiles.os

from engine.catalog import config
from engine.catalog.events import add_event
from engine.catalog.values import LibraryValue
from engine.library import open_library
from engine.library.interface import Library, Probe
from engine.model.clock import Clock
from engine.model.errors import LibraryOffline
from engine.model.states import LibraryState, Severity
from engine.operations.context import JobContext
from engine.operations.planning import Scope
from engine.operations.store import Store


def look_at(value: LibraryValue, commcell_id: str, home: Path) -> tuple[Library, Probe]:
    """Opens a library and proves by its marker that it is the one that the catalog means.

    Raises:
        LibraryOffline: the marker is absent, damaged or another's, or it cannot be reached.
    """
    library = open_library(value.name, value.url, value.uuid or "", commcell_id, home=home)
    return library, library.probe()


async def probe_one(
    store: Store, clock: Clock, value: LibraryValue, commcell_id: str
) -> Library | LibraryOffline:
    """Probes a library; its state in the catalog is true afterwards, a change is an event."""
    state, reason, probe = LibraryState.ONLINE, "", None
    answer: Library | LibraryOffline
    try:
        answer, probe = await aiofiles.os.wrap(look_at)(value, commcell_id, store.catalog.home.path)
    except LibraryOffline as err:
        answer, state, reason = err, LibraryState.OFFLINE, err.message
    now = clock()

    def write(session: Any) -> None:
        free = probe.free_bytes if probe else value.free_bytes
        total = probe.total_bytes if probe else value.total_bytes
        line = probe.line.document() if probe and probe.line else None
        config.set_library_state(session, value.id, state, reason, free, total, now, line=line)
        if state != value.state and value.state != LibraryState.UNKNOWN:
            offline = state is LibraryState.OFFLINE
            add_event(
                session,
                severity=Severity.ERROR if offline else Severity.INFO,
                code=f"library.{state}",
                message=f"library {value.name} is {state}{': ' if reason else ''}{reason}",
                now=now,
            )

    await store.write(write)
    return answer


async def probe_libraries(
    context: JobContext, scope: Scope
) -> tuple[dict[int, Library], dict[int, LibraryOffline]]:
    """Opens every library of a policy: those that can be used, and why the others cannot."""
    libraries: dict[int, Library] = {}
    offline: dict[int, LibraryOffline] = {}
    used = {copy.library_id for copy in scope.copies.values()} - {None}
    for library_id in sorted(library_id for library_id in used if library_id is not None):
        value = scope.libraries[library_id]
        answer = await probe_one(context.store, context.clock, value, scope.commcell_id)
        if isinstance(answer, LibraryOffline):
            offline[library_id] = answer
        else:
            libraries[library_id] = answer
    return libraries, offline
