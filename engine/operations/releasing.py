"""An operator's acts on retention: the interlock released, job copies kept longer; both logged."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Session

from engine.catalog import ledger, upkeep
from engine.catalog.events import add_event
from engine.model.errors import UsageError
from engine.model.states import JobCopyState, Severity
from engine.operations.aging_decision import ON_MEDIA, held_for_copies
from engine.operations.as_of import refuse_past
from engine.operations.deciding import settle_policy
from engine.operations.jobcopies import copy_named, ids_of
from engine.operations.planning import load_scope
from engine.policy.zones import told


def release(
    session: Session, payload: dict[str, Any], by: str, now: datetime
) -> list[dict[str, Any]]:
    """Gives up what copies still wait for, where nothing else keeps it on its source.

    Raises:
        NotFoundError: no such policy or copy.
    """
    scope = load_scope(session, str(payload.get("policy", "")))
    named = payload.get("copy")
    only = None if named is None else copy_named(scope, str(named)).id
    released = []
    for held in held_for_copies(session, scope, now):
        if only is not None and held.waiting_copy_id != only:
            continue
        ledger.set_decision(
            session, held.waiting_copy_id, held.backup_job_id, "do_not_copy", by, now
        )
        released.append(
            {
                "backup_job_id": held.backup_job_id,
                "copy": scope.copies[held.waiting_copy_id].name,
                "held_on": scope.copies[held.copy_id].name,
            }
        )
    if released:
        settle_policy(session, scope.policy.name, now)
        ids = ", ".join(str(one["backup_job_id"]) for one in released)
        copies = ", ".join(sorted({str(one["copy"]) for one in released}))
        add_event(
            session,
            severity=Severity.WARNING,
            code="aging.released",
            message=f"{by} released backup jobs {ids} of policy {scope.policy.name}: "
            f"{copies} will not get them",
            now=now,
        )
    return released


def retain(session: Session, payload: dict[str, Any], by: str, now: datetime) -> None:
    """Keeps job copies until a time or for good, or ends that.

    Raises:
        NotFoundError: no such policy, copy or job copy.
        UsageError: it is not there any more, or the time is past.
    """
    scope = load_scope(session, str(payload.get("policy", "")))
    copy = copy_named(scope, str(payload.get("copy", "")))
    text, is_end = payload.get("until"), bool(payload.get("end"))
    until = None if text is None or is_end else datetime.fromisoformat(str(text))
    refuse_past(session, until, now)
    ids = ids_of(payload)
    for backup_job_id in ids:
        line = ledger.job_copy(session, copy.id, backup_job_id)
        if line is not None and line.state not in (*ON_MEDIA, JobCopyState.PARTIALLY_COPIED):
            words = line.state.value.replace("_", " ")
            raise UsageError(f"backup job {backup_job_id} is not on copy {copy.name}: {words}")
        upkeep.pin(session, copy.id, backup_job_id, by="" if is_end else by, until=until, now=now)
    kept = "for good" if until is None else f"until {told(until, scope.time_zone)}"
    what = "by retention alone" if is_end else kept
    add_event(
        session,
        severity=Severity.INFO,
        code="retention.pinned",
        message=f"{by} keeps backup jobs {', '.join(map(str, ids))} on copy {copy.name} {what}",
        now=now,
    )
