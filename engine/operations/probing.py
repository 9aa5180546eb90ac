"""Looks at the libraries of a policy and tells the catalog which of them can be used now."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import aiofiles.os
from sqlmodel import Session

from engine.catalog import alarms, config
from engine.catalog.events import add_event
from engine.catalog.values import DataPathValue, LibraryValue
from engine.library import open_library
from engine.library.interface import Library, Probe
from engine.library.marker import refuse_another
from engine.library.space import space_is_low
from engine.model.clock import Clock
from engine.model.errors import HostKeyRefused, LibraryOffline
from engine.model.states import LibraryState, Severity
from engine.operations.context import JobContext
from engine.operations.planning import Scope
from engine.operations.store import Store
from engine.policy.alerting import AlertKind
from engine.policy.durations import format_size

Found = Library | LibraryOffline
"""A library that can be used, or why it cannot."""
Look = Probe | LibraryOffline
"""What a library says of itself, or why it cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What a look at a library has found: through its best data path, and through each."""

    best: Found
    by_agent: Mapping[str, Found]


def look_at(value: LibraryValue, commcell_id: str, home: Path) -> tuple[Library, Probe]:
    """Opens a library and proves by its marker that it is the one that the catalog means.

    Raises:
        LibraryOffline: the marker is absent, damaged or another's, or it cannot be reached.
    """
    library = open_library(value.name, value.url, value.uuid or "", commcell_id, home=home)
    probe = library.probe()
    if not value.uuid:  # `apply` has refused it, or could not look
        refuse_another(value.name, value.url, probe.identity)
    return library, probe


async def probe_paths(
    store: Store,
    clock: Clock,
    value: LibraryValue,
    commcell_id: str,
    *,
    threads: Executor | None = None,
) -> Reached:
    """Probes a library through its data paths, the default one first; the catalog is true afterwards.

    Args:
        threads: where it may hang; None: in the loop's own.
    """
    ways = await store.read(lambda s: _ways(s, value))
    found: dict[str, Found] = {}
    looks: dict[str, Look] = {}
    for url in _places(value, ways):
        try:
            found[url], looks[url] = await aiofiles.os.wrap(look_at)(
                replace(value, url=url), commcell_id, store.catalog.home.path, executor=threads
            )
        except LibraryOffline as err:
            found[url] = looks[url] = err
    now = clock()
    await store.write(lambda s: record_looks(s, value, looks, now))
    best = next((one for one in found.values() if not isinstance(one, LibraryOffline)), None)
    by_agent = {agent: found[path.url or value.url] for agent, path in ways}
    return Reached(best=best or next(iter(found.values())), by_agent=by_agent)


def record_looks(
    session: Session, value: LibraryValue, looks: Mapping[str, Look], now: datetime
) -> None:
    """Keeps what looks at a library have found: its state, and that of each way to it.

    Args:
        session: a writing session.
        value: the library as it was known before.
        looks: by URL. Where none has reached it, and there are others, nothing is known of it.
        now: the present.
    """
    ways = _ways(session, value)
    places = _places(value, ways)
    seen = [looks[url] for url in places if url in looks]
    probe = next((look for look in seen if isinstance(look, Probe)), None)
    errors = [look for look in seen if isinstance(look, LibraryOffline)]
    if probe is None and len(errors) < len(places):
        return
    record_probe(session, value, None if probe else errors[0], probe, now)
    for agent, path in ways:
        look = looks.get(path.url or value.url)
        if look is not None:
            _record_path(session, value, agent, path, look, alone=len(looks) == 1, now=now)


def _ways(session: Session, value: LibraryValue) -> list[tuple[str, DataPathValue]]:
    """The data paths of a library, each with the name of its MediaAgent; the default one first."""
    names = {agent.id: agent.name for agent in config.media_agents(session)}
    paths = [path for path in config.data_paths(session) if path.library_id == value.id]
    return [(names[path.media_agent_id], path) for path in paths]


def _places(value: LibraryValue, ways: list[tuple[str, DataPathValue]]) -> dict[str, None]:
    """The URLs at which a library is found, each once."""
    return dict.fromkeys(path.url or value.url for _, path in ways) or {value.url: None}


def _record_path(
    session: Session,
    library: LibraryValue,
    agent: str,
    path: DataPathValue,
    answer: Look,
    *,
    alone: bool,
    now: datetime,
) -> None:
    """Keeps what a look through one path found; a change is an event where there are others."""
    error = answer if isinstance(answer, LibraryOffline) else None
    state = LibraryState.OFFLINE if error else LibraryState.ONLINE
    config.set_path_state(session, path, state, error.message if error else "")
    if alone or state == path.state or (not error and path.state == LibraryState.UNKNOWN):
        return
    name = f"MediaAgent {agent} to library {library.name}"
    add_event(
        session,
        severity=Severity.WARNING if error else Severity.INFO,
        code=f"path.{state}",
        message=f"data path of {name} is {state}{f': {error.message}' if error else ''}",
        about=name,
        hint=error.hint if error else "",
        now=now,
    )


async def probe_one(
    store: Store,
    clock: Clock,
    value: LibraryValue,
    commcell_id: str,
    *,
    threads: Executor | None = None,
) -> Found:
    """Probes a library; its state in the catalog is true afterwards, a change is an event.

    Args:
        threads: where it may hang; None: in the loop's own.
    """
    return (await probe_paths(store, clock, value, commcell_id, threads=threads)).best


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
    for library_id, reached in (await reach_libraries(context, scope)).items():
        if isinstance(reached.best, LibraryOffline):
            offline[library_id] = reached.best
        else:
            libraries[library_id] = reached.best
    return libraries, offline


def lost_paths(reached: Mapping[int, Reached]) -> dict[tuple[int, str], str]:
    """Library id and MediaAgent of the data paths that are offline, and why."""
    return {
        (library_id, agent): answer.message
        for library_id, one in reached.items()
        for agent, answer in one.by_agent.items()
        if isinstance(answer, LibraryOffline)
    }


async def reach_libraries(context: JobContext, scope: Scope) -> dict[int, Reached]:
    """Looks at every library of a policy, through each of its data paths."""
    found: dict[int, Reached] = {}
    used = {copy.library_id for copy in scope.copies.values()} - {None}
    for library_id in sorted(library_id for library_id in used if library_id is not None):
        value = scope.libraries[library_id]
        found[library_id] = await probe_paths(
            context.store, context.clock, value, scope.commcell_id
        )
    return found


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
