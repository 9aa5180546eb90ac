"""Which backup job stands for a subclient at a time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Session

from engine.catalog import config, ledger
from engine.catalog.values import BackupJobValue
from engine.model.errors import NotFoundError, UsageError
from engine.model.names import refuse_unwritable
from engine.model.states import JobCopyState
from engine.policy.zones import told


def backup_as_of(session: Session, subclient: str, as_of: datetime | None) -> BackupJobValue:
    """The newest backup of a subclient that was complete at a time and that a copy still has.

    Raises:
        UsageError: the subclient adopts what others write.
        NotFoundError: no such subclient, or no backup of it is old enough.
    """
    refuse_unwritable(subclient)
    value = config.content_subclient(session, subclient)
    for job in reversed(ledger.backup_jobs_of(session, value.id)):
        if as_of is not None and job.completed_at > as_of:
            continue
        lines = ledger.copies_of(session, job.id)
        if any(line.state == JobCopyState.AVAILABLE for line in lines):
            return job
    when = "" if as_of is None else f" of {told_here(session, as_of)} or before"
    raise NotFoundError(
        f"no copy has a backup of {subclient}{when}", hint=f"make one: auxtui backup {subclient}"
    )


def told_here(session: Session, at: datetime) -> str:
    """A time for a person, in the zone of the CommCell, which is named."""
    return told(at, config.commcell(session).time_zone)


def refuse_past(session: Session, until: datetime | None, now: datetime) -> None:
    """Raises:
    UsageError: the time, if there is one, is not to come.
    """
    if until is not None and until <= now:
        raise UsageError(f"{told_here(session, until)} is past", hint="give a time that is to come")


def asked_backup_job(session: Session, payload: dict[str, Any]) -> int:
    """The backup job of a request: named by its id, or by a subclient and a time.

    Raises:
        UsageError: neither or both, or a time without a zone.
        NotFoundError: there is none.
    """
    named, subclient = payload.get("backup_job_id"), payload.get("subclient")
    if (named is None) == (subclient is None):
        raise UsageError("either a backup job or a subclient is restored")
    if named is not None:
        return int(named)
    text = payload.get("as_of")
    as_of = None if text is None else datetime.fromisoformat(str(text))
    if as_of is not None and as_of.tzinfo is None:
        raise UsageError(f"{text} is a time without a zone")
    return backup_as_of(session, str(subclient), as_of).id
