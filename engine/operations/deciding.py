"""An operator's word on job copies, and the ledger as the rules see it after a change."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from engine.catalog import config, decisions, ledger
from engine.catalog.values import CopyValue
from engine.catalog.verdicts import apply_verdicts
from engine.model.errors import NotFoundError, UsageError
from engine.model.states import CopyKind, JobCopyState
from engine.operations.planning import load_scope, plan_run
from engine.policy.values import RunOptions

DECISIONS = ("", "picked", "do_not_copy", "recopy", "bad")


def decide(
    session: Session, copy: CopyValue, backup_job_id: int, decision: str, by: str, now: datetime
) -> None:
    """Records what an operator decided for one backup job on one copy.

    Args:
        decision: picked, do_not_copy, recopy, bad, or empty to let the rules decide again.

    Raises:
        NotFoundError: there is no such backup job in the policy of this copy.
        UsageError: the decision does not exist, or makes no sense there.
    """
    if decision not in DECISIONS:
        raise UsageError(
            f"{decision!r} is no decision", hint="picked, do_not_copy, recopy, bad or none"
        )
    _refuse_stranger(session, copy, backup_job_id)
    if copy.kind == CopyKind.PRIMARY and decision != "bad":
        raise UsageError(f"{copy.name} is the primary copy: nothing is copied to it")
    line = ledger.job_copy(session, copy.id, backup_job_id)
    if decision == "do_not_copy" and line is not None and line.state == JobCopyState.AVAILABLE:
        raise UsageError(
            f"backup job {backup_job_id} is on copy {copy.name} already",
            hint="it ages off by the retention of the copy",
        )
    ledger.set_decision(session, copy.id, backup_job_id, decision, by, now)
    if decision == "bad":
        ledger.set_state(
            session,
            copy.id,
            backup_job_id,
            JobCopyState.BAD,
            f"marked bad by {by}",
            "re-copy it from a good copy",
            now=now,
        )


def prioritise(session: Session, copy: CopyValue, backup_job_id: int, priority: int) -> None:
    """Sets the place of a backup job in the next run to a copy.

    Args:
        priority: 0 (first) to 9 (last).

    Raises:
        NotFoundError: there is no such backup job in the policy of this copy.
    """
    _refuse_stranger(session, copy, backup_job_id)
    decisions.set_priority(session, copy.id, backup_job_id, priority)


def _refuse_stranger(session: Session, copy: CopyValue, backup_job_id: int) -> None:
    if ledger.backup_job(session, backup_job_id).policy_id != copy.policy_id:
        raise NotFoundError(f"backup job {backup_job_id} is not of the policy of copy {copy.name}")


def settle_policy(session: Session, policy: str, now: datetime) -> None:
    """Lets the ledger say of every secondary copy what the rules say now."""
    scope = load_scope(session, policy)
    if any(copy.active and copy.kind != CopyKind.PRIMARY for copy in scope.copies.values()):
        plan = plan_run(session, scope, RunOptions(), now)
        apply_verdicts(session, plan.lines, now)


def settle_all(session: Session, now: datetime) -> None:
    """`settle_policy` for every policy."""
    for policy in config.policies(session):
        settle_policy(session, policy.name, now)
