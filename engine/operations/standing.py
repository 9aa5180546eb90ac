"""How every secondary copy stands: what it owes, whether it has fallen behind, when it is caught up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlmodel import Session

from engine.catalog import config, jobs, schedules, standings
from engine.catalog.standings import RunOfCopy
from engine.catalog.values import CopyValue, JobValue
from engine.catalog.watch_values import CopySample, CopyStanding
from engine.model.states import CopyKind, JobState, Operation
from engine.operations.gates import load_windows
from engine.operations.planning import Scope, load_scope
from engine.policy.backlog import Backlog, BehindLimits, fallen_behind, limits_of
from engine.policy.forecast import (
    HORIZON_DAYS,
    Forecast,
    RateSample,
    common_spans,
    forecast,
    past_rate,
)
from engine.policy.windows import Span, Window, blocked_spans

RATES_OF = timedelta(days=30)
INCOME_OF = timedelta(days=28)
LEAST_INCOME_OF = timedelta(days=1)  # of a policy that has just begun nothing is known yet
STILL_BEHIND = 0.9  # what has fallen behind is so until it is well below the limit


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What the copies of all policies share."""

    now: datetime
    runs: dict[int, list[RunOfCopy]]
    windows: list[Window]
    active: list[JobValue]
    before: dict[int, CopyStanding]


def measure(session: Session, now: datetime) -> list[CopyStanding]:
    """Measures every active secondary copy.

    Args:
        session: any session; nothing is written.
        now: aware.
    """
    around = _Surroundings(
        now=now,
        runs=standings.runs_since(session, now - RATES_OF, now),
        windows=load_windows(session),
        active=[job for job in jobs.active_jobs(session) if job.operation is Operation.AUXCOPY],
        before=standings.standings(session),
    )
    found: list[CopyStanding] = []
    for policy in config.policies(session):
        scope = load_scope(session, policy.name)
        limits = limits_of(policy.behind, scope.behind)
        found += [
            _standing(session, scope, copy, limits, around)
            for copy in scope.copies.values()
            if copy.kind != CopyKind.PRIMARY and copy.active
        ]
    return found


def _standing(
    session: Session, scope: Scope, copy: CopyValue, limits: BehindLimits, around: _Surroundings
) -> CopyStanding:
    now = around.now
    owed = standings.owed(session, copy.id, copy.source_copy_id or scope.primary.id)
    due_at = owed.oldest_at + timedelta(seconds=copy.defer_s) if owed.oldest_at else None
    rate = past_rate([RateSample(run.seconds, run.bytes) for run in around.runs.get(copy.id, ())])
    backlog = Backlog(
        backup_jobs=owed.jobs,
        bytes=owed.bytes,
        oldest_at=due_at.timestamp() if due_at else None,
    )
    before = around.before.get(copy.id)
    was_behind = before is not None and before.is_behind
    reasons = _reasons(backlog, rate.middle_bps if rate else None, limits, now)
    if was_behind and not reasons:
        tighter = limits.scaled(STILL_BEHIND)
        reasons = _reasons(backlog, rate.middle_bps if rate else None, tighter, now)
    income_bps = _income(session, copy, now)
    made = forecast(
        backlog_bytes=owed.bytes,
        rate=rate,
        income_bps=income_bps,
        now=now,
        starts_at=_starts_at(session, scope, around),
        blocked=_blocked(scope, copy, around),
        throttle_bps=copy.throttle_bps,
        zone=scope.time_zone,
    )
    standing = CopyStanding(
        copy_id=copy.id,
        at=now,
        owed_jobs=owed.jobs,
        owed_bytes=owed.bytes,
        oldest_due_at=due_at,
        behind_since=((before.behind_since if before else None) or now) if reasons else None,
        behind_reasons=reasons,
        rate_bps=int(rate.middle_bps) if rate else None,
        income_bps=int(income_bps),
    )
    return _with(standing, made)


def _reasons(
    backlog: Backlog, rate_bps: float | None, limits: BehindLimits, now: datetime
) -> tuple[str, ...]:
    return fallen_behind(backlog, now=now.timestamp(), rate_bps=rate_bps, limits=limits)


def _with(standing: CopyStanding, made: Forecast) -> CopyStanding:
    return replace(
        standing,
        caught_up_at=made.at,
        earliest_at=made.earliest,
        latest_at=made.latest,
        is_known=made.is_known,
        forecast=made.sentence,
    )


def _income(session: Session, copy: CopyValue, now: datetime) -> float:
    """Bytes per second of calendar time that new backup jobs bring to a copy."""
    size_bytes, first = standings.income_bytes(session, copy.id, now - INCOME_OF)
    span = max(LEAST_INCOME_OF, now - first) if first else LEAST_INCOME_OF
    return size_bytes / span.total_seconds()


def _starts_at(session: Session, scope: Scope, around: _Surroundings) -> datetime | None:
    """When the policy is copied next; None: it is being copied, or nobody knows."""
    policy_id = scope.policy.id
    if any(
        job.policy_id == policy_id and job.state is not JobState.SUSPENDED for job in around.active
    ):
        return None
    coming = [
        value.next_run_at
        for value in config.schedules(session)
        if value.enabled
        and value.operation is Operation.AUXCOPY
        and value.next_run_at is not None
        and (value.policy_id == policy_id or value.name in schedules.SYSTEM_SCHEDULES)
    ]
    return min(coming, default=None)


def _blocked(scope: Scope, copy: CopyValue, around: _Surroundings) -> Sequence[Span]:
    """The hours in which none of the MediaAgents of the copy's library may copy."""
    paths = [path for path in scope.data_paths if path.library_id == copy.library_id]
    agents = [scope.agents[path.media_agent_id][0] for path in paths]
    end = around.now + timedelta(days=HORIZON_DAYS)
    return common_spans(
        [
            blocked_spans(
                around.windows,
                [f"media_agents.{agent}"],
                Operation.AUXCOPY,
                start=around.now,
                end=end,
            )
            for agent in agents
        ]
    )


def sample(session: Session, measured: CopyStanding) -> CopySample | None:
    """The next point of a copy's trend; None when its time has not come yet."""
    last = standings.last_sample(session, measured.copy_id)
    if last is not None and standings.slot_of(last.at) >= standings.slot_of(measured.at):
        return None
    held_jobs, held_bytes, partial_bytes = standings.held(session, measured.copy_id)
    copied = 0
    if last is not None:
        settled = standings.copied_since(session, measured.copy_id, last.at)
        copied = max(0, settled + partial_bytes - last.partial_bytes)
    return CopySample(
        copy_id=measured.copy_id,
        at=measured.at,
        held_jobs=held_jobs,
        held_bytes=held_bytes,
        owed_jobs=measured.owed_jobs,
        owed_bytes=measured.owed_bytes,
        partial_bytes=partial_bytes,
        copied_bytes=copied,
        seconds=int((measured.at - last.at).total_seconds()) if last else 0,
    )
