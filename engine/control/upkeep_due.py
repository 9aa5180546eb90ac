"""What a schedule of backup, verification or aging starts when it is due."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Session

from engine.catalog import config, jobs, ledger
from engine.catalog.values import PolicyValue, ScheduleValue
from engine.model.states import Operation, SubclientKind
from engine.operations.verifiable import verifiable
from engine.policy.verification import Which, choose, parse_verify

Payload = dict[str, Any]


def due_payloads(session: Session, value: ScheduleValue, now: datetime) -> list[Payload]:
    """One for each job that a due schedule starts; none while its earlier job is at work."""
    by = f"schedule {value.name}"
    active = [job for job in jobs.active_jobs(session) if job.initiated_by == by]
    if active and value.operation is not Operation.BACKUP:
        return []
    policies = [
        policy
        for policy in config.policies(session)
        if value.policy_id is None or policy.id == value.policy_id
    ]
    if value.operation is Operation.AGING:
        named = policies[0].name if value.policy_id is not None else None
        return [{"policy": named, "dry_run": False, "confirm": False}]
    if value.operation is Operation.BACKUP:
        at_work = {str(job.options.get("subclient")) for job in active}
        return _backups(session, value, policies, at_work)
    if value.operation is not Operation.VERIFICATION:
        return []
    if value.policy_id is not None:
        return [{"policy": policy.name, "which": _which(session, policy)} for policy in policies]
    return [
        {"policy": policy.name, "which": Which.DUE.value}
        for policy in policies
        if _is_due(session, policy, now)
    ]


def _backups(
    session: Session, value: ScheduleValue, policies: list[PolicyValue], active: set[str]
) -> list[Payload]:
    """Every subclient that auxtui backs up, of one policy or of all; not one that it does now."""
    ids, named = {policy.id for policy in policies}, value.options.get("subclients")
    return [
        {"subclient": subclient.full_name, "level": value.options.get("level")}
        for subclient in config.subclients(session)
        if subclient.kind == SubclientKind.CONTENT
        and subclient.policy_id in ids
        and subclient.full_name not in active
        and (not named or subclient.full_name in named)
    ]


def _which(session: Session, policy: PolicyValue) -> str:
    has_rules = any(copy.verify for copy in config.copies(session, policy.id))
    return (Which.DUE if has_rules else Which.NEW).value


def _is_due(session: Session, policy: PolicyValue, now: datetime) -> bool:
    """Whether the rule of any copy wants something verified tonight."""
    for copy in config.copies(session, policy.id):
        if not copy.verify or copy.library_id is None:
            continue
        lines = [verifiable(line) for line in ledger.job_copies(session, copy.id)]
        rule, expires_s = parse_verify(copy.verify), copy.verify_expires_s
        if choose(lines, Which.DUE, now=now.timestamp(), expires_s=expires_s, rule=rule):
            return True
    return False
