"""Checks a catalog without changing it: the file, what refers to what, and what the rows claim."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing

from sqlalchemy import and_, func, or_, select
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, SQLModel

from engine.catalog.backups import backup_catalog as backup_catalog
from engine.catalog.backups import keep_backups as keep_backups
from engine.catalog.connecting import connect_to
from engine.catalog.faults import catalog_faults, file_faults
from engine.catalog.home import Home
from engine.catalog.jobs import active_jobs
from engine.catalog.opening import Catalog, revision_of
from engine.catalog.refusing import refuse_lost_log
from engine.catalog.revision import HEAD
from engine.catalog.rows import (
    BACKUP_JOB,
    COPY,
    ID_SEQUENCE,
    JOB,
    JOB_COPY,
    POLICY,
    SUBCLIENT,
    connection_of,
)
from engine.catalog.service_state import RUNNING, service
from engine.catalog.values import Finding
from engine.model.errors import CatalogError, NotFoundError
from engine.model.names import shown
from engine.model.states import CopyKind, JobCopyState, JobState, Severity, SubclientKind

_LISTED = 20  # problems of the file that are told; one damaged page makes hundreds
_RESTORE = "stop the service and go back to the newest copy in backups/; nothing was changed"
_BUG = "this should not happen; keep a copy of the catalog and report it"


def check_catalog(home: Home) -> list[Finding]:
    """Looks for damage and contradictions; empty when the catalog is well.

    Raises:
        NotFoundError: there is no catalog.
    """
    if not home.catalog.exists():
        raise NotFoundError(
            f"there is no catalog in {shown(str(home.path))}",
            hint="make one with: auxtui apply FILE.toml (or auxtui demo)",
        )
    try:
        with catalog_faults(home), file_faults(home):
            refuse_lost_log(home)
            revision = revision_of(home)
            findings = list(_file_findings(home))
        if revision != HEAD:
            return [*findings, _older(revision)]
        if not findings:
            with Catalog(home) as catalog, catalog.read() as session:
                findings = list(_row_findings(session))
    except CatalogError as err:
        return [Finding(severity=Severity.ERROR, what=err.message, hint=err.hint)]
    return findings


def _older(revision: str) -> Finding:
    return Finding(
        severity=Severity.INFO,
        what=f"the catalog has revision {revision}; this auxtui uses {HEAD}",
        hint="the next command that opens it copies it to backups/ and migrates it",
    )


def _file_findings(home: Home) -> Iterator[Finding]:
    with closing(connect_to(home.catalog)) as connection:
        for (problem,) in connection.execute(f"PRAGMA integrity_check({_LISTED})"):
            if problem != "ok":
                yield _error(f"the catalog is damaged: {problem}", _RESTORE)
        broken = connection.execute("PRAGMA foreign_key_check").fetchmany(_LISTED)
        for table, row, target, _ in broken:
            yield _error(f"row {row} of {table} refers to a row of {target} that is gone", _RESTORE)


def _row_findings(session: Session) -> Iterator[Finding]:
    unreadable = list(_unreadable(session))
    yield from unreadable
    if not unreadable:
        yield from _primaries(session)
        yield from _unproved(session)
        yield from _lost_from_primary(session)
        yield from _sequence(session)
        yield from _orphans(session)


def _unreadable(session: Session) -> Iterator[Finding]:
    """Values that no auxtui wrote: the database checks its pages, not what is in them."""
    connection = connection_of(session)
    for table in SQLModel.metadata.sorted_tables:
        try:
            for _ in connection.execute(select(table)):
                pass
        except (ValueError, TypeError, DBAPIError) as err:
            yield _error(
                f"table {table.name} holds a value that cannot be read: {getattr(err, 'orig', err)}",
                _RESTORE,
            )


def _primaries(session: Session) -> Iterator[Finding]:
    is_primary = and_(COPY.c.policy_id == POLICY.c.id, COPY.c.kind == CopyKind.PRIMARY.value)
    query = (
        select(POLICY.c.name, func.count(COPY.c.id))
        .join_from(POLICY, COPY, is_primary, isouter=True)
        .group_by(POLICY.c.id, POLICY.c.name)
        .having(func.count(COPY.c.id) != 1)
    )
    for name, number in connection_of(session).execute(query):
        yield _error(
            f"policy {shown(name)} has {number} primary copies instead of one",
            "apply the site file again",
        )


def _unproved(session: Session) -> Iterator[Finding]:
    """Available in a library, without the digest of the manifest that proves it."""
    lies_in_library = or_(
        COPY.c.kind != CopyKind.PRIMARY.value, SUBCLIENT.c.kind != SubclientKind.LANDING.value
    )
    query = (
        select(COPY.c.name, func.count(), func.min(JOB_COPY.c.backup_job_id))
        .join_from(JOB_COPY, COPY, JOB_COPY.c.copy_id == COPY.c.id)
        .join(BACKUP_JOB, JOB_COPY.c.backup_job_id == BACKUP_JOB.c.id)
        .join(SUBCLIENT, BACKUP_JOB.c.subclient_id == SUBCLIENT.c.id)
        .where(JOB_COPY.c.state == JobCopyState.AVAILABLE.value)
        .where(JOB_COPY.c.manifest_digest.is_(None), lies_in_library)
        .group_by(COPY.c.id, COPY.c.name)
    )
    for name, number, first in connection_of(session).execute(query):
        yield _error(
            f"{number} backup jobs are available on copy {shown(name)} without the digest of their"
            f" manifest, the first is {first}",
            "verify that copy; mark them bad if the manifest is not there",
        )


def _lost_from_primary(session: Session) -> Iterator[Finding]:
    on_primary = (
        select(JOB_COPY.c.backup_job_id)
        .join_from(JOB_COPY, COPY, JOB_COPY.c.copy_id == COPY.c.id)
        .where(COPY.c.kind == CopyKind.PRIMARY.value)
    )
    query = select(func.count(), func.min(BACKUP_JOB.c.id)).where(
        BACKUP_JOB.c.id.not_in(on_primary)
    )
    number, first = connection_of(session).execute(query).one()
    if number:
        yield _error(
            f"{number} backup jobs have no line for a primary copy, the first is {first}", _BUG
        )


def _sequence(session: Session) -> Iterator[Finding]:
    connection = connection_of(session)
    following = connection.execute(select(ID_SEQUENCE.c.next_id)).scalars().all()
    largest = max(
        connection.execute(select(func.max(table.c.id))).scalar() or 0
        for table in (JOB, BACKUP_JOB)
    )
    if len(following) != 1 or following[0] <= largest:
        yield _error(
            f"the sequence of job ids stands at {list(following)}, the largest id is {largest}",
            _BUG,
        )


def _orphans(session: Session) -> Iterator[Finding]:
    """Jobs that are called running while nobody runs them."""
    said = service(session)
    if said.state == RUNNING and _is_alive(said.pid):
        return
    for job in active_jobs(session):
        if job.state is JobState.RUNNING:
            yield Finding(
                severity=Severity.WARNING,
                what=f"job {job.id} is called running, and no service runs",
                hint="start the service, it continues the job: auxtui service start",
            )


def _is_alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # alive, and another user's
    return True


def _error(what: str, hint: str) -> Finding:
    return Finding(severity=Severity.ERROR, what=what, hint=hint)
