"""The plan of an auxiliary copy: every backup job on every copy, taken or not, and why.

The dialog's preview, `--dry-run` and the record of a job are this one plan.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.model.encoding import PLAIN, Encoding
from engine.model.states import Level
from engine.policy.judgement import Judge
from engine.policy.periods import Calendar
from engine.policy.sources import chosen_copies, resolve_sources, source_order
from engine.policy.values import (
    NO_KEYS,
    CopyRules,
    Keys,
    LedgerLine,
    PlanLine,
    RunOptions,
    Verdict,
)
from engine.policy.zones import LocalClock

DEFAULT_CALENDAR = Calendar()
_MADE = (Verdict.TAKEN, Verdict.FOLLOWS)
_Rank = tuple[int, bool, float]
"""Priority, whether fulls go before it, completion: the order of the work."""
_Group = tuple[int, bool, float, int, int, int, tuple[int, ...]]
"""A rank, backup job and source copy, which sort; size and copies."""


class PlannedOrder(NamedTuple):
    """One read of a backup job from one source, written to every copy that needs it."""

    backup_job_id: int
    source_copy_id: int
    copy_ids: tuple[int, ...]
    size_bytes: int
    priority: int
    """0 (first) to 9 (last), as of jobs."""


class CopyTotals(NamedTuple):
    """What a plan does to one copy."""

    copy_id: int
    copy: str
    taken: int
    follows: int
    """Of those that are taken: once the run has copied them to the source."""
    skipped: int
    blocked: int
    bytes: int
    """Bytes of the backup jobs that are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The verdicts of one run, copy by copy, sources before the copies that read them."""

    copies: tuple[CopyRules, ...]
    totals: tuple[CopyTotals, ...]
    lines: tuple[PlanLine, ...]
    _ranks: tuple[_Rank, ...] = field(repr=False)
    """Of each line that is taken, in their order; all else of the ledger may be forgotten."""

    @property
    def taken(self) -> list[PlanLine]:
        """The job copies that the run can make at once."""
        return [line for line in self.lines if line.verdict is Verdict.TAKEN]

    @property
    def following(self) -> list[PlanLine]:
        """The job copies that the run makes once it has made those that they are read from."""
        return [line for line in self.lines if line.verdict is Verdict.FOLLOWS]

    @property
    def blocked(self) -> list[PlanLine]:
        """The job copies that are owed and cannot be made: the run cannot end completed."""
        return [line for line in self.lines if line.verdict is Verdict.BLOCKED]

    @property
    def bytes_total(self) -> int:
        """Bytes to write, over all copies."""
        return sum(copy.bytes for copy in self.totals)

    def orders(self) -> list[PlannedOrder]:
        """The work in order: priority 0 to 9, fulls first when asked, then oldest first."""
        source_of = {copy.copy_id: copy.source_copy_id or 0 for copy in self.copies}
        alone = {copy.copy_id: (copy.copy_id,) for copy in self.copies}
        grouped: dict[tuple[int, int], _Group] = {}
        for line, rank in zip(self.taken, self._ranks, strict=True):
            key = (line.backup_job_id, source_of[line.copy_id])
            group = grouped.get(key)
            if group is None:
                grouped[key] = (*rank, *key, line.size_bytes, alone[line.copy_id])
            else:
                first = min(group[0], rank[0])
                grouped[key] = (first, *group[1:6], (*group[6], line.copy_id))
        return [
            PlannedOrder(job, source, copies, size_bytes, priority)
            for priority, _, _, job, source, size_bytes, copies in sorted(grouped.values())
        ]


def plan_copy(
    rules: CopyRules,
    lines: Sequence[LedgerLine],
    *,
    now: float,
    options: RunOptions,
    zone: str = "UTC",
    calendar: Calendar = DEFAULT_CALENDAR,
    source_name: str = "source",
    completed_by: float | None = None,
    keys: Keys = NO_KEYS,
    coming: Collection[int] = (),
    source_encoding: Encoding = PLAIN,
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
        completed_by: backups that were completed later are left out, seconds since the epoch.
        keys: to what is encrypted on its source.
        coming: backup jobs that the same run copies to the source first.
        source_encoding: of what comes to the source.

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
        completed_by=completed_by,
        keys=keys,
        coming=coming,
        source_encoding=source_encoding,
    )
    judge.look_at(lines)
    return judge.verdicts(lines)


def build_plan(
    copies: Sequence[CopyRules],
    lines_by_copy: Mapping[int, Sequence[LedgerLine]],
    *,
    now: float,
    options: RunOptions,
    zone: str = "UTC",
    calendar: Calendar = DEFAULT_CALENDAR,
    source_names: Mapping[int, str] | None = None,
    completed_by: float | None = None,
    keys: Keys = NO_KEYS,
) -> Plan:
    """Plans a run over copies of one policy.

    A copy whose source is another secondary takes only what that source has now. What the run
    copies to the source first follows: the run plans again when it is there, unless its list is
    fixed.

    Args:
        copies: the copies of the policy, or only secondary ones with their sources resolved.
        lines_by_copy: for each copy to be planned the backup jobs as it sees them; asked for one
            copy at a time and not kept, so that a mapping may read them when they are wanted.
        now: seconds since the epoch.
        options: of the run; `copies` names those to plan, empty: all active secondary ones.
        zone: IANA name of the CommCell's zone.
        calendar: where days, weeks and months begin.
        source_names: names of copies that are not among `copies`.
        completed_by: backups that were completed later are left out, seconds since the epoch.
        keys: to what is encrypted on its source.

    Raises:
        UsageError: a copy is asked for that is not there or is the primary, or a cycle of sources.
    """
    resolved = resolve_sources(copies)
    names = dict(source_names or {}) | {copy.copy_id: copy.name for copy in resolved}
    wanted = {copy.copy_id for copy in chosen_copies(resolved, options.copies)}
    ordered = tuple(copy for copy in source_order(resolved) if copy.copy_id in wanted)
    lines: list[PlanLine] = []
    ranks: list[_Rank] = []
    totals: list[CopyTotals] = []
    encodings = {copy.copy_id: copy.encoding for copy in ordered}
    sources = {copy.source_copy_id for copy in ordered} if options.scalable else set()
    coming: dict[int, frozenset[int]] = {}
    for copy in ordered:
        seen = lines_by_copy.get(copy.copy_id, ())
        planned = plan_copy(
            copy,
            seen,
            now=now,
            options=options,
            zone=zone,
            calendar=calendar,
            source_name=names.get(copy.source_copy_id or 0, "source"),
            completed_by=completed_by,
            keys=keys,
            coming=coming.get(copy.source_copy_id or 0, frozenset()),
            source_encoding=encodings.get(copy.source_copy_id or 0, PLAIN),
        )
        if copy.copy_id in sources:
            coming[copy.copy_id] = frozenset(
                line.backup_job_id for line in planned if line.verdict in _MADE
            )
        totals.append(_totals(copy, planned))
        lines += planned
        ranks += _ranks(seen, planned, fulls_first=options.fulls_first)
    return Plan(
        copies=ordered,
        totals=tuple(totals),
        lines=tuple(lines),
        _ranks=tuple(ranks),
    )


def _ranks(
    seen: Sequence[LedgerLine], planned: Sequence[PlanLine], *, fulls_first: bool
) -> list[_Rank]:
    return [
        (one.priority, fulls_first and one.level != Level.FULL, one.completed_at)
        for one, line in zip(seen, planned, strict=True)
        if line.verdict is Verdict.TAKEN
    ]


def _totals(copy: CopyRules, lines: Sequence[PlanLine]) -> CopyTotals:
    verdicts = [line.verdict for line in lines]
    follows = verdicts.count(Verdict.FOLLOWS)
    taken = verdicts.count(Verdict.TAKEN) + follows
    size = sum(line.size_bytes for line in lines if line.verdict in _MADE) if taken else 0
    return CopyTotals(
        copy_id=copy.copy_id,
        copy=copy.name,
        taken=taken,
        follows=follows,
        skipped=verdicts.count(Verdict.SKIPPED),
        blocked=verdicts.count(Verdict.BLOCKED),
        bytes=size,
    )
