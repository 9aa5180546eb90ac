"""What the rules look at and what they decide: plain frozen values, no rows, no I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from engine.model.encoding import PLAIN, Encoding
from engine.model.states import CopyKind, JobCopyState

RETRIES = 8
"""Attempts after a failure that may pass, where nobody says another number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRules:
    """A copy of a policy as the rules see it."""

    copy_id: int
    name: str
    kind: CopyKind
    source_copy_id: int | None
    """None only for the primary; resolved to the primary's id where the site says nothing."""
    active: bool = True
    precedence: int = 0
    on_and_after: datetime | None = None
    defer_s: int = 0
    subclients: frozenset[str] = frozenset()
    """`client/subclient`; empty: all."""
    select_rule: str = "all-fulls"
    select_every: int = 1
    take: str = "first"
    encoding: Encoding = PLAIN
    library: str = ""
    """Empty: the landing directories."""
    worm: bool = False
    """What it has is not replaced before its time: a bad job copy is repaired, not copied anew."""


class LedgerLine(NamedTuple):
    """One backup job as one copy sees it; positional and lean, 300,000 of them are planned in a second.

    A tuple, so that a query's rows become lines by `map(LedgerLine._make, rows)`.
    """

    backup_job_id: int
    subclient: str
    """`client/subclient`."""
    level: str
    completed_at: float
    """Seconds since the epoch, UTC."""
    size_bytes: int
    cycle: int
    source_state: JobCopyState | None
    """State on the copy's source; None when it never was there."""
    source_available_at: float | None
    source_verification: str
    state: JobCopyState | None
    """State on the copy itself; None when the ledger has no row yet."""
    decision: str = ""
    priority: int = 5
    """0 (first) to 9 (last), as of jobs."""
    source_reason: str = ""
    reason: str = ""
    tries: int = 0
    available_at: float | None = None
    """When it was copied here last, seconds since the epoch; kept when it is aged off."""
    decided_by: str = ""
    decided_at: float | None = None
    """Seconds since the epoch."""
    source_encoding: str = ""
    """Of the job copy on the source, as `Encoding.text`; empty: as it is."""


class Keys(NamedTuple):
    """What is known of the keys that open encrypted job copies."""

    can_open: Callable[[Encoding], bool]
    hint: str
    """What to do when they do not."""


NO_KEYS = Keys(lambda encoding: not encoding.is_encrypted, "name an identity file")


class Verdict(StrEnum):
    """Whether a run takes a backup job; the reason is a sentence beside it."""

    TAKEN = "taken"
    FOLLOWS = "follows"
    """Taken by the same run, once it has copied it to the source."""
    SKIPPED = "skipped"
    """Not owed now: nothing is wrong."""
    BLOCKED = "blocked"
    """Owed, and cannot be copied: a run with one is never completed without errors."""


class PlanLine(NamedTuple):
    """One backup job on one copy within a plan, with the reason for or against."""

    backup_job_id: int
    copy_id: int
    verdict: Verdict
    reason: str
    state: JobCopyState
    """What the ledger shall say of it: to_be_copied, deferred, do_not_copy ..."""
    size_bytes: int
    next_step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the Run Auxiliary Copy dialog says."""

    copies: tuple[str, ...] = ()
    """Names; empty: all active copies."""
    source_media_agent: str = ""
    streams: int | None = None
    """None: the maximum."""
    scalable: bool = True
    jobs_to_process: int = 1000
    skip_failed_verification: bool = False
    use_most_recent_full: bool = False
    fulls_first: bool = False
    priority: int = 5
    start_suspended: bool = False
    description: str = ""
    retries: int = RETRIES
    total_time_s: int | None = None
    kill_after_total_time: bool = False
    throttle_bps: int | None = None
    alert: str = ""
    """Name of an alert that tells of this job; empty: none."""
    alert_when: str = "ends"
    """A word of `JobAlert`."""
