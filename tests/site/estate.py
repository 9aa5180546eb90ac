"""A small configuration, and backup jobs and jobs in its catalog."""

from __future__ import annotations

from engine.catalog import config, jobs, ledger
from engine.catalog.opening import Catalog
from engine.model.states import JobState, Operation
from tests.site.conftest import NOW

BASE = """
[media_agents.store1]
[libraries.vault]
url = "@/vault"
[clients.db1.subclients.pg]
policy = "databases"
landing = "@/landing"
[policies.databases.copies.offsite]
kind = "synchronous"
library = "vault"
retain = "90d"
"""


def adopt(catalog: Catalog, *, copied_to: str = "") -> int:
    """A backup job of db1/pg, on the primary and perhaps on another copy."""
    with catalog.write() as session:
        policy = config.policy(session, "databases")
        (subclient,) = config.subclients(session, policy.id)
        number = jobs.next_id(session)
        ledger.add_backup_job(
            session,
            id=number,
            subclient_id=subclient.id,
            policy_id=policy.id,
            level="full",
            name=f"dump{number}".encode(),
            fingerprint=f"f{number}",
            cycle=number,
            started_at=NOW,
            completed_at=NOW,
            adopted_at=NOW,
            size_bytes=10,
            files=1,
            chunks=1,
        )
        if copied_to:
            copy = next(c for c in config.copies(session, policy.id) if c.name == copied_to)
            ledger.mark_available(
                session,
                copy.id,
                number,
                manifest_digest=b"d" * 32,
                chunks=1,
                size_bytes=10,
                by_job=None,
                now=NOW,
            )
        return number


def run_of(catalog: Catalog, state: JobState) -> int:
    """A job of the policy for its copy, as it stands in the catalog."""
    with catalog.write() as session:
        policy = config.policy(session, "databases")
        return jobs.create_job(
            session,
            operation=Operation.AUXCOPY,
            policy_id=policy.id,
            policy=policy.name,
            copies=["offsite"],
            options={},
            description="",
            priority=5,
            initiated_by="test",
            state=state,
            reason="",
            throttle_bps=None,
            now=NOW,
        )


def libraries(catalog: Catalog):
    """The libraries by name."""
    with catalog.read() as session:
        return {library.name: library for library in config.libraries(session)}


def copies(catalog: Catalog):
    """The copies of the policy by name."""
    with catalog.read() as session:
        policy = config.policy(session, "databases")
        return {copy.name: copy for copy in config.copies(session, policy.id)}
