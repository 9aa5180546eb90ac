"""Makes the configuration of a catalog as a site file says: all of it or nothing."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sqlmodel import Session

from engine.catalog.events import add_event
from engine.catalog.opening import Catalog
from engine.model.errors import UsageError
from engine.model.names import shown
from engine.model.states import Severity
from engine.policy.schedule import refuse_never
from engine.site.configuration import Configuration, CopyItem, MediaAgentItem, ScheduleItem
from engine.site.current import current_configuration
from engine.site.diffing import Change, ChangeKind, Difference, changes_of, difference
from engine.site.guarding import job_copies_held, refuse_losses
from engine.site.markers import prepare_libraries, refuse_unknown_media
from engine.site.new_copies import backlog_note
from engine.site.placing import refuse_home
from engine.site.reading import read_site
from engine.site.section import SiteText
from engine.site.storing import store

_NAMED = 3  # changes in one event; more of them are counted


def apply_site(
    catalog: Catalog,
    text: str,
    file_name: str,
    *,
    dry_run: bool,
    now: datetime,
    home: Path | None = None,
    by: str = "",
) -> list[Change]:
    """Makes the configuration as the text says; applying it again changes nothing.

    Args:
        catalog: an open catalog.
        text: the site file.
        file_name: as it is to stand in messages.
        dry_run: only say what would change; neither catalog nor disk is touched.
        now: aware UTC.
        home: where the catalog is to be, when it is tried on another one.
        by: who applies it, for the event log.

    Returns:
        What changed, and warnings of libraries that are not online.

    Raises:
        SiteError: something is wrong or refused; nothing was changed.
    """
    place = home or catalog.home.path
    if dry_run:
        with catalog.read() as session:
            return _apply(session, text, file_name, place, dry_run=True, now=now)
    with catalog.write() as session:
        changes = _apply(session, text, file_name, place, dry_run=False, now=now)
        _note(session, changes, by, now)
    return changes


def _note(session: Session, changes: list[Change], by: str, now: datetime) -> None:
    """What was changed, for who asks later why it is so; values are left out, an address may be secret."""
    done = [
        f"{each.kind.replace('_', ' ')} {shown(each.name)} {each.change.value}"
        for each in changes
        if each.change is not ChangeKind.WARNING
    ]
    if not done:
        return
    more = f" and {len(done) - _NAMED} more" if len(done) > _NAMED else ""
    who = f" by {shown(by)}" if by else ""
    message = f"configuration applied{who}: {', '.join(done[:_NAMED])}{more}"
    add_event(session, severity=Severity.INFO, code="site.applied", message=message, now=now)


def _apply(
    session: Session, text: str, file_name: str, home: Path, *, dry_run: bool, now: datetime
) -> list[Change]:
    site = SiteText(text, file_name)
    current, wanted = wanted_site(session, text, file_name)
    refuse_unknown_media(wanted, site)
    refuse_home(wanted, site, home)
    found = difference(current, wanted)
    refuse_losses(session, found, site)
    _refuse_past(found, site, now)
    changes = _explained(changes_of(found, current, wanted), wanted, text)
    changes = _noted(session, changes, found)
    changes = _asked(session, changes, found, now)
    if dry_run:
        return changes
    store(session, found)
    return changes + prepare_libraries(session, found, wanted, site, now)


def wanted_site(session: Session, text: str, file_name: str) -> tuple[Configuration, Configuration]:
    """The configuration of the catalog, and the one that a text wants.

    Raises:
        SiteError: the first thing that is wrong with the text.
    """
    current = current_configuration(session)
    agents = list(current.media_agents)
    implied = agents[0] if len(agents) == 1 else _name_of_this_host()
    return current, read_site(text, file_name, implied_media_agent=implied)


def _refuse_past(found: Difference, site: SiteText, now: datetime) -> None:
    """Refuses a schedule that is entered now and never runs; one that has run stays allowed."""
    for item in (*found.added, *(after for _, after in found.changed)):
        if not isinstance(item, ScheduleItem) or not item.enabled:
            continue
        try:
            refuse_never(item.spec, item.time_zone, now)
        except UsageError as err:
            raise site.error((*item.place, "when"), err.message, hint=err.hint) from err


def _name_of_this_host() -> str:
    name = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname().split(".")[0]).lstrip(".")[:64]
    return name or "mediaagent"


def _noted(session: Session, changes: list[Change], found: Difference) -> list[Change]:
    """Says of a copy whose encoding changes what becomes of the job copies that it has."""
    notes: dict[str, str] = {}
    for before, after in found.changed:
        if isinstance(before, CopyItem) and isinstance(after, CopyItem):
            held = job_copies_held(session, before) if before.encoding != after.encoding else 0
            if held:
                stay = (
                    "1 job copy that it has stays as it is"
                    if held == 1
                    else f"{held} job copies that it has stay as they are"
                )
                notes[after.label] = f"the {stay}; what is copied from now on is {after.encoding}"
    return [
        replace(change, note=notes[change.name])
        if change.kind == CopyItem.kind_name and change.name in notes
        else change
        for change in changes
    ]


def _explained(changes: list[Change], wanted: Configuration, text: str) -> list[Change]:
    """Says of a MediaAgent that the file does not name where it comes from."""
    is_named = re.search(r"^\s*\[?\s*\"?media_agents", text, re.MULTILINE) is not None
    return [
        replace(change, note="not in the file: this host, which reaches all libraries")
        if change.kind == MediaAgentItem.kind_name
        and change.change is ChangeKind.ADDED
        and len(wanted.media_agents) == 1
        and not is_named
        else change
        for change in changes
    ]


def _asked(
    session: Session, changes: list[Change], found: Difference, now: datetime
) -> list[Change]:
    """Says of a new copy whose source holds much that a date could limit it."""
    notes = {
        item.label: backlog_note(session, item, now)
        for item in found.added
        if isinstance(item, CopyItem)
    }
    return [
        replace(change, note=notes[change.name])
        if change.kind == CopyItem.kind_name and notes.get(change.name) and not change.note
        else change
        for change in changes
    ]
