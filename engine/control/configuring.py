"""The front door's part for the configuration: site files, and single items changed by forms."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from engine.catalog import config
from engine.catalog.home import Home
from engine.catalog.lines import ledger_lines
from engine.catalog.opening import Catalog, open_catalog
from engine.control.aging_notes import retention_notes
from engine.model.clock import system_clock
from engine.model.names import refuse_unwritable
from engine.operations.deciding import settle_all
from engine.policy.backlog import backlog_question
from engine.site.applying import apply_site, wanted_site
from engine.site.diffing import Change
from engine.site.editing import SiteEdit, document_of, edited, item_text, text_of
from engine.site.exporting import export_site, site_text
from engine.site.markers import refuse_stray_place

T = TypeVar("T")

UNNAMED = ""  # the text of a form: its messages name no file and no line


@dataclass(frozen=True, slots=True, kw_only=True)
class EditOutcome:
    """What an edit changes, or changed."""

    changes: list[Change]
    text: str
    """The item as `auxtui export` writes it."""


def apply_text(home: Home, text: str, name: str, *, dry_run: bool, by: str = "") -> list[Change]:
    """Makes the configuration as a site file says: all of it or nothing.

    Args:
        home: whose; its catalog is made when there is none and the file is right.
        text: of the file.
        name: of the file, for messages.
        dry_run: only say what would change.
        by: who applies it, for the event log.

    Raises:
        SiteError: something is wrong or refused; nothing was changed.
    """
    now = system_clock()
    if not home.catalog.exists():
        # A wrong file must not leave a catalog behind: it is tried on one that goes away.
        changes = _on_scratch(
            lambda c: apply_site(c, text, name, dry_run=True, now=now, home=home.path)
        )
        if dry_run:
            return changes
    with open_catalog(home, create=not dry_run) as catalog:
        notes = _retention_notes(catalog, text, name, now)
        changes = apply_site(catalog, text, name, dry_run=dry_run, now=now, by=by) + notes
        if changes and not dry_run:
            with catalog.write() as session:
                settle_all(session, now)  # the ledger says at once what the new rules owe
    return changes


def _retention_notes(catalog: Catalog, text: str, name: str, now: datetime) -> list[Change]:
    """What data aging would take by the new retention; looked at before that is stored."""
    changes = apply_site(catalog, text, name, dry_run=True, now=now)
    with catalog.read() as session:
        _, wanted = wanted_site(session, text, name)
        return retention_notes(session, catalog.home, changes, list(wanted.copies.values()), now)


def site_document(home: Home) -> dict[str, Any]:
    """The configuration as the values of a site file; empty when there is no catalog yet."""
    if not home.catalog.exists():
        return {}
    with open_catalog(home) as catalog:
        return document_of(export_site(catalog))


def try_edit(home: Home, edit: SiteEdit) -> EditOutcome:
    """What one item changed would change; touches neither catalog nor disk.

    Raises:
        UsageError, NotFoundError: it would be refused.
    """
    text = _edited_text(home, edit)
    changes = apply_text(home, text, UNNAMED, dry_run=True)
    if edit.place[0] == "libraries" and edit.table is not None and edit.before is None:
        refuse_stray_place(edit.place[-1], str(edit.table["url"]))
    return EditOutcome(changes=changes, text=_text_of_item(home, text, edit))


def apply_edit(home: Home, edit: SiteEdit, *, by: str = "") -> EditOutcome:
    """Changes one item, by the code that applies site files and with the same guards.

    Args:
        home: whose.
        edit: what.
        by: who asks, for the event log.

    Raises:
        UsageError, NotFoundError: refused; nothing was changed.
    """
    text = _edited_text(home, edit)
    shown_text = _text_of_item(home, text, edit)
    changes = apply_text(home, text, UNNAMED, dry_run=False, by=by)
    return EditOutcome(changes=changes, text=shown_text)


def new_copy_question(home: Home, policy: str, source: str, *, now: datetime | None = None) -> str:
    """What to ask of a new copy whose source holds much; empty: nothing.

    Args:
        home: whose.
        policy: of the copy.
        source: name of its source copy; empty: the primary.
        now: the present.
    """
    if not home.catalog.exists():
        return ""
    at = (now or system_clock()).timestamp()
    with open_catalog(home) as catalog, catalog.read() as session:
        for found in config.policies(session):
            if found.name != policy:
                continue
            for copy in config.copies(session, found.id):
                if copy.name == source or (not source and copy.kind == "primary"):
                    lines = ledger_lines(session, copy.id)
                    as_source = (line._replace(source_state=line.state) for line in lines)
                    return backlog_question(as_source, now=at)
    return ""


def _edited_text(home: Home, edit: SiteEdit) -> str:
    text = text_of(edited(site_document(home), edit))
    refuse_unwritable(text)
    return text


def _text_of_item(home: Home, text: str, edit: SiteEdit) -> str:
    """What export will write of the item: defaults left out, spellings as everywhere."""
    if edit.table is None:
        return ""

    def rendered(catalog: Catalog) -> str:
        with catalog.read() as session:
            _, wanted = wanted_site(session, text, UNNAMED)
        return item_text(document_of(site_text(wanted)), edit.place)

    if not home.catalog.exists():
        return _on_scratch(rendered)
    with open_catalog(home) as catalog:
        return rendered(catalog)


def _on_scratch(do: Callable[[Catalog], T]) -> T:
    with (
        tempfile.TemporaryDirectory() as scratch,
        open_catalog(Home(Path(scratch) / "home"), create=True) as catalog,
    ):
        return do(catalog)
