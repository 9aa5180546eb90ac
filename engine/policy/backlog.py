"""What a copy still has to take, and whether it has fallen behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.model.states import JobCopyState
from engine.policy.durations import format_about, format_size
from engine.policy.values import LedgerLine, PlanLine
from engine.policy.zones import DAY_S

ASK_BYTES = 10 * 10**12  # a new copy with more behind its source asks for a date first
ASK_AGE_S = 14 * DAY_S
_OWED = frozenset({JobCopyState.TO_BE_COPIED, JobCopyState.PARTIALLY_COPIED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Backup jobs that a copy owes."""

    backup_jobs: int
    bytes: int
    oldest_at: float | None
    """When the oldest was due: available on its source, deferral over; None when nothing is owed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BehindLimits:
    """From when on a copy counts as fallen behind; None switches a limit off."""

    size_bytes: int | None = 25 * 10**12
    age_s: int | None = 14 * DAY_S
    """The oldest that is owed was due so long ago."""
    time_s: int | None = 48 * 3_600
    """To copy all of it at the past rate would take so long."""

    def scaled(self, share: float) -> BehindLimits:
        """The same limits, tighter or wider."""
        return BehindLimits(
            size_bytes=_share_of(self.size_bytes, share),
            age_s=_share_of(self.age_s, share),
            time_s=_share_of(self.time_s, share),
        )


def limits_of(own: Mapping[str, int | None], usual: BehindLimits) -> BehindLimits:
    """The limits of a policy: its own where it has them, else those of the CommCell.

    Args:
        own: by field name; None switches one off, one that is absent is as usual.
        usual: those of the CommCell.
    """
    return BehindLimits(
        size_bytes=own.get("size_bytes", usual.size_bytes),
        age_s=own.get("age_s", usual.age_s),
        time_s=own.get("time_s", usual.time_s),
    )


def _share_of(limit: int | None, share: float) -> int | None:
    return None if limit is None else int(limit * share)


def backlog_of(
    lines: Sequence[LedgerLine], verdicts: Sequence[PlanLine], *, defer_s: int = 0
) -> Backlog:
    """What a copy owes after a plan; what is deferred is not owed yet.

    Args:
        lines: all backup jobs as the copy sees them.
        verdicts: of these lines, in the same order.
        defer_s: the copy's deferral, seconds.
    """
    owed = [line for line, verdict in zip(lines, verdicts, strict=True) if verdict.state in _OWED]
    return Backlog(
        backup_jobs=len(owed),
        bytes=sum(line.size_bytes for line in owed),
        oldest_at=min((_due_at(line, defer_s) for line in owed), default=None),
    )


def _due_at(line: LedgerLine, defer_s: int) -> float:
    available = line.source_available_at
    return (line.completed_at if available is None else available) + defer_s


def fallen_behind(
    backlog: Backlog, *, now: float, rate_bps: float | None, limits: BehindLimits | None = None
) -> tuple[str, ...]:
    """Why a copy has fallen behind, a sentence each; empty when it has not.

    Args:
        backlog: what it owes.
        now: seconds since the epoch.
        rate_bps: its rate in the past, bytes per second; None: nothing was copied yet.
        limits: from when on.
    """
    limits = limits or BehindLimits()
    reasons: list[str] = []
    if limits.size_bytes is not None and backlog.bytes > limits.size_bytes:
        size, most = format_size(backlog.bytes), format_size(limits.size_bytes)
        reasons.append(f"{size} to copy, more than {most}")
    if limits.age_s is not None and backlog.oldest_at is not None:
        age_s = now - backlog.oldest_at
        if age_s > limits.age_s:
            reasons.append(
                f"the oldest has been due for {format_about(age_s)}, "
                f"more than {format_about(limits.age_s)}"
            )
    if limits.time_s is not None and rate_bps and backlog.bytes / rate_bps > limits.time_s:
        takes = format_about(backlog.bytes / rate_bps)
        reasons.append(f"{takes} of work at the past rate, more than {format_about(limits.time_s)}")
    return tuple(reasons)


def backlog_question(lines: Iterable[LedgerLine], *, now: float) -> str:
    """What to ask when a copy is new: all that its source holds, or from a date on; empty: nothing.

    Args:
        lines: all backup jobs as the new copy sees them.
        now: seconds since the epoch.
    """
    held = [line for line in lines if line.source_state == JobCopyState.AVAILABLE]
    size_bytes = sum(line.size_bytes for line in held)
    age_s = max((now - line.completed_at for line in held), default=0.0)
    if size_bytes <= ASK_BYTES and age_s <= ASK_AGE_S:
        return ""
    return (
        f"the source holds {len(held)} backup jobs, {format_size(size_bytes)}, "
        f"the oldest {format_about(age_s)} old: copy all of them, or only backups on and after a date?"
    )
