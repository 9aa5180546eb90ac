"""A small estate: one policy with a primary and two secondary copies, one client, two subclients."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from engine.catalog import jobs, ledger, tables
from engine.model.states import JobState, Level, Operation

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PRIMARY, OFFSITE, MONTHLY = 1, 2, 3
PG, WWW = 1, 2


def make_estate(session):
    """Writes the configuration; ids are those of the constants above."""
    session.add(tables.MediaAgent(id=1, name="store1"))
    session.add(tables.Library(id=1, name="vault", url="/mnt/vault"))
    session.add(tables.Client(id=1, name="db1"))
    session.add(tables.StoragePolicy(id=1, name="databases"))
    session.flush()
    session.add(tables.DataPath(library_id=1, media_agent_id=1))
    session.add(tables.PolicyCopy(id=PRIMARY, policy_id=1, name="primary", kind="primary"))
    session.add(
        tables.PolicyCopy(id=OFFSITE, policy_id=1, name="offsite", kind="synchronous", library_id=1)
    )
    session.flush()
    session.add(
        tables.PolicyCopy(
            id=MONTHLY,
            policy_id=1,
            name="monthly",
            kind="selective",
            library_id=1,
            source_copy_id=OFFSITE,
            precedence=2,
            subclients=["db1/pg"],
            encrypt_to=["age1x"],
        )
    )
    for subclient_id, name, kind in ((PG, "pg", "landing"), (WWW, "www", "content")):
        session.add(
            tables.Subclient(id=subclient_id, client_id=1, name=name, policy_id=1, kind=kind)
        )
    session.flush()


def new_job(session, *, state=JobState.WAITING, now=NOW, **columns):
    """Makes an auxiliary copy job; returns its id."""
    job_id = jobs.create_job(
        session,
        operation=Operation.AUXCOPY,
        policy_id=1,
        policy="databases",
        copies=("offsite",),
        options={"streams": 2},
        description="",
        priority=5,
        initiated_by="ann",
        state=state,
        reason="no stream yet",
        throttle_bps=None,
        now=now,
    )
    if columns:
        jobs.update_job(session, job_id, now=now, **columns)
    return job_id


def adopt(session, *, subclient_id=PG, name=b"a.dump", days_ago=1.0, size_bytes=1000, **changes):
    """Adds a backup job as a scan would; returns its id."""
    backup_job_id = jobs.next_id(session)
    completed_at = NOW - timedelta(days=days_ago)
    columns = {
        "level": Level.FULL,
        "fingerprint": f"print-{backup_job_id}",
        "cycle": 1,
        "started_at": completed_at - timedelta(minutes=5),
        "completed_at": completed_at,
        "adopted_at": NOW,
        "files": 1,
        "chunks": 3,
    } | changes
    ledger.add_backup_job(
        session,
        id=backup_job_id,
        subclient_id=subclient_id,
        policy_id=1,
        name=name,
        size_bytes=size_bytes,
        **columns,
    )
    return backup_job_id
