"""Backup jobs that are much smaller than those before them: what made them may have lost something."""

from __future__ import annotations

import re
from datetime import datetime

from sqlmodel import Session

from engine.catalog import alarms, config, ledger
from engine.catalog.events import add_event
from engine.catalog.values import SubclientValue
from engine.model.names import shown
from engine.model.states import Severity
from engine.policy.alerting import AlertKind
from engine.policy.silence import shrunk

LOOKED_AT = 5  # backup jobs before the new one
_NEWEST = 40  # among which they are looked for
_DIGITS = re.compile(rb"[0-9]+")


def tell_size(
    session: Session, subclient: SubclientValue, backup_job_id: int, now: datetime
) -> None:
    """Says when a new backup job is suspiciously small, and when the next is of usual size again.

    It is compared with those whose names differ from its own in numbers only: one directory may
    hold the dumps of a large and of a small database.

    Args:
        session: the writing session that has just added it.
        subclient: of which it is.
        backup_job_id: the new backup job.
        now: the present.
    """
    new = ledger.backup_job(session, backup_job_id)
    kind = _DIGITS.sub(b"0", new.name)
    before = [
        job.size_bytes
        for job in ledger.newest_of(session, subclient.id, new.level, limit=_NEWEST)
        if job.id != new.id and _DIGITS.sub(b"0", job.name) == kind
    ]
    about = f"{subclient.client}/{subclient.name} {shown(kind)}".rstrip()
    why = shrunk(new.size_bytes, before[:LOOKED_AT])
    if not why and alarms.find(session, AlertKind.SOURCE_SHRUNK, about) is None:
        return
    size = f"is small: {why}" if why else "is of usual size again"
    add_event(
        session,
        severity=Severity.WARNING if why else Severity.INFO,
        code="landing.shrunk" if why else "landing.grown",
        message=f"backup job {backup_job_id} of {about} {size}",
        about=about,
        hint="look whether what makes it still sees all of its data" if why else "",
        policy=policy_name(session, subclient.policy_id),
        now=now,
    )


def policy_name(session: Session, policy_id: int) -> str:
    """The name of a policy; empty when there is none of this id."""
    return next((one.name for one in config.policies(session) if one.id == policy_id), "")
