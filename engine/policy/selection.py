"""Which fulls a selective copy takes. Looks at lines and the time, never at what a run was asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from engine.model.states import JobCopyState
from engine.policy.periods import PERIOD_WORD, Calendar, Periods
from engine.policy.values import CopyRules, LedgerLine
from engine.policy.zones import LocalClock

SELECT_RULES = ("all-fulls", *PERIOD_WORD, "every-n-cycles", "manual")
TAKES = ("first", "last")

_NEVER_COMES = frozenset({JobCopyState.BAD, JobCopyState.AGED, JobCopyState.DO_NOT_COPY})
_STANDS = frozenset({JobCopyState.AVAILABLE, JobCopyState.AGED})


class Choice(Enum):
    """What the rule says of one full."""

    CHOSEN = "chosen"
    NOT_CHOSEN = "not chosen"
    OPEN = "not yet known"
    """The last full of a period that is not over."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The rule's word on one full, and why."""

    choice: Choice
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpcomingPeriod:
    """A period to come, as the preview shows it."""

    starts_at: datetime
    ends_at: datetime
    takes: str
    """What the rule takes of it, in words."""


class Selection:
    """The rule of one selective copy, applied to the fulls of its source.

    Of the fulls of one subclient and period exactly one stands for the period: one that is on the
    copy already (or was, and was aged off), else the first or last that is good on the source. One
    that is bad there stands only when no good one exists, so that the loss shows. A decision of an
    operator concerns its own backup job only and does not make another one stand.

    Args:
        rules: the copy.
        calendar: where days, weeks and months begin.
        clock: the CommCell's clock.
        now: seconds since the epoch.
    """

    def __init__(
        self, rules: CopyRules, *, calendar: Calendar, clock: LocalClock, now: float
    ) -> None:
        self.rules = rules
        self.clock = clock
        self.now = now
        self.sentence = rule_sentence(rules, calendar)
        self._periods = (
            Periods(rules.select_rule, calendar, clock)
            if rules.select_rule in PERIOD_WORD
            else None
        )
        self._not_chosen = Chosen(Choice.NOT_CHOSEN, f"not chosen: {self.sentence}")
        self._by_job: dict[int, Chosen] = {}

    def choose(self, fulls: Iterable[LedgerLine]) -> None:
        """Applies the rule to all fulls that the copy's date and subclients let through."""
        if self._periods is not None:
            self._choose_of_periods(fulls, self._periods)
            return
        chosen = Chosen(Choice.CHOSEN, self.sentence)
        self._by_job.update((line.backup_job_id, chosen) for line in fulls if self._is_wanted(line))

    def of(self, line: LedgerLine) -> Chosen:
        """The rule's word on a full."""
        return self._by_job.get(line.backup_job_id, self._not_chosen)

    def _is_wanted(self, line: LedgerLine) -> bool:
        if self.rules.select_rule == "every-n-cycles":
            every = self.rules.select_every
            wanted = 0 if self.rules.take == "last" else 1 % every
            return line.cycle % every == wanted
        return self.rules.select_rule == "all-fulls"

    def _choose_of_periods(self, fulls: Iterable[LedgerLine], periods: Periods) -> None:
        groups: dict[tuple[str, int], list[LedgerLine]] = {}
        for line in fulls:
            groups.setdefault((line.subclient, periods.number(line.completed_at)), []).append(line)
        current = periods.number(self.now)
        open_until = self.clock.minute_text(periods.end(current).timestamp())
        is_last = self.rules.take == "last"
        taken = Chosen(Choice.CHOSEN, self.sentence)
        unknown = Chosen(Choice.OPEN, f"not yet known: the period ends {open_until}")
        for (_, number), group in groups.items():
            full, is_settled = _standing(group, is_last=is_last)
            if full is not None:
                is_open = is_last and number >= current and not is_settled
                self._by_job[full.backup_job_id] = unknown if is_open else taken


def _standing(group: Sequence[LedgerLine], *, is_last: bool) -> tuple[LedgerLine | None, bool]:
    """The full that stands for its period, and whether that cannot change any more."""
    pick = max if is_last else min
    there = [line for line in group if line.state in _STANDS and not line.decision]
    if there:
        return pick(there, key=_age), True
    good = [line for line in group if line.source_state not in _NEVER_COMES]
    bad = [line for line in group if line.source_state == JobCopyState.BAD]
    return (pick(good or bad, key=_age), False) if good or bad else (None, False)


def _age(line: LedgerLine) -> tuple[float, int]:
    return line.completed_at, line.backup_job_id


def rule_sentence(rules: CopyRules, calendar: Calendar) -> str:
    """A selective copy's rule in words: `weekly (first full of the week from Friday)`."""
    rule = rules.select_rule
    if rule in PERIOD_WORD:
        described = Periods(rule, calendar, LocalClock()).described()
        return f"{rule} ({rules.take} full of the {described})"
    if rule == "every-n-cycles":
        if rules.select_every == 1:
            return "every cycle"
        return f"every {rules.select_every} cycles ({rules.take} of them)"
    if rule == "manual":
        return "manual (copied only when picked)"
    return "all fulls"


def upcoming_periods(
    rules: CopyRules, *, calendar: Calendar, zone: str, now: float, count: int
) -> list[UpcomingPeriod]:
    """The current and the next periods of a rule; empty for a rule without periods.

    Args:
        rules: a selective copy.
        calendar: where days, weeks and months begin.
        zone: IANA name of the CommCell's zone.
        now: seconds since the epoch.
        count: how many periods, the current one included.
    """
    if rules.select_rule not in PERIOD_WORD:
        return []
    periods = Periods(rules.select_rule, calendar, LocalClock(zone))
    first = periods.number(now)
    takes = f"{rules.take} full of each subclient completed in it"
    return [
        UpcomingPeriod(
            starts_at=periods.start(number).astimezone(UTC),
            ends_at=periods.end(number).astimezone(UTC),
            takes=takes,
        )
        for number in range(first, first + count)
    ]
