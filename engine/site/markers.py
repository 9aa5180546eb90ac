"""Makes the libraries of a site file ready on the media: directory, marker, identity in the catalog."""

from __future__ import annotations

import errno
import os
import uuid
from datetime import datetime

from sqlmodel import Session, select

from engine.catalog.tables import CommCell, Library
from engine.library import check_url, open_library
from engine.library.beneath import sync_name
from engine.library.interface import LibraryIdentity, Probe
from engine.library.marker import refuse_another
from engine.model.errors import (
    DestinationFull,
    DestinationRefused,
    LibraryOffline,
    SiteError,
    StorageError,
    UsageError,
)
from engine.model.names import shown
from engine.model.states import LibraryState
from engine.site.configuration import Configuration, CopyItem, LibraryItem
from engine.site.diffing import Change, ChangeKind, Difference
from engine.site.guarding import job_copies_held
from engine.site.section import SiteText, nearest

_DIRECTORY_MODE = 0o700  # copies of backups are nobody else's business
_NOT_NOW = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO}
)
_OF_THE_WORLD = (DestinationRefused, DestinationFull)
_NOT_WRITTEN = "name a directory that the user of auxtui can write to"


def refuse_unknown_media(wanted: Configuration, site: SiteText) -> None:
    """Refuses libraries of a kind that cannot be opened; touches no disk."""
    for item in wanted.libraries.values():
        try:
            check_url(item.name, item.url)
        except UsageError as err:
            raise site.error((*item.place, "url"), err.message, hint=err.hint) from err
        for agent, url in item.paths:
            try:
                check_url(item.name, url)
            except UsageError as err:
                raise site.error((*item.place, "paths", agent), err.message, hint=err.hint) from err


def prepare_libraries(
    session: Session, found: Difference, wanted: Configuration, site: SiteText, now: datetime
) -> list[Change]:
    """Writes or adopts the markers of libraries that are new, moved, or never had one.

    Returns:
        What is to be known of them: those that came online late, and warnings of those that did not.

    Raises:
        SiteError: no directory, or no marker, can lie there; where it is the directory, those made
            before it are removed again.
    """
    rows = [row for row in session.exec(select(Library)) if row.name in wanted.libraries]
    moved = {
        after.name
        for before, after in found.changed
        if isinstance(before, LibraryItem)
        and isinstance(after, LibraryItem)
        and before.url != after.url
    }
    added = {item.name for item in found.added if isinstance(item, LibraryItem)}
    for row in rows:
        if row.name in moved and not _holds_anything(session, row.name, wanted):
            row.uuid = None  # nothing lies at the old place: the new one is a fresh start
    fresh = [row for row in rows if row.uuid is None]
    refused = _make_directories([row for row in fresh if row.url.startswith("/")], site)
    cell = session.exec(select(CommCell)).one()
    changes: list[Change] = []
    for row in fresh:
        if row.name in refused:
            changes.append(_offline(row, refused[row.name], now))
        else:
            changes += _initialise(row, cell, site, row.name not in added | moved, now)
    changes += [
        change
        for row in rows
        if row.name in moved and row not in fresh
        for change in _look(row, cell, now)
    ]
    return changes


def _holds_anything(session: Session, library: str, wanted: Configuration) -> bool:
    copies: list[CopyItem] = [c for c in wanted.copies.values() if c.library == library]
    return any(job_copies_held(session, copy) for copy in copies)


def _make_directories(rows: list[Library], site: SiteText) -> dict[str, LibraryOffline]:
    """Makes the last directory of each path only: a typing error is no new library.

    Returns:
        Libraries by name whose directory this account may not make, or not now: that is nothing
        wrong in the file.

    Raises:
        SiteError: there can be none at a path; those made before are removed again.
    """
    made: list[str] = []
    refused: dict[str, LibraryOffline] = {}
    for row in rows:
        if os.path.isdir(row.url):
            continue
        try:
            os.mkdir(row.url, _DIRECTORY_MODE)
            made.append(row.url)
            sync_name(os.fsencode(row.url))
        except OSError as err:
            message, hint = _why_not_made(row.url, err)
            if err.errno in _NOT_NOW:
                refused[row.name] = _unusable(row, message, hint)
                continue
            for path in reversed(made):
                os.rmdir(path)
            raise site.error(("libraries", row.name, "url"), message, hint=hint) from err
    return refused


def _why_not_made(path: str, error: OSError) -> tuple[str, str]:
    """Message and hint."""
    parent = os.path.dirname(path.rstrip("/"))
    if not os.path.lexists(parent):
        above = os.path.dirname(parent)
        known = os.listdir(above) if os.access(above, os.R_OK | os.X_OK) else []
        message = f"{shown(parent)}, in which the library is to lie, is not there"
        meant = shown(nearest(os.path.basename(parent), map(shown, known)))
        return message + meant, "mount its disk, correct the path, or make the directory yourself"
    return (
        f"cannot make the directory {shown(path)}: {error.strerror}",
        "make it yourself, writable for the user that runs auxtui",
    )


def refuse_stray_place(name: str, url: str) -> None:
    """Refuses the place of a new library whose directory could not be made: nothing is above it.

    Raises:
        SiteError: `url` is a path, and what it is to lie in is not there.
    """
    path = url.removeprefix("file://")
    if path.startswith("/") and not os.path.lexists(os.path.dirname(path.rstrip("/")) or "/"):
        message, hint = _why_not_made(path, FileNotFoundError())
        raise SiteError(message, hint=hint, path=("libraries", name, "url"))


def _initialise(
    row: Library, cell: CommCell, site: SiteText, is_late: bool, now: datetime
) -> list[Change]:
    """Gives a library its marker; one that may not be written, or not now, is offline.

    Raises:
        SiteError: no marker can lie there: it is no place for a library.
    """
    identity = LibraryIdentity(
        uuid=str(uuid.uuid4()), name=row.name, commcell_id=cell.uuid, commcell=cell.name
    )
    library = open_library(row.name, row.url, None, cell.uuid)
    try:
        there = library.initialise(identity)
        refuse_another(row.name, row.url, there)
        row.uuid = there.uuid
        probe = open_library(row.name, row.url, there.uuid, cell.uuid).probe()
    except LibraryOffline as err:
        return [_offline(row, err, now)]
    except StorageError as err:
        hint = err.hint or _NOT_WRITTEN
        if row.url.startswith("/") and not isinstance(err, _OF_THE_WORLD):
            raise site.error(("libraries", row.name, "url"), err.message, hint=hint) from err
        return [_offline(row, _unusable(row, err.message, hint), now)]
    _online(row, probe, now)
    if not is_late:
        return []
    return [
        Change(
            kind=LibraryItem.kind_name,
            name=row.name,
            change=ChangeKind.CHANGED,
            fields={"state": [LibraryState.OFFLINE.value, LibraryState.ONLINE.value]},
        )
    ]


def _look(row: Library, cell: CommCell, now: datetime) -> list[Change]:
    """A library that holds job copies and is said to lie elsewhere now: never marked anew."""
    try:
        probe = open_library(row.name, row.url, row.uuid, cell.uuid).probe()
    except LibraryOffline as err:
        return [_offline(row, err, now)]
    _online(row, probe, now)
    return []


def _unusable(row: Library, why: str, hint: str) -> LibraryOffline:
    return LibraryOffline(f"library {shown(row.name)} is offline: {why}", hint=hint)


def _online(row: Library, probe: Probe, now: datetime) -> None:
    row.state, row.state_reason, row.checked_at = LibraryState.ONLINE, "", now
    row.free_bytes, row.total_bytes = probe.free_bytes, probe.total_bytes
    row.line = probe.line.document() if probe.line else {}


def _offline(row: Library, err: LibraryOffline, now: datetime) -> Change:
    row.state, row.state_reason, row.checked_at = LibraryState.OFFLINE, err.message, now
    row.last_error, row.last_error_at = err.message, now
    return Change(
        kind=LibraryItem.kind_name,
        name=row.name,
        change=ChangeKind.WARNING,
        fields={"state": [None, LibraryState.OFFLINE.value]},
        note=f"{err.message}; {err.hint}" if err.hint else err.message,
    )
