"""Backup jobs as the catalog knows them, whichever copies have them; part of `ledger`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlmodel import Session

from engine.catalog.lines import primary_copy_id
from engine.catalog.rows import (
    BACKUP_JOB,
    CLIENT,
    JOB_COPY,
    SUBCLIENT,
    connection_of,
    plain,
    read_all,
    read_one,
)
from engine.catalog.values import BackupJobName, BackupJobValue
from engine.model.errors import NotFoundError
from engine.model.states import JobCopyState, Level

_IDS_PER_QUERY = 500  # below the number of parameters that every database takes


def add_backup_job(
    s: Session,
    *,
    id: int,
    subclient_id: int,
    policy_id: int,
    level: Level,
    name: bytes,
    fingerprint: str,
    cycle: int,
    started_at: datetime,
    completed_at: datetime,
    adopted_at: datetime,
    size_bytes: int,
    files: int,
    chunks: int,
    reason: str = "",
) -> None:
    """Adds a backup job, and that it is available on its policy's primary copy.

    Args:
        s: a writing session.
        id: from `jobs.next_id`.
        subclient_id: what it protects.
        policy_id: the policy of the subclient at that time.
        level: full or incremental.
        name: the adopted entry below the landing directory; empty for backed-up content.
        fingerprint: identity of what was adopted; the same one is never adopted twice.
        cycle: number of the full that it belongs to.
        started_at: when the backup began.
        completed_at: when it was complete, and so available on the primary.
        adopted_at: when it became known here.
        size_bytes: its bytes.
        files: number of its files.
        chunks: number of its chunks.
        reason: of its line on the primary: what it is without; empty: nothing.

    Raises:
        NotFoundError: the policy has no primary copy.
    """
    columns: dict[str, object] = {
        "id": id,
        "subclient_id": subclient_id,
        "policy_id": policy_id,
        "level": level,
        "name": name,
        "fingerprint": fingerprint,
        "cycle": cycle,
        "started_at": started_at,
        "completed_at": completed_at,
        "adopted_at": adopted_at,
        "size_bytes": size_bytes,
        "files": files,
        "chunks": chunks,
    }
    connection_of(s).execute(insert(BACKUP_JOB).values(plain(columns)))
    primary = {
        "copy_id": primary_copy_id(s, policy_id),
        "backup_job_id": id,
        "state": JobCopyState.AVAILABLE,
        "reason": reason,
        "state_at": completed_at,
        "chunks_done": chunks,
        "bytes_done": size_bytes,
        "copied_at": completed_at,
    }
    connection_of(s).execute(insert(JOB_COPY).values(plain(primary)))


def backup_job(s: Session, backup_job_id: int) -> BackupJobValue:
    """One backup job.

    Raises:
        NotFoundError: there is none with this id.
    """
    query = select(BACKUP_JOB).where(BACKUP_JOB.c.id == backup_job_id)
    found = read_one(s, BackupJobValue, query)
    if found is None:
        raise NotFoundError(
            f"there is no backup job {backup_job_id}", hint="list them with: auxtui copies POLICY"
        )
    return found


def set_fingerprint(s: Session, backup_job_id: int, fingerprint: str) -> None:
    """Binds a backup job that was never hashed to its source as it is now.

    Args:
        s: a writing session.
        backup_job_id: which.
        fingerprint: of its entries at the source.
    """
    connection_of(s).execute(
        update(BACKUP_JOB).where(BACKUP_JOB.c.id == backup_job_id).values(fingerprint=fingerprint)
    )


def newest_backup_job(s: Session, policy_id: int | None) -> int:
    """Id of the newest backup job of a policy, or of all; 0 while there is none."""
    query = select(func.max(BACKUP_JOB.c.id))
    if policy_id is not None:
        query = query.where(BACKUP_JOB.c.policy_id == policy_id)
    return int(connection_of(s).execute(query).scalar() or 0)


def newest_cycle(s: Session, subclient_id: int) -> int:
    """Number of the newest full cycle of a subclient; 0 while there is none."""
    query = select(func.max(BACKUP_JOB.c.cycle)).where(BACKUP_JOB.c.subclient_id == subclient_id)
    return int(connection_of(s).execute(query).scalar() or 0)


def backup_jobs(s: Session, ids: Iterable[int]) -> dict[int, BackupJobValue]:
    """Backup jobs by id; those that are not there are left out."""
    wanted = sorted(set(ids))
    found: dict[int, BackupJobValue] = {}
    for start in range(0, len(wanted), _IDS_PER_QUERY):
        part = wanted[start : start + _IDS_PER_QUERY]
        query = select(BACKUP_JOB).where(BACKUP_JOB.c.id.in_(part))
        found.update((value.id, value) for value in read_all(s, BackupJobValue, query))
    return found


def backup_jobs_of(s: Session, subclient_id: int) -> list[BackupJobValue]:
    """Backup jobs of a subclient, in the order in which they were completed."""
    query = (
        select(BACKUP_JOB)
        .where(BACKUP_JOB.c.subclient_id == subclient_id)
        .order_by(BACKUP_JOB.c.completed_at, BACKUP_JOB.c.id)
    )
    return read_all(s, BackupJobValue, query)


def newest_of(s: Session, subclient_id: int, level: Level, *, limit: int) -> list[BackupJobValue]:
    """The newest backup jobs of a subclient of one level, the newest first; at most so many."""
    query = (
        select(BACKUP_JOB)
        .where(BACKUP_JOB.c.subclient_id == subclient_id, BACKUP_JOB.c.level == level.value)
        .order_by(BACKUP_JOB.c.completed_at.desc(), BACKUP_JOB.c.id.desc())
        .limit(limit)
    )
    return read_all(s, BackupJobValue, query)


def completions(s: Session, subclient_id: int, *, limit: int) -> list[float]:
    """When the newest backup jobs of a subclient were complete, seconds since the epoch."""
    query = (
        select(BACKUP_JOB.c.completed_at)
        .where(BACKUP_JOB.c.subclient_id == subclient_id)
        .order_by(BACKUP_JOB.c.completed_at.desc())
        .limit(limit)
    )
    return [row[0].timestamp() for row in connection_of(s).execute(query)]


def backup_job_names(s: Session, policy_id: int) -> dict[int, BackupJobName]:
    """What a list says of each backup job of a policy, by id."""
    connection = connection_of(s)
    query = select(SUBCLIENT.c.id, CLIENT.c.name, SUBCLIENT.c.name).join_from(SUBCLIENT, CLIENT)
    names = {row[0]: (row[1], row[2]) for row in connection.execute(query)}
    levels = {level.value: level for level in Level}
    columns = (BACKUP_JOB.c.id, BACKUP_JOB.c.subclient_id, BACKUP_JOB.c.level)
    rows = connection.execute(select(*columns).where(BACKUP_JOB.c.policy_id == policy_id))
    return {
        id_: BackupJobName(
            id=id_,
            client=names[subclient_id][0],
            subclient=names[subclient_id][1],
            level=levels[level],
        )
        for id_, subclient_id, level in rows
    }
