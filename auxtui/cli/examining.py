"""What the doctor looks at. Each look is a function that gives findings; none of them mends anything.

A library is tried out with a small file, which goes again; whether it was reached is its state then.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from auxtui import format as fmt
from auxtui.cli.examining_alerts import examine_alerts
from auxtui.cli.examining_content import examine_content
from auxtui.cli.examining_copies import examine_copies, examine_left, examine_neighbours
from auxtui.cli.times import Times
from engine.catalog import alarms, config, service_state
from engine.catalog.checking import check_catalog
from engine.catalog.faults import newest_backup
from engine.catalog.home import Home
from engine.catalog.opening import Catalog, open_catalog
from engine.catalog.refusing import refuse_to_replace
from engine.catalog.running_values import ServiceValue
from engine.catalog.values import Finding, LibraryValue, SubclientValue
from engine.control.lock import is_held
from engine.control.looking import keep_looks
from engine.library import open_library
from engine.library.age import load_identities
from engine.library.interface import Probe
from engine.library.space import space_is_low
from engine.library.trying import TriesOut
from engine.model.clock import system_clock
from engine.model.errors import (
    AuxError,
    DestinationError,
    LibraryOffline,
    LibraryUnmarked,
    StorageError,
)
from engine.model.names import shown
from engine.model.states import Severity, SubclientKind
from engine.operations.probing import Look

SILENT = timedelta(seconds=30)  # a service beats every few seconds
OLD_BACKUP = timedelta(days=2)  # one is made a day while a service runs
FUTURE = timedelta(minutes=2)  # beyond what two readings of one clock can differ
OLDEST_TIME = datetime(2025, 1, 1, tzinfo=UTC)  # before this version was made


def examine(home: Home) -> list[Finding]:
    """Looks at this host, this home and all that the catalog names."""
    found = [*_program(), *_terminal(os.environ), *_home(home)]
    if not home.catalog.exists():
        try:
            refuse_to_replace(home)
        except AuxError as err:
            return [*found, _error(err.message, err.hint)]
        hint = "make one with: auxtui apply FILE.toml (or auxtui demo)"
        return [*found, _warning(f"there is no catalog in {shown(str(home.path))}", hint)]
    damage = check_catalog(home)
    found += damage
    if any(finding.severity is Severity.ERROR for finding in damage):
        return found
    try:
        with open_catalog(home) as catalog:
            found += _catalog(home, catalog)
    except AuxError as err:
        found.append(_error(err.message, err.hint))
    return found


def _catalog(home: Home, catalog: Catalog) -> Iterator[Finding]:
    with catalog.read() as session:
        commcell = config.commcell(session)
        service = service_state.service(session)
        libraries, paths = config.libraries(session), config.data_paths(session)
        agents = {agent.id: agent.name for agent in config.media_agents(session)}
        subclients = config.subclients(session)
        alerts, standing = config.alerts(session), alarms.standing(session)
        copies = list(examine_copies(home, session))
        landings = [sub for sub in subclients if sub.kind is SubclientKind.LANDING]
        left = [finding for sub in landings for finding in examine_left(session, sub)]
    now = system_clock()
    yield from _backups(home, now)
    yield from _service(home, service, now)
    yield from _clock(service, now)
    for problem in load_identities(commcell.age_identity_files).problems:
        yield _warning(problem, "encrypted copies cannot be restored here without it")
    looks: dict[str, dict[str, Look]] = {library.name: {} for library in libraries}
    for library in libraries:
        ways = [
            (agents[path.media_agent_id], path.url)
            for path in paths
            if path.library_id == library.id
        ]
        yield from _library(library, ways, commcell.uuid, looks[library.name])
    yield from _kept(home, looks)
    for subclient in landings:
        yield from _landing(subclient)
    for subclient in subclients:
        if subclient.kind is SubclientKind.CONTENT:
            yield from examine_content(subclient)
    yield from left
    yield from copies
    yield from examine_neighbours(libraries, subclients)
    yield from examine_alerts(alerts, standing, Times(commcell.time_zone))
    if not subclients:
        yield _warning(
            "no subclient is configured: nothing is protected", "add one to the site file"
        )


def _program() -> Iterator[Finding]:
    yield _info(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}")
    if not os.access(sys.executable, os.X_OK):
        yield _error(f"the interpreter {shown(sys.executable)} is gone", "install auxtui anew")


def _terminal(environ: Mapping[str, str]) -> Iterator[Finding]:
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    if encoding != "utf8":
        yield _warning(
            f"the terminal's encoding is {encoding or 'unknown'}: names may be shown escaped",
            "set LANG to a UTF-8 locale, e.g. C.UTF-8",
        )
    if not sys.stdout.isatty():
        return
    term = environ.get("TERM", "")
    if term in ("", "dumb"):
        yield _warning("TERM names no terminal: the console cannot be drawn", "export TERM=xterm")
    if environ.get("TMUX") and not term.startswith(("tmux", "screen")):
        yield _info(
            f"inside tmux with TERM={shown(term)}",
            'set -g default-terminal "tmux-256color" in tmux.conf for right colours',
        )


def _home(home: Home) -> Iterator[Finding]:
    if home.path.exists() and not home.path.is_dir():
        yield _error(
            f"the home {shown(str(home.path))} is not a directory",
            "name another with --home or AUXTUI_HOME",
        )
        return
    if not home.path.exists():
        yield _info(f"the home {shown(str(home.path))} is not made yet")
        return
    try:
        home.refuse_remote()
    except AuxError as err:
        yield _error(err.message, err.hint)
    for path, wanted in (
        (home.path, 0o700),
        (home.manifests, 0o700),
        (home.backups, 0o700),
        (home.catalog, 0o600),
        (home.service_log, 0o600),
    ):
        try:
            found = path.stat()
        except FileNotFoundError:
            continue
        mode = stat.S_IMODE(found.st_mode)
        if mode & ~wanted & 0o077:
            yield _warning(
                f"{shown(str(path))} has mode {mode:04o}: others can look into it",
                f"chmod {wanted:04o} {shown(str(path))}",
            )
        if found.st_uid != os.geteuid():
            yield _warning(
                f"{shown(str(path))} belongs to uid {found.st_uid}, this is uid {os.geteuid()}",
                "use auxtui as one user",
            )
    if not os.access(home.path, os.W_OK | os.X_OK):
        yield _error(f"{shown(str(home.path))} cannot be written", "look at its owner and mode")


def _backups(home: Home, now: datetime) -> Iterator[Finding]:
    newest = newest_backup(home)
    if newest is None:
        yield _info("there is no copy of the catalog yet", "the service makes one a day")
        return
    age = now - datetime.fromtimestamp(newest.stat().st_mtime, UTC)
    if age > OLD_BACKUP:
        yield _warning(
            f"the newest copy of the catalog is {fmt.age(age)} old",
            "the service makes one a day: let it run; or auxtui catalog backup FILE",
        )


def _service(home: Home, service: ServiceValue, now: datetime) -> Iterator[Finding]:
    if not is_held(home.service_lock):
        if service.state not in ("stopped", ""):
            yield _warning(
                "the service died without stopping; its jobs stand still",
                f"auxtui service start continues them; {shown(str(home.service_log))} says why it died",
            )
        else:
            yield _info("no service runs", "commands start it when they need it")
        return
    silent = now - service.heartbeat_at if service.heartbeat_at else timedelta()
    if silent > SILENT:
        yield _error(
            f"the service (pid {service.pid}) has not reported for {fmt.age(silent)}",
            "a disk may hang (`ps` shows state D), or it was stopped; then auxtui service stop",
        )
    else:
        yield _info(f"the service runs, pid {service.pid}, version {service.version}")


def _clock(service: ServiceValue, now: datetime) -> Iterator[Finding]:
    if now < OLDEST_TIME:
        yield _error(f"the clock of this host says {now:%Y-%m-%d}", "set it, and let NTP keep it")
    last = max(
        (at for at in (service.heartbeat_at, service.started_at) if at is not None), default=now
    )
    if last - now > FUTURE:
        yield _error(
            f"the clock went back: the service reported at {last:%Y-%m-%d %H:%M} UTC, "
            f"now it is {now:%Y-%m-%d %H:%M} UTC",
            "let NTP keep the clock; schedules and retention go by it",
        )


class Tried(NamedTuple):
    """What a place of a library is like, and why it cannot be used."""

    look: Look | None
    error: AuxError | None


def _library(
    library: LibraryValue,
    ways: Sequence[tuple[str, str]],
    commcell_id: str,
    looks: dict[str, Look],
) -> Iterator[Finding]:
    """Tries a library out, at each place where a MediaAgent finds it: `ways` are its name and the URL.

    What its probes find is put into `looks`.
    """
    name = shown(library.name)
    if library.uuid is None:
        why = _unmarked(library, commcell_id)
        if why is not None:
            yield _error(f"library {name} was never marked: {why.message}", why.hint)
        return
    agents = {url or library.url: agent for agent, url in reversed(ways)} or {library.url: ""}
    tries = {url: _tried_out(library, url, commcell_id) for url in agents}
    looks.update({url: one.look for url, one in tries.items() if one.look is not None})
    works = (one.look for one in tries.values() if one.error is None)
    probe = next((look for look in works if isinstance(look, Probe)), None)
    for url, (_, error) in tries.items():
        if error is None:
            continue
        if probe is not None:
            who = f"MediaAgent {shown(agents[url])}"
            yield _warning(f"{who} does not reach library {name}: {error.message}", error.hint)
        elif isinstance(error, DestinationError):
            hint = error.hint or "look at its mount options and owner: nothing can be copied to it"
            yield _error(f"library {name} cannot be written: {error.message}", hint)
        else:
            says_whose = error.message.startswith(f"library {name} ")
            said = error.message if says_whose else f"library {name} is offline: {error.message}"
            yield _error(said, error.hint)
    if probe is not None:
        yield from _room(name, probe)


def _unmarked(library: LibraryValue, commcell_id: str) -> AuxError | None:
    """Why a library has no marker yet: nobody has applied the file since, or it cannot be written."""
    try:
        opened = open_library(library.name, library.url, "", commcell_id)
        opened.probe()
    except LibraryUnmarked as unmarked:
        try:
            if isinstance(opened, TriesOut):
                opened.try_out(is_marked=False)
        except AuxError as err:
            hint = err.hint or "see to it"
            return StorageError(err.message, hint=f"{hint}; then apply the site file again")
        return unmarked
    except AuxError as err:
        return err
    return None


def _tried_out(library: LibraryValue, url: str, commcell_id: str) -> Tried:
    probe: Probe | None = None
    try:
        opened = open_library(library.name, url, library.uuid or "", commcell_id)
        probe = opened.probe()
        if isinstance(opened, TriesOut):
            opened.try_out()
    except LibraryOffline as err:
        return Tried(probe or err, err)
    except AuxError as err:
        return Tried(probe, err)
    return Tried(probe, None)


def _kept(home: Home, looks: Mapping[str, Mapping[str, Look]]) -> Iterator[Finding]:
    """Makes what was found the state of the libraries."""
    try:
        keep_looks(home, looks)
    except AuxError as err:
        yield _warning(f"the state of the libraries was not kept: {err.message}", err.hint)


def _room(name: str, probe: Probe) -> Iterator[Finding]:
    """What a library that can be used lacks, and the space there."""
    if probe.line is not None:
        for lack in probe.line.lacks:
            yield _info(f"library {name}: {lack}")
    free, total = probe.free_bytes, probe.total_bytes
    if free is None:
        yield _info(f"library {name} is online, its free space is not known")
        return
    if space_is_low(free, total):
        yield _warning(
            f"library {name} has {fmt.size(free)} of {fmt.size(total)} free",
            "add space, or let copies age",
        )
    else:
        yield _info(f"library {name} is online, {fmt.size(free)} free")


def _landing(subclient: SubclientValue) -> Iterator[Finding]:
    label = f"{shown(subclient.client)}/{shown(subclient.name)}"
    try:
        with os.scandir(subclient.landing) as entries:
            next(entries, None)
    except OSError as err:
        yield _error(
            f"subclient {label}: cannot read {shown(subclient.landing)}: {err.strerror}",
            "mount it, or let the user of the service read it",
        )
        return
    if subclient.state == "offline":
        yield _error(
            f"subclient {label} is offline: {shown(subclient.state_reason)}",
            f"mount it, then: auxtui scan {label}",
        )


def _info(what: str, hint: str = "") -> Finding:
    return Finding(severity=Severity.INFO, what=what, hint=hint)


def _warning(what: str, hint: str = "") -> Finding:
    return Finding(severity=Severity.WARNING, what=what, hint=hint)


def _error(what: str, hint: str = "") -> Finding:
    return Finding(severity=Severity.ERROR, what=what, hint=hint)
