"""Promotion: a synchronous copy becomes the primary, the old primary a synchronous copy of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import update
from sqlmodel import Session

from engine.catalog import config, jobs, ledger
from engine.catalog.events import add_event
from engine.catalog.rows import COPY, connection_of
from engine.catalog.values import CopyValue, LibraryValue
from engine.library import open_library
from engine.library.interface import Library, Place
from engine.model.encoding import PLAIN
from engine.model.errors import LibraryOffline, UsageError
from engine.model.states import CopyKind, JobCopyState, Severity, SubclientKind
from engine.operations.deciding import settle_policy
from engine.operations.jobcopies import copy_named
from engine.operations.planning import Scope, load_scope


class Promised(NamedTuple):
    """What a copy that is to be the primary has, as the ledger says."""

    scope: Scope
    copy: CopyValue
    backup_jobs: set[int]


def promised(session: Session, policy: str, copy: str) -> Promised:
    """Reads what the ledger says of a copy; any session.

    Raises:
        NotFoundError: no such policy or copy.
    """
    scope = load_scope(session, policy)
    value = copy_named(scope, copy)
    lines = ledger.job_copies(session, value.id, states=(JobCopyState.AVAILABLE,))
    return Promised(scope, value, {line.backup_job_id for line in lines})


def look_at_media(wanted: Promised) -> None:
    """Looks whether the media have what the ledger says.

    Blocking, as long as a library hangs: for the process that asks, never for the service.

    Raises:
        LibraryOffline: its library cannot be looked at.
        UsageError: it lacks some.
    """
    scope, copy, backup_jobs = wanted
    value = scope.library_of(copy.id)
    if copy.kind != CopyKind.SYNCHRONOUS or value is None:
        return  # refused in any case
    library = _reached(scope, value)
    missing = sorted(backup_jobs - set(library.published(Place(scope.policy.name, copy.name))))
    if missing:
        first = ", ".join(str(job_id) for job_id in missing[:5])
        raise UsageError(
            f"{copy.name} is said to have {len(missing)} backup jobs that are not in library "
            f"{value.name}: {first}",
            hint=f"run: auxtui verify {scope.policy.name}/{copy.name} --all, then repair them",
        )


def _reached(scope: Scope, value: LibraryValue) -> Library:
    """A library through the first of its data paths that leads there; raises the error of the first."""
    others = [path.url for path in scope.data_paths if path.library_id == value.id and path.url]
    error: LibraryOffline | None = None
    for url in dict.fromkeys([value.url, *others]):
        library = open_library(value.name, url, value.uuid, scope.commcell_id)
        try:
            library.probe()
        except LibraryOffline as err:
            error = error or err
        else:
            return library
    raise error or LibraryOffline(f"library {value.name} has no place")


def promote(session: Session, payload: dict[str, Any], by: str, now: datetime) -> dict[str, Any]:
    """Makes a copy the primary in one transaction.

    Args:
        session: a writing session.
        payload: `policy` and `copy`.
        by: who asks; it is logged.
        now: the present.

    Returns:
        `primary` and `was`.

    Raises:
        UsageError: it cannot be; nothing was changed.
        NotFoundError: no such policy or copy.
    """
    scope = load_scope(session, str(payload.get("policy", "")))
    copy, old = copy_named(scope, str(payload.get("copy", ""))), scope.primary
    _check(session, scope, copy)
    set_row = update(COPY)
    connection = connection_of(session)
    connection.execute(
        set_row.where(COPY.c.id == old.id).values(
            kind=CopyKind.SYNCHRONOUS.value, source_copy_id=None
        )
    )
    connection.execute(
        set_row.where(COPY.c.id == copy.id).values(
            kind=CopyKind.PRIMARY.value,
            source_copy_id=None,
            active=True,
            compression=PLAIN.compression,
            encrypt_to=[],
        )
    )
    # What named the new primary as its source reads from the primary from now on.
    connection.execute(set_row.where(COPY.c.source_copy_id == copy.id).values(source_copy_id=None))
    settle_policy(session, scope.policy.name, now)
    note = ""
    if not copy.encoding.is_plain:
        note = f"; what it has stays {copy.encoding}, what is backed up to it from now on is not"
    add_event(
        session,
        severity=Severity.WARNING,
        code="policy.promoted",
        message=f"{by} made copy {copy.name} the primary of policy {scope.policy.name}; "
        f"{old.name} is a synchronous copy of it now" + note,
        now=now,
    )
    return {"primary": copy.name, "was": old.name, "note": note.removeprefix("; ")}


def _check(session: Session, scope: Scope, copy: CopyValue) -> None:
    policy = scope.policy
    if copy.kind == CopyKind.PRIMARY:
        raise UsageError(f"{copy.name} is the primary copy of policy {policy.name} already")
    if copy.kind == CopyKind.SELECTIVE:
        raise UsageError(
            f"{copy.name} is a selective copy: it has chosen fulls only",
            hint="a synchronous copy has everything",
        )
    landing = [
        value.full_name
        for value in config.subclients(session, policy.id)
        if value.kind == SubclientKind.LANDING
    ]
    if landing:
        raise UsageError(
            f"what lands for {', '.join(landing)} is the primary copy of policy {policy.name}",
            hint=f'to copy from {copy.name} give other copies source = "{copy.name}"; '
            "restores take the copy that is named, or the next one that has it",
        )
    running = [job.id for job in jobs.active_jobs(session) if job.policy_id == policy.id]
    if running:
        raise UsageError(
            f"job {running[0]} of policy {policy.name} is at work", hint="wait for it, or kill it"
        )
    missing = _missing(session, scope, copy)
    if missing:
        first = ", ".join(str(job_id) for job_id in missing[:5])
        raise UsageError(
            f"{copy.name} does not have {len(missing)} backup jobs of the primary: {first}",
            hint=f"run: auxtui auxcopy {policy.name} --copy {copy.name}",
        )


def _missing(session: Session, scope: Scope, copy: CopyValue) -> list[int]:
    """Backup jobs that the primary has and the copy has not."""
    available = (JobCopyState.AVAILABLE,)
    has = {line.backup_job_id for line in ledger.job_copies(session, copy.id, states=available)}
    primary = ledger.job_copies(session, scope.primary.id, states=available)
    return sorted(line.backup_job_id for line in primary if line.backup_job_id not in has)
