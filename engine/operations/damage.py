"""Damage that a reader found, told the ledger as data verification tells it: state, event, alert."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from engine.catalog import config, ledger, upkeep
from engine.catalog.events import add_event
from engine.catalog.home import Home
from engine.model.states import JobCopyState, Severity
from engine.operations.jobcopies import Located, Locator
from engine.operations.planning import load_scope

_ON_MEDIA = (JobCopyState.AVAILABLE, JobCopyState.BAD)


def record_damage(
    session: Session, one: Located, reason: str, *, job_id: int, now: datetime
) -> None:
    """Says in one transaction that a job copy is bad, why, what to do; an alert is never lost.

    Args:
        session: a writing session.
        one: the job copy.
        reason: what is damaged.
        job_id: the job that found it.
        now: the present.
    """
    step = next_step(session, one)
    upkeep.set_failed(session, *one.pair, reason, step, now)
    add_event(
        session,
        severity=Severity.ERROR,
        code="verification.failed",
        message=f"backup job {one.line.backup_job_id} on copy {one.copy.name}: {reason}",
        job_id=job_id,
        about=f"{one.place.policy}/{one.place.copy}",
        hint=step,
        now=now,
    )


def next_step(session: Session, one: Located) -> str:
    """What can be done about a bad job copy: repaired, got elsewhere, or read as far as it goes."""
    backup_job_id, name = one.line.backup_job_id, one.copy.name
    others = [
        line.state
        for line in ledger.copies_of(session, backup_job_id)
        if line.copy_id != one.copy.id and line.state in _ON_MEDIA
    ]
    if others and not one.is_landing:
        return f"repair it: auxtui repair {one.place.policy}/{name} {backup_job_id}"
    if JobCopyState.AVAILABLE in others:
        return f"get it back elsewhere: auxtui restore {backup_job_id} --to DIR"
    return (
        f"no good copy has it: what can still be read: "
        f"auxtui restore {backup_job_id} --copy {name} --to DIR"
    )


def find_located(
    session: Session, home: Home, policy_id: int, copy_id: int, backup_job_id: int
) -> Located:
    """A job copy by its ids.

    Raises:
        NotFoundError: the ledger has none.
    """
    name = next(policy.name for policy in config.policies(session) if policy.id == policy_id)
    return Locator(session, home, load_scope(session, name)).find(copy_id, backup_job_id)
