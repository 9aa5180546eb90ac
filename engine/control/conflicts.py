"""Two runs never write to the same copy at once: the later one is queued behind the earlier."""

from __future__ import annotations

from collections.abc import Iterable

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
    if job.operation != Operation.AUXCOPY:
        return ""
    for other in active:
        shared = set(other.copies) & set(job.copies)
        if (
            other.id != job.id
            and other.operation == job.operation
            and other.policy_id == job.policy_id
            and shared
            and other.state in HOLDING
            and (other.id < job.id or other.state in STARTED)
        ):
            names = ", ".join(sorted(shared))
            return f"job {other.id} copies to {names}; this one starts when it has ended"
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
