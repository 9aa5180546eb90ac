"""An operator's word on job copies, and the ledger as the rules see it after a change."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from engine.catalog import config, decisions, ledger
from engine.catalog.values import CopyValue
from engine.catalog.verdicts import apply_verdicts
from engine.model.errors import NotFoundError, UsageError
from engine.model.states import CopyKind, JobCopyState
from engine.operations.aging_decision import kept_on, retention_rules
from engine.operations.planning import load_scope, plan_run
from engine.policy.retention import refuse_early_deletion
from engine.policy.values import RunOptions

_HERE = (JobCopyState.AVAILABLE, JobCopyState.BAD)
_COMES = (JobCopyState.TO_BE_COPIED, JobCopyState.PARTIALLY_COPIED, JobCopyState.DEFERRED)
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
    if decision in ("picked", "recopy"):
        _refuse_without_effect(session, copy, backup_job_id, decision)
    if decision == "recopy" and copy.worm:
        _refuse_early(session, copy, backup_job_id, now)
    ledger.set_decision(session, copy.id, backup_job_id, decision, by, now)
    if decision == "bad":
        ledger.set_state(
            session,
            copy.id,
            backup_job_id,
            JobCopyState.BAD,
            f"marked bad by {by}",
            _after_marking(copy, backup_job_id),
            now=now,
        )


def _refuse_without_effect(
    session: Session, copy: CopyValue, backup_job_id: int, decision: str
) -> None:
    """Refuses what the next run could not do; what is on the copy stays as it is.

    Raises:
        UsageError: why not, and what can be done.
    """
    job, name = f"backup job {backup_job_id}", copy.name
    line = ledger.job_copy(session, copy.id, backup_job_id)
    state = None if line is None else line.state
    if not copy.active:
        raise UsageError(f"copy {name} is not active: nothing is copied to it")
    if decision == "picked" and state is JobCopyState.AVAILABLE:
        raise UsageError(
            f"{job} is on copy {name} already", hint="to copy it anew there: auxtui recopy"
        )
    if decision == "picked" and state is JobCopyState.BAD:
        hint = "auxtui repair" if copy.worm else "auxtui recopy, or auxtui repair"
        raise UsageError(f"{job} is on copy {name} and bad", hint=hint)
    copies = {one.id: one for one in config.copies(session, copy.policy_id)}
    primary = next(one for one in copies.values() if one.kind == CopyKind.PRIMARY)
    source = copies[copy.source_copy_id or primary.id]
    there = ledger.job_copy(session, source.id, backup_job_id)
    if there is not None and there.state is JobCopyState.AVAILABLE:
        return
    is_here = state in _HERE
    if there is not None and there.state in _COMES and not is_here:
        return
    words = "never was there" if there is None else there.state.value.replace("_", " ")
    raise UsageError(
        f"{job} cannot be copied to {name}: its source {source.name} does not have it ({words})",
        hint=_elsewhere(session, copies, copy, backup_job_id),
    )


def _refuse_early(session: Session, copy: CopyValue, backup_job_id: int, now: datetime) -> None:
    """Refuses to copy anew what a WORM copy has and keeps: the new job copy would take its place.

    Raises:
        UsageError: until when it is kept.
    """
    policy = next(one.name for one in config.policies(session) if one.id == copy.policy_id)
    scope = load_scope(session, policy)
    verdict = kept_on(session, scope, copy, now).get(backup_job_id)
    if verdict is not None:
        refuse_early_deletion(copy.name, retention_rules(copy), verdict)


def _after_marking(copy: CopyValue, backup_job_id: int) -> str:
    """What can be done about a job copy that was marked bad."""
    if copy.kind != CopyKind.PRIMARY:
        return "repair it from a good copy" if copy.worm else "re-copy it from a good copy"
    return f"get it back elsewhere: auxtui restore {backup_job_id} --to DIR"


def _elsewhere(
    session: Session, copies: dict[int, CopyValue], copy: CopyValue, backup_job_id: int
) -> str:
    """What can be done instead of copying a backup job from the source of a copy."""
    found = {line.copy_id: line.state for line in ledger.copies_of(session, backup_job_id)}
    good = [copies[id_].name for id_, state in found.items() if state is JobCopyState.AVAILABLE]
    policy = next(one.name for one in config.policies(session) if one.id == copy.policy_id)
    others = [name for name in good if name != copy.name]
    if others and found.get(copy.id) in _HERE:
        return f"{others[0]} has it: auxtui repair {policy}/{copy.name} {backup_job_id}"
    if good:
        return f"it is on {', '.join(good)}: auxtui restore {backup_job_id} --to DIR"
    if found.get(copy.id) is JobCopyState.BAD:
        return (
            f"auxtui verify {policy}/{copy.name} --all reads it again; what is right of it: "
            f"auxtui restore {backup_job_id} --copy {copy.name} --to DIR"
        )
    return f"see: auxtui copies {policy}"


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
        plan = plan_run(session, scope, RunOptions(), now, owed_only=True)
        apply_verdicts(session, plan.lines, now)


def settle_all(session: Session, now: datetime) -> None:
    """`settle_policy` for every policy."""
    for policy in config.policies(session):
        settle_policy(session, policy.name, now)
