"""Looks at the libraries of a policy and tells the catalog which of them can be used now."""

from __future__ import annotations

from concurrent.futures import Executor
from datetime import datetime
from pathlib import Path

import aiofiles.os
from sqlmodel import Session

from engine.catalog import alarms, config
from engine.catalog.events import add_event
from engine.catalog.values import LibraryValue
from engine.library import open_library
from engine.library.interface import Library, Probe
from engine.library.space import space_is_low
from engine.model.clock import Clock
from engine.model.errors import HostKeyRefused, LibraryOffline
from engine.model.states import LibraryState, Severity
from engine.operations.context import JobContext
from engine.operations.planning import Scope
from engine.operations.store import Store
from engine.policy.alerting import AlertKind
from engine.policy.durations import format_size


def look_at(value: LibraryValue, commcell_id: str, home: Path) -> tuple[Library, Probe]:
    """Opens a library and proves by its marker that it is the one that the catalog means.

    Raises:
        LibraryOffline: the marker is absent, damaged or another's, or it cannot be reached.
    """
    library = open_library(value.name, value.url, value.uuid or "", commcell_id, home=home)
    return library, library.probe()


async def probe_one(
    store: Store,
    clock: Clock,
    value: LibraryValue,
    commcell_id: str,
    *,
    threads: Executor | None = None,
) -> Library | LibraryOffline:
    """Probes a library; its state in the catalog is true afterwards, a change is an event.

    Args:
        threads: where it may hang; None: in the loop's own.
    """
    error, probe = None, None
    answer: Library | LibraryOffline
    try:
        answer, probe = await aiofiles.os.wrap(look_at)(
            value, commcell_id, store.catalog.home.path, executor=threads
        )
    except LibraryOffline as err:
        answer = error = err
    now = clock()
    await store.write(lambda s: record_probe(s, value, error, probe, now))
    return answer


def record_probe(
    session: Session,
    value: LibraryValue,
    error: LibraryOffline | None,
    probe: Probe | None,
    now: datetime,
) -> None:
    """Keeps what a look at a library found; a change is an event.

    Args:
        session: a writing session.
        value: the library as it was known before.
        error: why it is offline; None: it is online.
        probe: what it said; None: nothing.
        now: the present.
    """
    state = LibraryState.ONLINE if error is None else LibraryState.OFFLINE
    reason = "" if error is None else error.message
    free = probe.free_bytes if probe else value.free_bytes
    total = probe.total_bytes if probe else value.total_bytes
    line = probe.line.document() if probe and probe.line else None
    config.set_library_state(session, value.id, state, reason, free, total, now, line=line)
    offline = error is not None
    if state != value.state and (offline or value.state != LibraryState.UNKNOWN):
        add_event(
            session,
            severity=Severity.ERROR if offline else Severity.INFO,
            code=f"library.{state}",
            message=reason or f"library {value.name} is {state}",
            about=value.name,
            hint="" if error is None else error.hint,
            now=now,
        )
    if isinstance(error, HostKeyRefused) and error.is_changed:
        _tell_host_key(session, value.name, error, now)
    if not offline:
        _tell_space(session, value.name, free, total, now)


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


def _tell_host_key(session: Session, name: str, error: HostKeyRefused, now: datetime) -> None:
    """Another key than the trusted one is more than a library that is offline."""
    if alarms.find(session, AlertKind.HOST_KEY_CHANGED, name) is None:
        add_event(
            session,
            severity=Severity.ERROR,
            code="library.host_key_changed",
            message=error.message,
            about=name,
            hint=error.hint,
            now=now,
        )


def _tell_space(
    session: Session, name: str, free: int | None, total: int | None, now: datetime
) -> None:
    """A library that gets full is an event, and so is one that has room again."""
    stood = alarms.find(session, AlertKind.SPACE_LOW, name) is not None
    is_low = space_is_low(free, total)
    if is_low == stood or free is None or total is None:
        return
    add_event(
        session,
        severity=Severity.WARNING if is_low else Severity.INFO,
        code="library.space_low" if is_low else "library.space",
        message=f"library {name} has {format_size(free)} of {format_size(total)} free",
        hint="add space, or let copies age" if is_low else "",
        about=name,
        now=now,
    )
