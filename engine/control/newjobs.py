"""What a request to run an operation becomes: checked, and made a job in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlmodel import Session

from engine.catalog import config, jobs, ledger, requests
from engine.catalog.values import CopyValue, JobCopyValue
from engine.model.errors import AuxError, NotFoundError, UsageError
from engine.model.states import CopyKind, JobCopyState, JobState, Level, Operation, SubclientKind
from engine.operations.jobcopies import copy_named, ids_of
from engine.operations.planning import Scope, load_scope
from engine.policy.values import RETRIES
from engine.policy.verification import Which

Payload = dict[str, Any]
_ON_MEDIA = (JobCopyState.AVAILABLE, JobCopyState.BAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job that may be made."""

    policy_id: int | None
    policy: str
    copies: tuple[str, ...]
    options: Payload = field(default_factory=dict)
    priority: int = 5
    throttle_bps: int | None = None


def create(
    session: Session,
    operation: Operation,
    payload: Payload,
    *,
    by: str,
    now: datetime,
    answers: int | None = None,
) -> int:
    """Makes the job of an operation; returns its id.

    Args:
        session: a writing session.
        operation: one of `CHECKS`.
        payload: what was asked.
        by: who asks.
        now: the present.
        answers: the request that is answered by it, in the same transaction.

    Raises:
        UsageError, NotFoundError: refused; nothing was changed.
    """
    new = CHECKS[operation](session, payload)
    job_id = jobs.create_job(
        session,
        operation=operation,
        policy_id=new.policy_id,
        policy=new.policy,
        copies=new.copies,
        options=new.options,
        description=str(payload.get("description", "")),
        priority=new.priority,
        initiated_by=by,
        state=JobState.WAITING,
        reason="",
        throttle_bps=new.throttle_bps,
        now=now,
    )
    if answers is not None:
        requests.answer(session, answers, done=True, answer={"job_id": job_id}, now=now)
    return job_id


def _check_verification(session: Session, payload: Payload) -> NewJob:
    which = str(payload.get("which", Which.NEW))
    if which not in set(Which):
        raise UsageError(f"{which!r} is nothing to verify", hint="new, expired or all")
    scope = load_scope(session, str(payload.get("policy", "")))
    named = payload.get("copy")
    chosen = list(scope.copies.values()) if named is None else [copy_named(scope, str(named))]
    ids = ids_of(payload)
    _check_verifiable(session, scope, chosen, ids)
    limits = [copy.verify_throttle_bps for copy in chosen if copy.verify_throttle_bps is not None]
    asked_bps = payload.get("throttle_bps")
    return NewJob(
        policy_id=scope.policy.id,
        policy=scope.policy.name,
        copies=tuple(
            copy.name
            for copy in chosen
            if named is not None or copy.library_id is not None or copy.kind != CopyKind.PRIMARY
        ),
        options={
            "which": which,
            "copy": named,
            "backup_jobs": ids,
            "retries": int(payload.get("retries", RETRIES)),
        },
        priority=_priority(payload),
        throttle_bps=int(asked_bps) if asked_bps is not None else min(limits, default=None),
    )


def _check_verifiable(
    session: Session, scope: Scope, chosen: list[CopyValue], ids: list[int]
) -> None:
    """Refuses backup jobs that are named and not on the one copy that is named with them."""
    if ids and len(chosen) != 1:
        raise UsageError("single backup jobs are verified on one copy", hint="name the copy")
    for backup_job_id in ids:
        line = ledger.job_copy(session, chosen[0].id, backup_job_id)
        if line is None or line.state not in _ON_MEDIA:
            raise UsageError(
                f"backup job {backup_job_id} is not on copy {chosen[0].name}: "
                "there is nothing to verify",
                hint=f"see: auxtui copies {scope.policy.name}/{chosen[0].name}",
            )


def _check_repair(session: Session, payload: Payload) -> NewJob:
    scope = load_scope(session, str(payload.get("policy", "")))
    copy = copy_named(scope, str(payload.get("copy", "")))
    ids = ids_of(payload)
    if not ids:
        raise UsageError("no backup job is named", hint="name one or more by their ids")
    refused: dict[int, AuxError] = {}
    for backup_job_id in ids:
        try:
            lines = {line.copy_id: line for line in ledger.copies_of(session, backup_job_id)}
            _check_repairable(session, scope, copy, backup_job_id, lines)
        except (UsageError, NotFoundError) as err:
            refused[backup_job_id] = err
    if len(refused) == len(ids):
        raise next(iter(refused.values()))
    return NewJob(
        policy_id=scope.policy.id,
        policy=scope.policy.name,
        copies=(copy.name,),
        options={
            "backup_jobs": [backup_job_id for backup_job_id in ids if backup_job_id not in refused],
            "refused": {str(id_): [err.message, err.hint] for id_, err in refused.items()},
            "retries": RETRIES,
        },
        priority=_priority(payload),
    )


def _check_repairable(
    session: Session,
    scope: Scope,
    copy: CopyValue,
    backup_job_id: int,
    lines: dict[int, JobCopyValue],
) -> None:
    if ledger.backup_job(session, backup_job_id).policy_id != scope.policy.id:
        raise NotFoundError(f"backup job {backup_job_id} is not of policy {scope.policy.name}")
    line = lines.get(copy.id)
    if line is None or line.state not in _ON_MEDIA:
        state = "never was there" if line is None else line.state.value.replace("_", " ")
        raise UsageError(
            f"backup job {backup_job_id} is not on copy {copy.name} ({state}): "
            "there is nothing to repair",
            hint="an auxiliary copy brings it there",
        )
    kinds = {value.id: value.kind for value in config.subclients(session, scope.policy.id)}
    if copy.kind == CopyKind.PRIMARY and kinds[line.subclient_id] == SubclientKind.LANDING:
        raise UsageError(
            f"backup job {backup_job_id} lies in a landing directory, which is never written",
            hint=f"get it back elsewhere: auxtui restore {backup_job_id} --to DIR",
        )
    if not any(other.state in _ON_MEDIA for id_, other in lines.items() if id_ != copy.id):
        raise UsageError(
            f"backup job {backup_job_id} is on no other copy: nothing could repair it",
            hint="restore what can still be read of it",
        )


def _check_aging(session: Session, payload: Payload) -> NewJob:
    name = payload.get("policy")
    policy = None if name is None else config.policy(session, str(name))
    return NewJob(
        policy_id=None if policy is None else policy.id,
        policy="" if policy is None else policy.name,
        copies=(),
        options={
            "policy": None if policy is None else policy.name,
            "dry_run": bool(payload.get("dry_run")),
            "confirm": bool(payload.get("confirm")),
            "retries": 0,
        },
    )


def _check_backup(session: Session, payload: Payload) -> NewJob:
    subclient = config.content_subclient(session, str(payload.get("subclient", "")))
    level = payload.get("level")
    if level is not None and level not in set(Level):
        raise UsageError(f"{level!r} is no level of a backup", hint="full or incremental")
    policy = next(p for p in config.policies(session) if p.id == subclient.policy_id)
    scope = load_scope(session, policy.name)
    scope.library_id(scope.primary.id)
    return NewJob(
        policy_id=policy.id,
        policy=policy.name,
        copies=(scope.primary.name,),
        options={
            "subclient": subclient.full_name,
            "level": level,
            "accept": bool(payload.get("accept")),
            "retries": RETRIES,
        },
        priority=_priority(payload),
    )


def _priority(payload: Payload) -> int:
    priority = int(payload.get("priority", 5))
    if not 0 <= priority <= 9:
        raise UsageError(f"priority {priority} is not possible", hint="0 (first) to 9 (last)")
    return priority


CHECKS: dict[Operation, Callable[[Session, Payload], NewJob]] = {
    Operation.BACKUP: _check_backup,
    Operation.VERIFICATION: _check_verification,
    Operation.REPAIR: _check_repair,
    Operation.AGING: _check_aging,
}
