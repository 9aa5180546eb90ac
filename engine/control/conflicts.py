"""Two runs never write to the same copy at once: the later one is queued behind the earlier."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from engine.catalog.values import JobValue
from engine.model.states import JobState, Operation

HOLDING = frozenset({JobState.RUNNING, JobState.PENDING, JobState.WAITING, JobState.INTERRUPTED})
STARTED = frozenset({JobState.RUNNING, JobState.PENDING})
_UPKEEP = frozenset({Operation.VERIFICATION, Operation.REPAIR, Operation.AGING})


def conflict_of(job: JobValue, active: Iterable[JobValue]) -> str:
    """Why a job cannot start yet; empty when it can.

    An earlier run of the same policy holds the copies that both are for. A suspended run holds
    nothing: another one may do its work.
    """
    if job.operation in _UPKEEP:
        return _upkeep_conflict(job, active)
    if job.operation == Operation.BACKUP:
        return _backup_conflict(job, active)
    if job.operation != Operation.AUXCOPY:
        return ""
    before = (
        other
        for other in active
        if other.id != job.id
        and other.state in HOLDING
        and (other.id < job.id or other.state in STARTED)
    )
    found = run_in_the_way(job.policy_id, job.copies, before)
    return f"{found}; this one starts when it has ended" if found else ""


def run_in_the_way(
    policy_id: int | None, copies: Collection[str], active: Iterable[JobValue]
) -> str:
    """The run that copies to one of these copies already; empty when there is none.

    Args:
        policy_id: of the copies.
        copies: names of copies.
        active: jobs that are not at their end.
    """
    for other in active:
        shared = set(other.copies) & set(copies)
        is_run = other.operation == Operation.AUXCOPY and other.state != JobState.SUSPENDED
        if shared and is_run and other.policy_id == policy_id:
            return f"job {other.id} copies to {', '.join(sorted(shared))}"
    return ""


def _backup_conflict(job: JobValue, active: Iterable[JobValue]) -> str:
    """One backup of a subclient at a time: the later one goes on from the earlier one."""
    for other in active:
        if (
            other.id != job.id
            and other.operation == Operation.BACKUP
            and other.options.get("subclient") == job.options.get("subclient")
            and other.state in HOLDING
            and (other.id < job.id or other.state in STARTED)
        ):
            return f"job {other.id} backs up the same subclient; this one starts when it has ended"
    return ""


def _upkeep_conflict(job: JobValue, active: Iterable[JobValue]) -> str:
    """Job copies are not verified, repaired and aged at the same time; an aging may be for all."""
    for other in active:
        same_policy = None in (job.policy_id, other.policy_id) or job.policy_id == other.policy_id
        same_copies = not job.copies or not other.copies or set(job.copies) & set(other.copies)
        if (
            other.id != job.id
            and other.operation in _UPKEEP
            and same_policy
            and same_copies
            and other.state in HOLDING
            and (other.id < job.id or other.state in STARTED)
        ):
            words = f"job {other.id} ({other.operation}) is at work on the same copies"
            return f"{words}; this one starts when it has ended"
    return ""
