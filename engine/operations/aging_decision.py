"""What may be aged off the copies of a policy now, what keeps the rest, and whether the fuse holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from sqlmodel import Session

from engine.catalog import config, jobs, ledger, upkeep
from engine.catalog.home import Home
from engine.catalog.values import CopyValue, JobCopyValue, PolicyValue
from engine.model.states import (
    CopyKind,
    JobCopyState,
    Level,
    LibraryState,
    Operation,
    Verification,
)
from engine.operations.jobcopies import Located, Locator
from engine.operations.planning import Scope, copy_rules, load_scope, plan_run
from engine.policy.fuse import FuseLimits, HeldCopy, doubts, too_many, too_much_of_subclient
from engine.policy.periods import Calendar
from engine.policy.retention import (
    FOR_EVER,
    ExtendedRule,
    HeldJob,
    RetentionRules,
    RetentionVerdict,
    owed_by_plan,
    retention,
)
from engine.policy.values import RunOptions

ON_MEDIA = (JobCopyState.AVAILABLE, JobCopyState.BAD)
LANDING_REASON = "lies in a landing directory: its owner takes it away, never auxtui"


@dataclass(frozen=True, slots=True)
class Fuse:
    """Why aging stops on a copy, or for one subclient of it."""

    copy: str
    subclient: str
    """Empty: the whole copy."""
    reason: str


@dataclass(slots=True)
class CopyDecision:
    """What becomes of the job copies of one copy."""

    copy: CopyValue
    lines: dict[int, JobCopyValue]
    verdicts: list[RetentionVerdict] = field(default_factory=list)
    left: dict[int, str] = field(default_factory=dict)
    """Backup jobs that may be aged and are not, with what stands against it."""
    stopped: set[int] = field(default_factory=set)
    """Those of them that only the fuse stops."""

    @property
    def aging(self) -> list[int]:
        """Backup jobs that go now, what depends on others before them."""
        going = [
            self.lines[verdict.backup_job_id]
            for verdict in self.verdicts
            if verdict.may_age and verdict.backup_job_id not in self.left
        ]
        going.sort(key=going_order)
        return [line.backup_job_id for line in going]


def going_order(line: JobCopyValue) -> tuple[int, int, bool, int]:
    """Sorts what goes cycle by cycle, in each the newest first: an incremental needs those before it."""
    return line.subclient_id, line.cycle, line.level is Level.FULL, -line.backup_job_id


@dataclass(slots=True)
class Decision:
    """What becomes of all job copies of one policy."""

    scope: Scope
    copies: list[CopyDecision]
    fuses: list[Fuse] = field(default_factory=list)
    holders: dict[int, list[Located]] = field(default_factory=dict)
    """For each backup job of which something goes the good job copies that stay for it."""


def decide_aging(
    session: Session, home: Home, policy: str, now: datetime, *, confirmed: bool
) -> Decision:
    """Decides on every job copy of a policy from the ledger as it is now.

    Args:
        session: any session.
        home: for the manifests of landing jobs.
        policy: name.
        now: the present.
        confirmed: the fuse was seen, and this much shall go.

    Raises:
        NotFoundError: no such policy.
    """
    return decide_in(session, home, load_scope(session, policy), now, confirmed=confirmed)


def decide_in(
    session: Session, home: Home, scope: Scope, now: datetime, *, confirmed: bool
) -> Decision:
    """`decide_aging` by a configuration that need not be the one of the catalog."""
    owed = _owed(session, scope, now)
    held = {
        copy.id: {
            line.backup_job_id: line
            for line in reversed(ledger.job_copies(session, copy.id, states=ON_MEDIA))
        }
        for copy in scope.copies.values()
    }
    clock = _Clock(now, scope.time_zone, scope.calendar)
    first = {
        copy.id: _verdicts(copy, held[copy.id], clock, owed.get(copy.id, {}), {})
        for copy in scope.copies.values()
    }
    last_good = _last_good(held, first, scope)
    decision = Decision(scope, [])
    for copy in scope.copies.values():
        verdicts = first[copy.id]
        if copy.id in last_good:
            owed_to = owed.get(copy.id, {})
            verdicts = _verdicts(copy, held[copy.id], clock, owed_to, last_good[copy.id])
        decision.copies.append(CopyDecision(copy, held[copy.id], verdicts))
    _leave_what_is_in_use(session, home, decision)
    if not confirmed:
        _look_at_fuses(session, decision)
    return decision


def kept_on(
    session: Session, scope: Scope, copy: CopyValue, now: datetime
) -> dict[int, RetentionVerdict]:
    """What retention says of each backup job on one copy, without what others still need of it."""
    lines = {
        line.backup_job_id: line
        for line in reversed(ledger.job_copies(session, copy.id, states=ON_MEDIA))
    }
    clock = _Clock(now, scope.time_zone, scope.calendar)
    return {one.backup_job_id: one for one in _verdicts(copy, lines, clock, {}, {})}


def _owed(session: Session, scope: Scope, now: datetime) -> dict[int, dict[int, list[str]]]:
    """Per source copy and backup job the active copies that still wait for it.

    A copy with a rule of verification has a backup job only when it was verified there.
    """
    consumers = [
        copy for copy in scope.copies.values() if copy.active and copy.kind != CopyKind.PRIMARY
    ]
    if not consumers:
        return {}
    plan = plan_run(session, scope, RunOptions(), now)
    rules = [copy_rules(scope, copy) for copy in consumers]
    owed = {copy_id: owed_by_plan(rules, plan.lines, copy_id) for copy_id in scope.copies}
    for copy, rule in zip(consumers, rules, strict=True):
        source = owed.get(rule.source_copy_id or scope.primary.id)
        if source is None or not copy.verify:
            continue
        for line in ledger.job_copies(session, copy.id, states=[JobCopyState.AVAILABLE]):
            if line.verification != Verification.GOOD:
                source.setdefault(line.backup_job_id, []).append(f"{copy.name} (verified)")
    return owed


class _Clock(NamedTuple):
    """When it is, and where days, weeks and months begin."""

    now: datetime
    zone: str
    calendar: Calendar


def _verdicts(
    copy: CopyValue,
    lines: Mapping[int, JobCopyValue],
    clock: _Clock,
    owed_to: Mapping[int, list[str]],
    last_good: Mapping[int, str],
) -> list[RetentionVerdict]:
    return retention(
        [_held(line) for line in lines.values()],
        retention_rules(copy),
        now=clock.now.timestamp(),
        zone=clock.zone,
        calendar=clock.calendar,
        owed_to=owed_to,
        last_good=last_good,
    )


def _last_good(
    held: Mapping[int, Mapping[int, JobCopyValue]],
    verdicts: Mapping[int, list[RetentionVerdict]],
    scope: Scope,
) -> dict[int, dict[int, str]]:
    """Per copy the good job copies that stay for another copy, which keeps its own but damaged.

    Where every good one may go at once, the one of lowest precedence stays.
    """
    stays: dict[int, dict[int, bool]] = {}
    wanted_by: dict[int, str] = {}
    for copy in scope.copies.values():
        for verdict in verdicts[copy.id]:
            job_id = verdict.backup_job_id
            if is_good(held[copy.id][job_id]):
                stays.setdefault(job_id, {})[copy.id] = not verdict.may_age
            elif not verdict.may_age:
                wanted_by.setdefault(job_id, copy.name)
    found: dict[int, dict[int, str]] = {}
    for job_id, name in wanted_by.items():
        good = stays.get(job_id, {})
        if good and not any(good.values()):
            found.setdefault(next(iter(good)), {})[job_id] = name
    return found


def is_good(line: JobCopyValue) -> bool:
    """True for what a restore would be given, as far as the ledger knows."""
    return line.state is JobCopyState.AVAILABLE and line.verification != Verification.FAILED


def retention_rules(copy: CopyValue) -> RetentionRules:
    """The retention of a copy as the rules see it."""
    return RetentionRules(
        retain_s=copy.retain_s,
        retain_cycles=copy.retain_cycles,
        extended=tuple(ExtendedRule(**rule) for rule in copy.extended),
        take=copy.take,
        worm=copy.worm,
    )


def _held(line: JobCopyValue) -> HeldJob:
    pinned_until = None
    if line.pinned_by:
        pinned_until = FOR_EVER if line.pinned_until is None else line.pinned_until.timestamp()
    return HeldJob(
        backup_job_id=line.backup_job_id,
        subclient=_subclient_of(line),
        level=line.level,
        completed_at=line.completed_at.timestamp(),
        cycle=line.cycle,
        state=line.state,
        verification=line.verification,
        size_bytes=line.size_bytes,
        pinned_until=pinned_until,
        pinned_by=line.pinned_by,
    )


def _leave_what_is_in_use(session: Session, home: Home, decision: Decision) -> None:
    """Landing directories are others'; what is being restored stays until that has ended."""
    locator = Locator(session, home, decision.scope)
    restoring = _cycles_in_use(session)
    for one in decision.copies:
        for verdict in one.verdicts:
            if not verdict.may_age:
                continue
            line = one.lines[verdict.backup_job_id]
            if locator.is_landing(line):
                one.left[line.backup_job_id] = LANDING_REASON
            elif (line.subclient_id, line.cycle) in restoring:
                job_id = restoring[line.subclient_id, line.cycle]
                one.left[line.backup_job_id] = f"job {job_id} restores from its cycle now"


def _cycles_in_use(session: Session) -> dict[tuple[int, int], int]:
    """Subclient and cycle of what is being restored, with the job that does it."""
    restoring = {
        int(job.options.get("backup_job_id", 0)): job.id
        for job in jobs.active_jobs(session)
        if job.operation is Operation.RESTORE
    }
    known = ledger.backup_jobs(session, restoring)
    return {(job.subclient_id, job.cycle): restoring[job.id] for job in known.values()}


def _look_at_fuses(session: Session, decision: Decision) -> None:
    """Stops what is too much at once, or of a source that shrank or vanished."""
    offline = {
        value.full_name: value.state_reason
        for value in config.subclients(session, decision.scope.policy.id)
        if value.state == LibraryState.OFFLINE
    }
    doubtful = doubts(upkeep.full_sizes(session, decision.scope.policy.id), offline)
    for one in decision.copies:
        limits = FuseLimits(one.copy.fuse_pct, one.copy.fuse_jobs)
        reason = too_many(len(one.aging), len(one.lines), limits)
        if reason:
            decision.fuses.append(Fuse(one.copy.name, "", reason))
            one.stopped.update(one.aging)
            one.left.update(dict.fromkeys(one.aging, reason))
            continue
        stopped = {
            name: why
            for name, (aging, held) in _by_subclient(one).items()
            if (why := doubtful.get(name) or too_much_of_subclient(aging, held, limits))
        }
        for backup_job_id in one.aging:
            name = _subclient_of(one.lines[backup_job_id])
            if name in stopped:
                one.stopped.add(backup_job_id)
                one.left[backup_job_id] = f"{name}: {stopped[name]}"
        decision.fuses += [Fuse(one.copy.name, name, why) for name, why in stopped.items()]


def _by_subclient(one: CopyDecision) -> dict[str, tuple[list[HeldCopy], list[HeldCopy]]]:
    """What would go of each subclient of which something would, and all that the copy has of it."""
    found: dict[str, tuple[list[HeldCopy], list[HeldCopy]]] = {}
    going = set(one.aging)
    for line in one.lines.values():
        held = HeldCopy(
            line.backup_job_id,
            line.cycle,
            line.completed_at.timestamp(),
            line.level is Level.FULL and is_good(line),
        )
        of_aging, of_held = found.setdefault(_subclient_of(line), ([], []))
        of_held.append(held)
        if line.backup_job_id in going:
            of_aging.append(held)
    return {name: both for name, both in found.items() if both[0]}


def _subclient_of(line: JobCopyValue) -> str:
    return f"{line.client}/{line.subclient}"


def kept_columns(one: CopyDecision) -> dict[int, upkeep.Kept]:
    """What the ledger shall say of what keeps each job copy, and until when."""
    return {
        verdict.backup_job_id: upkeep.Kept(
            verdict.retained_by,
            None
            if verdict.retain_until is None
            else datetime.fromtimestamp(verdict.retain_until, UTC),
        )
        for verdict in one.verdicts
    }


def located(session: Session, home: Home, one: CopyDecision, scope: Scope) -> list[Located]:
    """Where the job copies lie that go now."""
    locator = Locator(session, home, scope)
    return [locator.located(one.lines[backup_job_id]) for backup_job_id in one.aging]


def decision_document(decisions: list[Decision], *, dry_run: bool) -> dict[str, object]:
    """The record of an aging: each job copy, whether it goes, and why or why not."""
    return {
        "dry_run": dry_run,
        "fuses": [
            {
                "policy": decision.scope.policy.name,
                "copy": fuse.copy,
                "subclient": fuse.subclient,
                "reason": fuse.reason,
            }
            for decision in decisions
            for fuse in decision.fuses
        ],
        "job_copies": [
            {
                "policy": decision.scope.policy.name,
                "copy": one.copy.name,
                "backup_job_id": verdict.backup_job_id,
                "client": one.lines[verdict.backup_job_id].client,
                "subclient": one.lines[verdict.backup_job_id].subclient,
                "level": one.lines[verdict.backup_job_id].level.value,
                "bytes": verdict.size_bytes,
                "ages": verdict.may_age and verdict.backup_job_id not in one.left,
                "stopped": verdict.backup_job_id in one.stopped,
                "reason": one.left.get(verdict.backup_job_id, verdict.reason),
                "retained_by": verdict.retained_by,
                "retain_until": None
                if verdict.retain_until is None
                else datetime.fromtimestamp(verdict.retain_until, UTC).isoformat(),
            }
            for decision in decisions
            for one in decision.copies
            for verdict in one.verdicts
        ],
    }


def policies_of(session: Session, name: str | None) -> list[PolicyValue]:
    """One policy, or all.

    Raises:
        NotFoundError: no such policy.
    """
    return config.policies(session) if name is None else [config.policy(session, name)]


class HeldForCopy(NamedTuple):
    """A job copy that only the interlock keeps, and a copy that waits for it."""

    copy_id: int
    backup_job_id: int
    waiting_copy_id: int


def held_for_copies(session: Session, scope: Scope, now: datetime) -> list[HeldForCopy]:
    """What would go if no copy waited for it."""
    by_name = {copy.name: copy.id for copy in scope.copies.values()}
    owed, clock = _owed(session, scope, now), _Clock(now, scope.time_zone, scope.calendar)
    found = []
    for copy in scope.copies.values():
        waiting = owed.get(copy.id, {})
        lines = {
            line.backup_job_id: line
            for line in reversed(ledger.job_copies(session, copy.id, states=ON_MEDIA))
        }
        for verdict in _verdicts(copy, lines, clock, {}, {}):
            if verdict.may_age:
                found += [
                    HeldForCopy(copy.id, verdict.backup_job_id, by_name[name])
                    for name in waiting.get(verdict.backup_job_id, ())
                    if name in by_name
                ]
    return found
