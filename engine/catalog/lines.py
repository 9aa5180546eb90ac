"""The ledger as the rules see it: one lean line per backup job of a copy, 100,000 in a breath."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from sqlalchemy import Float, Select, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction
from sqlmodel import Session

from engine.catalog.rows import BACKUP_JOB, CLIENT, COPY, JOB_COPY, SUBCLIENT, connection_of
from engine.model.errors import NotFoundError
from engine.model.states import CopyKind, JobCopyState, Verification
from engine.policy.values import LedgerLine

_STATES = {state.value: state for state in JobCopyState}


class epoch_s(GenericFunction[float]):  # noqa: N801 - named as in SQL
    """Seconds since the epoch of a time column; exact to a millisecond on SQLite."""

    type = Float()
    inherit_cache = True


@compiles(epoch_s, "sqlite")
def _epoch_on_sqlite(element: epoch_s, compiler: SQLCompiler, **options: Any) -> str:
    column = compiler.process(element.clauses, **options)
    return f"(julianday({column}) - 2440587.5) * 86400.0"


@compiles(epoch_s, "postgresql")
def _epoch_on_postgresql(element: epoch_s, compiler: SQLCompiler, **options: Any) -> str:
    column = compiler.process(element.clauses, **options)
    return f"extract(epoch from {column})::float8"


def ledger_lines(
    s: Session,
    copy_id: int,
    *,
    subclient_id: int | None = None,
    backup_job_id: int | None = None,
    without_there: bool = False,
) -> list[LedgerLine]:
    """Every backup job of a copy's policy as that copy sees it, in the order of their ids.

    Args:
        s: any session.
        copy_id: which copy.
        subclient_id: only backup jobs of this subclient; None: of all.
        backup_job_id: only this one; None: all.
        without_there: not what the copy has and nobody decided about: on most nights nearly all.

    Raises:
        NotFoundError: there is no such copy.
    """
    source_id = source_of(s, copy_id)
    source, own = JOB_COPY.alias("source"), JOB_COPY.alias("own")
    job = BACKUP_JOB.c
    query = (
        select(
            job.id,
            job.subclient_id,
            job.level,
            epoch_s(job.completed_at),
            job.size_bytes,
            job.cycle,
            source.c.state,
            epoch_s(source.c.copied_at),
            source.c.verification,
            own.c.state,
            own.c.decision,
            own.c.priority,
            source.c.reason,
            own.c.reason,
            own.c.tries,
            epoch_s(own.c.copied_at),
            own.c.decided_by,
            epoch_s(own.c.decided_at),
            source.c.encoding,
        )
        .select_from(BACKUP_JOB)
        .outerjoin(source, (source.c.copy_id == source_id) & (source.c.backup_job_id == job.id))
        .outerjoin(own, (own.c.copy_id == copy_id) & (own.c.backup_job_id == job.id))
        .where(
            job.policy_id == select(COPY.c.policy_id).where(COPY.c.id == copy_id).scalar_subquery()
        )
        .order_by(job.id)
    )
    if subclient_id is not None:
        query = query.where(job.subclient_id == subclient_id)
    if backup_job_id is not None:
        query = query.where(job.id == backup_job_id)
    if without_there:
        query = query.where(job.id.not_in(_there(copy_id)) | job.id.in_(_decided(copy_id)))
    return _lines(s, query, full_names(s))


def _there(copy_id: int) -> Select[*tuple[Any, ...]]:
    """Ids of what a copy has: an index has them all, a look at the row of each would take thrice as long."""
    listed = JOB_COPY.alias("there")
    return select(listed.c.backup_job_id).where(
        listed.c.copy_id == copy_id, listed.c.state == JobCopyState.AVAILABLE.value
    )


def _decided(copy_id: int) -> Select[*tuple[Any, ...]]:
    """Ids of what somebody decided about for a copy."""
    listed = JOB_COPY.alias("decided")
    return select(listed.c.backup_job_id).where(
        listed.c.copy_id == copy_id, listed.c.decision != ""
    )


def _lines(s: Session, query: Select[*tuple[Any, ...]], names: dict[int, str]) -> list[LedgerLine]:
    never, usual = Verification.NEVER.value, LedgerLine._field_defaults["priority"]
    state_of = _STATES.get
    # Straight from the driver into tuples: nothing here needs converting, and rows of 100,000
    # backup jobs cost a quarter more on any other way.
    new, result = tuple.__new__, connection_of(s).execute(query)
    rows = cast("Iterable[tuple[Any, ...]]", result.cursor)
    return [
        new(
            LedgerLine,
            (
                id_,
                names[subclient_id],
                level,
                completed_at,
                size_bytes,
                cycle,
                state_of(source_state),
                source_at,
                verification or never,
                state_of(state),
                decision or "",
                usual if priority is None else priority,
                source_reason or "",
                reason or "",
                tries or 0,
                available_at,
                decided_by or "",
                decided_at,
                encoding or "",
            ),
        )
        for (
            id_,
            subclient_id,
            level,
            completed_at,
            size_bytes,
            cycle,
            source_state,
            source_at,
            verification,
            state,
            decision,
            priority,
            source_reason,
            reason,
            tries,
            available_at,
            decided_by,
            decided_at,
            encoding,
        ) in rows
    ]


def source_of(s: Session, copy_id: int) -> int | None:
    """The source copy of a copy: the one it names, else its policy's primary; None for a primary.

    Raises:
        NotFoundError: there is no such copy.
    """
    query = select(COPY.c.kind, COPY.c.source_copy_id, COPY.c.policy_id).where(COPY.c.id == copy_id)
    row = connection_of(s).execute(query).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no copy with the id {copy_id} in the catalog")
    kind, source_id, policy_id = row
    if kind == CopyKind.PRIMARY.value:
        return None
    return int(source_id) if source_id is not None else primary_copy_id(s, policy_id)


def primary_copy_id(s: Session, policy_id: int) -> int:
    """The primary copy of a policy.

    Raises:
        NotFoundError: it has none.
    """
    found = connection_of(s).execute(
        select(COPY.c.id).where(
            COPY.c.policy_id == policy_id, COPY.c.kind == CopyKind.PRIMARY.value
        )
    )
    copy_id = found.scalars().first()
    if copy_id is None:
        raise NotFoundError(
            f"the policy with the id {policy_id} has no primary copy",
            hint="apply the site file again; then run: auxtui catalog check",
        )
    return int(copy_id)


def full_names(s: Session) -> dict[int, str]:
    """Subclient id -> `client/subclient`."""
    query = select(SUBCLIENT.c.id, CLIENT.c.name, SUBCLIENT.c.name).join_from(SUBCLIENT, CLIENT)
    return {row[0]: f"{row[1]}/{row[2]}" for row in connection_of(s).execute(query)}
