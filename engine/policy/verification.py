"""Which job copies are verified: new, expired or all; or those that are due tonight."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from engine.model.errors import UsageError
from engine.model.names import shown
from engine.model.states import JobCopyState, Verification
from engine.policy.durations import format_duration, parse_duration

NIGHT_S = 86_400  # the time from one nightly run to the next
_SHARE = re.compile(r"(\d{1,3}) ?% a night", re.ASCII)
_WITHIN = re.compile(r"within (\S+)", re.ASCII)
_HINT = 'one of "at-write", "5 % a night", "within 30d"'
AT_WRITE = "at-write"


class Which(StrEnum):
    """What a run of data verification is for."""

    NEW = "new"
    """Never verified."""
    EXPIRED = "expired"
    """Verified too long ago, by the copy's `verify_expires`."""
    ALL = "all"
    """Also those that failed: what reads well again is good again."""
    DUE = "due"
    """What the copy's own rule wants tonight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRule:
    """A copy's own rule."""

    text: str
    """As it stands in the site file."""
    at_write: bool = False
    share_pct: int | None = None
    """Of the copy's bytes a night, 1 to 100."""
    within_s: int | None = None
    """Every job copy is verified again within so many seconds, a day or more."""


class VerifiableJob(NamedTuple):
    """A job copy as verification sees it."""

    backup_job_id: int
    state: JobCopyState
    size_bytes: int
    verification: str
    verified_at: float | None
    """Seconds since the epoch."""
    copied_at: float
    """Seconds since the epoch."""
    decision: str = ""


def parse_verify(text: str) -> VerifyRule:
    """The rule that a site file states.

    Raises:
        UsageError: it is none.
    """
    cleaned = " ".join(text.split())
    if cleaned == AT_WRITE:
        return VerifyRule(text=cleaned, at_write=True)
    share, within = _SHARE.fullmatch(cleaned), _WITHIN.fullmatch(cleaned)
    if share is not None and 1 <= int(share[1]) <= 100:
        return VerifyRule(text=f"{int(share[1])} % a night", share_pct=int(share[1]))
    if within is not None:
        within_s = parse_duration(within[1])
        if within_s >= NIGHT_S:
            return VerifyRule(text=f"within {format_duration(within_s)}", within_s=within_s)
        raise UsageError(f"{within[1]} is shorter than a day", hint="it is looked at once a night")
    raise UsageError(f"{shown(text[:40])!r} is no rule of verification", hint=_HINT)


def choose(
    jobs: Iterable[VerifiableJob],
    which: Which,
    *,
    now: float,
    expires_s: int | None = None,
    rule: VerifyRule | None = None,
) -> list[VerifiableJob]:
    """The job copies of one copy that a run verifies, the longest unverified first.

    Args:
        jobs: of the copy, in any state.
        which: what the run is for.
        now: seconds since the epoch.
        expires_s: after so many seconds a verification is no longer believed; None: never.
        rule: of the copy, for `Which.DUE`; without one nothing is due.
    """
    there = sorted((job for job in jobs if _is_there(job, which)), key=_oldest_first)
    match which:
        case Which.ALL:
            return there
        case Which.NEW:
            return [job for job in there if job.verification == Verification.NEVER]
        case Which.EXPIRED:
            return [job for job in there if _is_expired(job, now, expires_s)]
        case Which.DUE:
            return _due(there, now, expires_s, rule)


def _is_there(job: VerifiableJob, which: Which) -> bool:
    if job.state is JobCopyState.AVAILABLE:
        return True
    return which is Which.ALL and job.state is JobCopyState.BAD


def _oldest_first(job: VerifiableJob) -> tuple[float, int]:
    return (-1.0 if job.verified_at is None else job.verified_at, job.backup_job_id)


def _is_expired(job: VerifiableJob, now: float, expires_s: int | None) -> bool:
    if expires_s is None or job.verified_at is None:
        return False
    return job.verified_at + expires_s <= now


def _due(
    there: Sequence[VerifiableJob], now: float, expires_s: int | None, rule: VerifyRule | None
) -> list[VerifiableJob]:
    """Expired ones, and what the rule wants; with `at-write` what was never read back."""
    if rule is None:
        return []
    expired = {job.backup_job_id for job in there if _is_expired(job, now, expires_s)}
    if rule.at_write:
        wanted = {job.backup_job_id for job in there if job.verification == Verification.NEVER}
    elif rule.share_pct is not None:
        wanted = _share(there, rule.share_pct / 100)
    else:
        wanted = _within(there, now, rule.within_s or NIGHT_S)
    return [job for job in there if job.backup_job_id in wanted | expired]


def _share(there: Sequence[VerifiableJob], share: float) -> set[int]:
    """The first of them that make up a share of all bytes; one at least."""
    wanted_bytes = share * sum(job.size_bytes for job in there)
    chosen: set[int] = set()
    chosen_bytes = 0
    for job in there:
        if chosen and chosen_bytes >= wanted_bytes:
            break
        chosen.add(job.backup_job_id)
        chosen_bytes += job.size_bytes
    return chosen


def _within(there: Sequence[VerifiableJob], now: float, within_s: int) -> set[int]:
    """An even share a night, and whatever would be too late by the next night.

    What was verified during the last half of the time is left: a small copy is not read every night.
    """
    late = {job.backup_job_id for job in there if _since(job) + within_s <= now + NIGHT_S}
    old = [job for job in there if _since(job) + within_s / 2 <= now]
    share_bytes = sum(job.size_bytes for job in there) * NIGHT_S / within_s
    old_bytes = sum(job.size_bytes for job in old)
    return late | (_share(old, min(1.0, share_bytes / old_bytes)) if old_bytes else set())


def _since(job: VerifiableJob) -> float:
    return job.copied_at if job.verified_at is None else job.verified_at
