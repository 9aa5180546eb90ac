"""From the ledger to the job copies that a verification reads, and its findings in words."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from engine.catalog import ledger
from engine.catalog.values import JobCopyValue, JobValue
from engine.model.errors import AuxError
from engine.model.names import shown
from engine.operations.context import JobContext
from engine.operations.jobcopies import Located, Locator
from engine.operations.planning import Scope
from engine.policy.verification import VerifiableJob, Which, choose, parse_verify
from engine.transfer.verifying import DamagedChunk


def chosen_job_copies(
    session: Session, context: JobContext, scope: Scope, job: JobValue, now: datetime
) -> list[Located]:
    """The job copies that a run verifies, copy by copy.

    What lies in landing directories is verified only when their copy was named: it is others'.
    Where backup jobs were named, these only.
    """
    locator = Locator(session, context.home, scope)
    which, named = Which(str(job.options.get("which", Which.NEW))), job.options.get("copy")
    only = frozenset(job.options.get("backup_jobs", ()))
    chosen: list[Located] = []
    for copy in scope.copies.values():
        if copy.name not in job.copies:
            continue
        lines = {
            line.backup_job_id: line
            for line in ledger.job_copies(session, copy.id)
            if (named == copy.name or not locator.is_landing(line))
            and (not only or line.backup_job_id in only)
        }
        picked = choose(
            [verifiable(line) for line in lines.values()],
            which,
            now=now.timestamp(),
            expires_s=copy.verify_expires_s,
            rule=parse_verify(copy.verify) if copy.verify else None,
        )
        chosen += [locator.located(lines[one.backup_job_id]) for one in picked]
    return chosen


def verifiable(line: JobCopyValue) -> VerifiableJob:
    """A line of the ledger as the rules of verification see it."""
    copied_at = line.copied_at or line.completed_at
    return VerifiableJob(
        backup_job_id=line.backup_job_id,
        state=line.state,
        size_bytes=line.size_bytes,
        verification=line.verification,
        verified_at=None if line.verified_at is None else line.verified_at.timestamp(),
        copied_at=copied_at.timestamp(),
        decision=line.decision,
    )


def part_of(damaged: DamagedChunk) -> str:
    """File and byte range, inert."""
    if not damaged.chunk.length:
        return shown(damaged.path)
    end = damaged.chunk.offset + damaged.chunk.length
    return f"{shown(damaged.path)} [{damaged.chunk.offset}-{end})"


def reason_of(whole: AuxError | None, found: list[DamagedChunk]) -> str:
    """What is damaged, in one sentence; empty when nothing is."""
    if whole is not None:
        return whole.message
    if not found:
        return ""
    first, name = found[0].error.message, shown(found[0].path)
    if f" {name}: " not in f" {first}" and not first.startswith(f"{name} "):  # most name the file
        first = f"{part_of(found[0])}: {first}"
    return first if len(found) == 1 else f"{len(found)} damaged parts, the first {first}"
