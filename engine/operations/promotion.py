"""Promotion: a synchronous copy becomes the primary, the old primary a synchronous copy of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import aiofiles.os
from sqlalchemy import update
from sqlmodel import Session

from engine.catalog import config, jobs, ledger
from engine.catalog.events import add_event
from engine.catalog.rows import COPY, connection_of
from engine.catalog.values import CopyValue
from engine.library.interface import Place
from engine.model.clock import Clock
from engine.model.encoding import PLAIN
from engine.model.errors import LibraryOffline, UsageError
from engine.model.states import CopyKind, JobCopyState, Severity, SubclientKind
from engine.operations.deciding import settle_policy
from engine.operations.jobcopies import copy_named
from engine.operations.planning import Scope, load_scope
from engine.operations.probing import probe_one
from engine.operations.store import Store


async def look_at_media(store: Store, clock: Clock, payload: dict[str, Any]) -> None:
    """Looks whether a copy that is to be the primary has on its media what the ledger says.

    Raises:
        LibraryOffline: its library cannot be looked at.
        UsageError: it lacks some.
        NotFoundError: no such policy or copy.
    """

    def read(session: Session) -> tuple[Scope, CopyValue, set[int]]:
        scope = load_scope(session, str(payload.get("policy", "")))
        copy = copy_named(scope, str(payload.get("copy", "")))
        lines = ledger.job_copies(session, copy.id, states=(JobCopyState.AVAILABLE,))
        return scope, copy, {line.backup_job_id for line in lines}

    scope, copy, wanted = await store.read(read)
    value = scope.library_of(copy.id)
    if value is None:
        return  # landing directories: refused in any case
    library = await probe_one(store, clock, value, scope.commcell_id)
    if isinstance(library, LibraryOffline):
        raise library
    place = Place(scope.policy.name, copy.name)
    missing = sorted(wanted - set(await aiofiles.os.wrap(library.published)(place)))
    if missing:
        first = ", ".join(str(job_id) for job_id in missing[:5])
        raise UsageError(
            f"{copy.name} is said to have {len(missing)} backup jobs that are not in library "
            f"{value.name}: {first}",
            hint=f"run: auxtui verify {scope.policy.name}/{copy.name} --all, then repair them",
        )


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
