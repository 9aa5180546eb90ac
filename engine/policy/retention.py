"""What may be aged off a copy, and what keeps the rest: days and cycles, extended rules, pins, interlock.

A backup job is aged when its days and its cycles are both exceeded, nobody pinned it, no active copy
waits for it, and nothing that depends on it is kept. What is kept says what keeps it; in doubt it is
kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from engine.model.errors import UsageError
from engine.model.states import JobCopyState, Level, Verification
from engine.policy.durations import format_duration
from engine.policy.periods import PERIOD_WORD, Calendar, Periods
from engine.policy.values import CopyRules, PlanLine, Verdict
from engine.policy.zones import LocalClock

ALL_FULLS = "all-fulls"
EXTENDED_RULES = (ALL_FULLS, *PERIOD_WORD)
FOR_EVER = float("inf")
_OWED = frozenset({JobCopyState.TO_BE_COPIED, JobCopyState.PARTIALLY_COPIED, JobCopyState.DEFERRED})


class ExtendedRule(NamedTuple):
    """Keeps one full of each period for longer."""

    keep: str
    """`all-fulls`, `hourly` .. `yearly`."""
    retain_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRules:
    """How long a copy keeps its backup jobs."""

    retain_s: int | None = None
    """Seconds after completion; None: for ever."""
    retain_cycles: int = 0
    """Newest full cycles that are kept whatever their age."""
    extended: tuple[ExtendedRule, ...] = ()
    take: str = "first"
    """Which full of a period the extended rules keep."""
    worm: bool = False


class HeldJob(NamedTuple):
    """A backup job that a copy has."""

    backup_job_id: int
    subclient: str
    level: str
    completed_at: float
    """Seconds since the epoch."""
    cycle: int
    state: JobCopyState = JobCopyState.AVAILABLE
    verification: str = "never"
    size_bytes: int = 0
    pinned_until: float | None = None
    """Seconds since the epoch, `FOR_EVER` for good; None: not pinned."""
    pinned_by: str = ""


class RetentionVerdict(NamedTuple):
    """Whether a backup job may go, and why or why not."""

    backup_job_id: int
    may_age: bool
    reason: str
    retain_until: float | None
    """Seconds since the epoch; None: it depends on what comes, or has no end."""
    retained_by: str
    """What keeps it: `days`, `cycles`, `monthly`, `pin`, `copy NAME`, `cycle`; empty: nothing."""
    size_bytes: int = 0


class _Hold(NamedTuple):
    """One thing that keeps a backup job."""

    by: str
    reason: str
    until: float | None


def retention(
    held: Sequence[HeldJob],
    rules: RetentionRules,
    *,
    now: float,
    zone: str = "UTC",
    calendar: Calendar | None = None,
    owed_to: Mapping[int, Sequence[str]] | None = None,
    last_good: Mapping[int, str] | None = None,
) -> list[RetentionVerdict]:
    """Decides on every backup job of one copy; the verdicts are in the order of `held`.

    Args:
        held: the backup jobs that the copy has.
        rules: of the copy.
        now: seconds since the epoch.
        zone: IANA name of the CommCell's zone.
        calendar: where days, weeks and months begin.
        owed_to: per backup job the active copies that still wait for it; see `owed_by_plan`.
        last_good: per backup job the copy that keeps it but has it damaged, when this is its last
            good job copy.

    Raises:
        UsageError: an unknown zone, or an extended rule that does not exist.
    """
    clock = LocalClock(zone)
    keeper = _Keeper(held, rules, now=now, clock=clock, calendar=calendar or Calendar())
    keeper.owed_to = owed_to or {}
    keeper.last_good = last_good or {}
    return keeper.verdicts()


class _Keeper:
    """Collects what keeps each backup job of one copy."""

    def __init__(
        self,
        held: Sequence[HeldJob],
        rules: RetentionRules,
        *,
        now: float,
        clock: LocalClock,
        calendar: Calendar,
    ) -> None:
        self.held = held
        self.rules = rules
        self.now = now
        self.clock = clock
        self.calendar = calendar
        self.owed_to: Mapping[int, Sequence[str]] = {}
        self.last_good: Mapping[int, str] = {}
        self._newest = _newest_cycles(held, rules.retain_cycles)
        self._extended = self._kept_by_extended_rules()

    def verdicts(self) -> list[RetentionVerdict]:
        """The verdict on each, dependants together."""
        holds = {job.backup_job_id: self._hold(job) for job in self.held}
        for group in self._cycles():
            self._hold_dependants(group, holds)
        return [self._verdict(job, holds[job.backup_job_id]) for job in self.held]

    def _cycles(self) -> Iterable[list[HeldJob]]:
        groups: dict[tuple[str, int], list[HeldJob]] = {}
        for job in self.held:
            groups.setdefault((job.subclient, job.cycle), []).append(job)
        return groups.values()

    def _hold(self, job: HeldJob) -> _Hold | None:
        """What keeps a backup job by itself; of several the one that ends last or has no end."""
        holds = (
            self._pinned(job),
            self._owed(job),
            self._by_days(job),
            self._by_cycles(job),
            self._extended.get(job.backup_job_id),
        )
        return max((hold for hold in holds if hold is not None), key=_end, default=None)

    def _pinned(self, job: HeldJob) -> _Hold | None:
        until = job.pinned_until
        if until is None or until <= self.now:
            return None
        who = job.pinned_by or "an operator"
        if until == FOR_EVER:
            return _Hold("pin", f"kept for good by {who}", None)
        return _Hold("pin", f"kept by {who} until {self.clock.minute_text(until)}", until)

    def _owed(self, job: HeldJob) -> _Hold | None:
        copies = self.owed_to.get(job.backup_job_id)
        if copies:
            names = ", ".join(repr(name) for name in copies)
            waits = f"copy {names} has it" if len(copies) == 1 else f"copies {names} have it"
            return _Hold(f"copy {copies[0]}", f"kept until {waits}", None)
        copy = self.last_good.get(job.backup_job_id)
        if copy is not None:
            reason = f"the last good one: copy {copy!r} keeps it and has it damaged"
            return _Hold(f"copy {copy}", reason, None)
        return None

    def _by_days(self, job: HeldJob) -> _Hold | None:
        if self.rules.retain_s is None:
            return _Hold("days", "kept for ever", None)
        until = job.completed_at + self.rules.retain_s
        if until <= self.now:
            return None
        days = format_duration(self.rules.retain_s)
        return _Hold("days", f"kept until {self.clock.minute_text(until)} ({days})", until)

    def _by_cycles(self, job: HeldJob) -> _Hold | None:
        oldest_kept = self._newest.get(job.subclient)
        if self.rules.retain_cycles == 0 or (oldest_kept is not None and job.cycle < oldest_kept):
            return None
        count = self.rules.retain_cycles
        which = "the last good cycle" if count == 1 else f"the last {count} good cycles"
        return _Hold("cycles", f"kept: not older than {which}", None)

    def _kept_by_extended_rules(self) -> dict[int, _Hold]:
        """For each full that an extended rule keeps, the hold that ends last."""
        kept: dict[int, _Hold] = {}
        fulls = [job for job in self.held if job.level == Level.FULL]
        for rule in self.rules.extended:
            for job in self._chosen(rule, fulls):
                until = job.completed_at + rule.retain_s
                before = kept.get(job.backup_job_id)
                if until <= self.now or (before and before.until and before.until >= until):
                    continue
                text = self.clock.minute_text(until)
                reason = f"{rule.keep} full, kept until {text} ({format_duration(rule.retain_s)})"
                kept[job.backup_job_id] = _Hold(rule.keep, reason, until)
        return kept

    def _chosen(self, rule: ExtendedRule, fulls: Sequence[HeldJob]) -> Iterable[HeldJob]:
        """One full of each period and subclient, a good one where there is one."""
        if rule.keep == ALL_FULLS:
            return fulls
        if rule.keep not in PERIOD_WORD:
            hint = f"one of {', '.join(EXTENDED_RULES)}"
            raise UsageError(f"{rule.keep!r} is no rule of extended retention", hint=hint)
        periods = Periods(rule.keep, self.calendar, self.clock)
        best: dict[tuple[str, int], HeldJob] = {}
        is_last = self.rules.take == "last"
        for job in fulls:
            key = (job.subclient, periods.number(job.completed_at))
            best[key] = _better(best[key], job, is_last=is_last) if key in best else job
        return best.values()

    def _hold_dependants(self, group: Sequence[HeldJob], holds: dict[int, _Hold | None]) -> None:
        """A cycle's incrementals go together, and its full not before them; a full needs nothing."""
        kept = [job for job in group if job.level != Level.FULL and holds[job.backup_job_id]]
        if not kept:
            return
        longest = max(kept, key=lambda job: _end(holds[job.backup_job_id]))
        hold = holds[longest.backup_job_id]
        for job in group:
            if _end(holds[job.backup_job_id]) < _end(hold):
                reason = f"its cycle is kept with backup job {longest.backup_job_id}"
                holds[job.backup_job_id] = _Hold("cycle", reason, hold.until if hold else None)

    def _verdict(self, job: HeldJob, hold: _Hold | None) -> RetentionVerdict:
        if hold is not None:
            return RetentionVerdict(
                job.backup_job_id, False, hold.reason, hold.until, hold.by, job.size_bytes
            )
        age = format_duration(self.rules.retain_s or 0)
        reason = f"older than {age}"
        if self.rules.retain_cycles:
            reason += f" and than the last {self.rules.retain_cycles} good cycles"
        return RetentionVerdict(job.backup_job_id, True, reason, None, "", job.size_bytes)


def _end(hold: _Hold | None) -> float:
    """When a hold ends, seconds since the epoch; one without an end is for ever, none is never."""
    if hold is None:
        return -FOR_EVER
    return FOR_EVER if hold.until is None else hold.until


def _better(one: HeldJob, other: HeldJob, *, is_last: bool) -> HeldJob:
    if _is_good(one) != _is_good(other):
        return one if _is_good(one) else other
    first, last = sorted((one, other), key=lambda job: (job.completed_at, job.backup_job_id))
    return last if is_last else first


def _is_good(job: HeldJob) -> bool:
    return job.state == JobCopyState.AVAILABLE and job.verification != Verification.FAILED


def _newest_cycles(held: Iterable[HeldJob], count: int) -> dict[str, int]:
    """Per subclient the oldest of its newest `count` cycles that have a good full; no entry: fewer."""
    cycles: dict[str, set[int]] = {}
    for job in held:
        if job.level == Level.FULL and _is_good(job):
            cycles.setdefault(job.subclient, set()).add(job.cycle)
    return {
        subclient: sorted(numbers)[-count]
        for subclient, numbers in cycles.items()
        if 0 < count <= len(numbers)
    }


def owed_by_plan(
    copies: Iterable[CopyRules], lines: Iterable[PlanLine], source_copy_id: int
) -> dict[int, list[str]]:
    """Per backup job the active copies that still have to get it from a source copy.

    Args:
        copies: the copies of the policy, their sources resolved.
        lines: the verdicts of a plan over all of these copies.
        source_copy_id: the copy that is to be aged.
    """
    names = {
        copy.copy_id: copy.name
        for copy in copies
        if copy.active and copy.source_copy_id == source_copy_id
    }
    owed: dict[int, list[str]] = {}
    for line in lines:
        is_owed = line.state in _OWED or line.verdict is Verdict.TAKEN
        if line.copy_id in names and is_owed:
            owed.setdefault(line.backup_job_id, []).append(names[line.copy_id])
    return owed


def released(owed_to: Mapping[int, Sequence[str]], jobs: Iterable[int]) -> dict[int, list[str]]:
    """The interlock without backup jobs that an operator has released from it."""
    gone = set(jobs)
    return {job: list(copies) for job, copies in owed_to.items() if job not in gone}


def lock_end(rules: RetentionRules, completed_at: datetime) -> datetime | None:
    """Until when the medium itself shall keep a backup job of a WORM copy; None: it is not locked.

    The days of the copy, which hold for every backup job whatever comes after it; what cycles or
    extended rules keep for longer is kept by auxtui. Nothing is locked for ever.
    """
    if not rules.worm or rules.retain_s is None:
        return None
    return completed_at + timedelta(seconds=rules.retain_s)


def refuse_shorter(name: str, old: RetentionRules, new: RetentionRules) -> None:
    """Refuses to lower the retention of a WORM copy, or to make it an ordinary one.

    Raises:
        UsageError: names what would be lowered.
    """
    if not old.worm:
        return
    lowered: list[str] = []
    if not new.worm:
        lowered.append("WORM itself")
    if new.retain_s is not None and (old.retain_s is None or new.retain_s < old.retain_s):
        before = "for ever" if old.retain_s is None else format_duration(old.retain_s)
        lowered.append(f"days from {before} to {format_duration(new.retain_s)}")
    if new.retain_cycles < old.retain_cycles:
        lowered.append(f"cycles from {old.retain_cycles} to {new.retain_cycles}")
    longest = {rule.keep: 0 for rule in old.extended}
    for rule in new.extended:
        longest[rule.keep] = max(longest.get(rule.keep, 0), rule.retain_s)
    lowered += [
        f"the extended rule {rule.keep}"
        for rule in old.extended
        if longest[rule.keep] < rule.retain_s
    ]
    if lowered:
        raise UsageError(
            f"copy {name!r} is a WORM copy: its retention cannot be lowered ({'; '.join(lowered)})",
            hint="it can be raised; a new copy may have other rules",
        )


def refuse_early_deletion(name: str, rules: RetentionRules, verdict: RetentionVerdict) -> None:
    """Refuses to delete by hand from a WORM copy what retention keeps.

    Raises:
        UsageError: names the backup job and what keeps it.
    """
    if rules.worm and not verdict.may_age:
        raise UsageError(
            f"backup job {verdict.backup_job_id} cannot be deleted from WORM copy {name!r}: "
            f"{verdict.reason}",
            hint="it goes by itself when its retention is over; if it is damaged: auxtui repair",
        )
