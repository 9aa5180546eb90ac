"""The plan of an auxiliary copy: every backup job on every copy, taken or not, and why.

The dialog's preview, `--dry-run` and the record of a job are this one plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.model.states import CopyKind, JobCopyState, Level
from engine.policy.judgement import Judge
from engine.policy.periods import Calendar
from engine.policy.sources import chosen_copies, resolve_sources, source_order
from engine.policy.values import CopyRules, LedgerLine, PlanLine, RunOptions, Verdict
from engine.policy.zones import LocalClock

DEFAULT_CALENDAR = Calendar()


class PlannedOrder(NamedTuple):
    """One read of a backup job from one source, written to every copy that needs it."""

    backup_job_id: int
    source_copy_id: int
    copy_ids: tuple[int, ...]
    size_bytes: int
    priority: int
    """0 to 9, the larger the sooner."""


class CopyTotals(NamedTuple):
    """What a plan does to one copy."""

    copy_id: int
    copy: str
    taken: int
    skipped: int
    blocked: int
    bytes: int
    """Bytes of the backup jobs that are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The verdicts of one run, copy by copy, sources before the copies that read them."""

    copies: tuple[CopyRules, ...]
    totals: tuple[CopyTotals, ...]
    lines_by_copy: Mapping[int, Sequence[PlanLine]]
    fulls_first: bool = False
    _ledger: Mapping[int, Sequence[LedgerLine]] = field(repr=False)

    @property
    def taken(self) -> int:
        """Job copies that the run makes."""
        return sum(copy.taken for copy in self.totals)

    @property
    def skipped(self) -> int:
        """Job copies that are not owed now."""
        return sum(copy.skipped for copy in self.totals)

    @property
    def blocked(self) -> int:
        """Job copies that are owed and cannot be made: the run cannot end completed."""
        return sum(copy.blocked for copy in self.totals)

    @property
    def bytes_total(self) -> int:
        """Bytes to write, over all copies."""
        return sum(copy.bytes for copy in self.totals)

    def orders(self) -> list[PlannedOrder]:
        """The work in order: priority 9 to 0, fulls first when asked, then oldest first."""
        grouped: dict[tuple[int, int], list[int]] = {}
        facts: dict[tuple[int, int], LedgerLine] = {}
        priority: dict[tuple[int, int], int] = {}
        for rules in self.copies:
            source = rules.source_copy_id
            if source is None:
                continue
            planned = zip(
                self._ledger[rules.copy_id], self.lines_by_copy[rules.copy_id], strict=True
            )
            for line, verdict in planned:
                if verdict.verdict is not Verdict.TAKEN:
                    continue
                key = (line.backup_job_id, source)
                if key in grouped:
                    grouped[key].append(rules.copy_id)
                    priority[key] = max(priority[key], line.priority)
                else:
                    grouped[key], facts[key] = [rules.copy_id], line
                    priority[key] = line.priority
        keys = sorted(grouped, key=lambda key: self._rank(facts[key], priority[key], key))
        return [
            PlannedOrder(key[0], key[1], tuple(grouped[key]), facts[key].size_bytes, priority[key])
            for key in keys
        ]

    def _rank(
        self, line: LedgerLine, priority: int, key: tuple[int, int]
    ) -> tuple[int, bool, float, tuple[int, int]]:
        is_later = self.fulls_first and line.level != Level.FULL
        return -priority, is_later, line.completed_at, key


def plan_copy(
    rules: CopyRules,
    lines: Sequence[LedgerLine],
    *,
    now: float,
    options: RunOptions,
    zone: str = "UTC",
    calendar: Calendar = DEFAULT_CALENDAR,
    source_name: str = "source",
) -> list[PlanLine]:
    """Judges every backup job for one copy; the verdicts are in the order of the lines.

    Args:
        rules: a secondary copy.
        lines: all backup jobs of the policy as this copy sees them.
        now: seconds since the epoch.
        options: of the run; `copies` is not looked at here.
        zone: IANA name of the CommCell's zone.
        calendar: where days, weeks and months begin.
        source_name: name of the source copy, for the reasons.

    Raises:
        UsageError: unknown zone.
    """
    judge = Judge(
        rules,
        now=now,
        options=options,
        clock=LocalClock(zone),
        calendar=calendar,
        source_name=source_name,
    )
    judge.look_at(lines)
    available, there, verdict = JobCopyState.AVAILABLE, judge.there, judge.verdict
    return [
        there(line) if line.state == available and not line.decision else verdict(line)
        for line in lines
    ]


def build_plan(
    copies: Sequence[CopyRules],
    lines_by_copy: Mapping[int, Sequence[LedgerLine]],
    *,
    now: float,
    options: RunOptions,
    zone: str = "UTC",
    calendar: Calendar = DEFAULT_CALENDAR,
) -> Plan:
    """Plans a run over the copies of one policy.

    A copy whose source is another secondary takes only what that source has now; the run plans
    again when more is there.

    Args:
        copies: all copies of the policy, the primary too.
        lines_by_copy: for each copy to be planned the backup jobs as it sees them.
        now: seconds since the epoch.
        options: of the run; `copies` names those to plan, empty: all active secondary ones.
        zone: IANA name of the CommCell's zone.
        calendar: where days, weeks and months begin.

    Raises:
        UsageError: a copy is asked for that is not there or is the primary, or a cycle of sources.
    """
    resolved = resolve_sources(copies)
    name_by_id = {copy.copy_id: copy.name for copy in resolved}
    wanted = {copy.copy_id for copy in chosen_copies(resolved, options.copies)}
    ordered = tuple(copy for copy in source_order(resolved) if copy.copy_id in wanted)
    ledger = {copy.copy_id: lines_by_copy.get(copy.copy_id, ()) for copy in ordered}
    planned = {
        copy.copy_id: plan_copy(
            copy,
            ledger[copy.copy_id],
            now=now,
            options=options,
            zone=zone,
            calendar=calendar,
            source_name=name_by_id.get(copy.source_copy_id or 0, "source"),
        )
        for copy in ordered
        if copy.kind is not CopyKind.PRIMARY
    }
    return Plan(
        copies=ordered,
        totals=tuple(_totals(copy, planned[copy.copy_id]) for copy in ordered),
        lines_by_copy=planned,
        fulls_first=options.fulls_first,
        _ledger=ledger,
    )


def _totals(copy: CopyRules, lines: Sequence[PlanLine]) -> CopyTotals:
    verdicts = [line.verdict for line in lines]
    taken = verdicts.count(Verdict.TAKEN)
    size = sum(line.size_bytes for line in lines if line.verdict is Verdict.TAKEN) if taken else 0
    return CopyTotals(
        copy_id=copy.copy_id,
        copy=copy.name,
        taken=taken,
        skipped=verdicts.count(Verdict.SKIPPED),
        blocked=verdicts.count(Verdict.BLOCKED),
        bytes=size,
    )
