"""The verdict on one backup job for one copy, with a reason that an administrator understands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from engine.model.encoding import PLAIN, Encoding, encoding_from_text
from engine.model.states import INCOMPLETE, LAST_FAILED, CopyKind, JobCopyState, Level, Verification
from engine.policy.periods import Calendar
from engine.policy.selection import Choice, Selection
from engine.policy.values import (
    NO_KEYS,
    CopyRules,
    Keys,
    LedgerLine,
    PlanLine,
    RunOptions,
    Verdict,
)
from engine.policy.zones import DAY_S, LocalClock

TRIES_LIMIT = 3  # attempts of one backup job before a run that takes fulls first leaves it out
_HOUR_S = 3600
_NOT_THERE = "not there yet"
_NOT_A_FULL = "not a full: selective copies take fulls only"
_new_line = tuple.__new__

_AVAILABLE = JobCopyState.AVAILABLE
_NEXT_RUN = "the next run copies it again; what is there stays until then"
_AGED = JobCopyState.AGED
_BAD = JobCopyState.BAD
_DO_NOT_COPY = JobCopyState.DO_NOT_COPY
_DEFERRED = JobCopyState.DEFERRED
_TO_BE_COPIED = JobCopyState.TO_BE_COPIED
_PARTIALLY_COPIED = JobCopyState.PARTIALLY_COPIED


class Judge:
    """Judges the lines of one copy.

    The order of the questions is the order of importance: what is there, what an operator decided,
    what the copy's rules say, what the source has, and last what this run was asked.

    Args:
        rules: the copy.
        now: seconds since the epoch.
        options: of the run.
        clock: the CommCell's clock.
        calendar: where days, weeks and months begin.
        source_name: name of the source copy, for the reasons.
        completed_by: backups that were completed later are left out, seconds since the epoch.
        keys: to what is encrypted on the source.
        coming: backup jobs that the same run copies to the source first.
        source_encoding: of what comes to the source.
    """

    def __init__(
        self,
        rules: CopyRules,
        *,
        now: float,
        options: RunOptions,
        clock: LocalClock,
        calendar: Calendar,
        source_name: str,
        completed_by: float | None = None,
        keys: Keys = NO_KEYS,
        coming: Collection[int] = (),
        source_encoding: Encoding = PLAIN,
    ) -> None:
        self._keys = keys
        self._coming = coming
        self._source_encoding = source_encoding
        self.rules = rules
        self.completed_by = completed_by
        self.now = now
        self.options = options
        self.clock = clock
        self.source_name = source_name
        self._mend = "repair it" if rules.worm else "re-copy it"
        self._not_before = rules.on_and_after.timestamp() if rules.on_and_after else None
        self._selection = (
            Selection(rules, calendar=calendar, clock=clock, now=now)
            if rules.kind is CopyKind.SELECTIVE
            else None
        )
        self._most_recent: dict[str, LedgerLine] | None = None
        self._day_from = self._day_until = 0.0
        self._since_day = ""

    def look_at(self, lines: Sequence[LedgerLine]) -> None:
        """Takes in what the selection needs to see of all lines before the first verdict."""
        if self._selection is not None:
            self._selection.choose(
                line for line in lines if line.level == Level.FULL and not self._why_outside(line)
            )
        if self.options.use_most_recent_full:
            newest: dict[str, LedgerLine] = {}
            self._most_recent = newest
            for line in lines:
                if line.level != Level.FULL:
                    continue
                if line.source_state != _AVAILABLE and line.backup_job_id not in self._coming:
                    continue
                if self._why_outside(line) or line.decision == "do_not_copy":
                    continue
                best = newest.get(line.subclient)
                if best is None or line.completed_at >= best.completed_at:
                    newest[line.subclient] = line

    def verdicts(self, lines: Sequence[LedgerLine]) -> list[PlanLine]:
        """`verdict` of each line.

        What is there already is by far the commonest, and written out, as is what was never there
        and nothing is against: 300,000 in half a second only without a call and without the named
        constructor for each.
        """
        copy_id, skipped, available = self.rules.copy_id, Verdict.SKIPPED, _AVAILABLE
        found: list[PlanLine] = []
        add, new = found.append, _new_line
        of_new = self._short_way()
        for line in lines:
            if line.state != available or line.decision:
                is_new = line.state is None and not line.decision
                add((of_new(line) if is_new else None) or self.verdict(line))
                continue
            at, lack = line.available_at, line.reason
            if lack or at is None or not self._day_from <= at < self._day_until:
                reason = self._already(at, lack)
            else:
                reason = self._since_day
            add(
                new(
                    PlanLine,
                    (line.backup_job_id, copy_id, skipped, reason, available, line.size_bytes, ""),
                )
            )
        return found

    def _short_way(self) -> Callable[[LedgerLine], PlanLine | None]:
        """Gives `verdict` of a line without state and decision, where it is a common one; else None.

        Names that are bound once: this is asked for each of 300,000 lines.
        """
        rules, options = self.rules, self.options
        copy_id, now, defer_s = rules.copy_id, self.now, max(rules.defer_s, 0)
        available, full, new = _AVAILABLE, Level.FULL, _new_line
        skipped = Verdict.SKIPPED, _NOT_A_FULL, _DO_NOT_COPY
        taken = Verdict.TAKEN, _NOT_THERE, _TO_BE_COPIED

        def of_selective(line: LedgerLine) -> PlanLine | None:
            if line.level == full:
                return None
            return new(PlanLine, (line.backup_job_id, copy_id, *skipped, line.size_bytes, ""))

        def of_synchronous(line: LedgerLine) -> PlanLine | None:
            if line.source_state != available or line.source_encoding:
                return None
            if line.reason or line.source_reason:
                return None
            since = line.source_available_at
            if (line.completed_at if since is None else since) + defer_s > now:
                return None
            return new(PlanLine, (line.backup_job_id, copy_id, *taken, line.size_bytes, ""))

        leaves_out = (
            not rules.active
            or rules.subclients
            or self._not_before is not None
            or self.completed_by is not None
            or self._most_recent is not None
            or options.skip_failed_verification
            or options.fulls_first
        )
        if leaves_out:
            return lambda line: None
        return of_synchronous if self._selection is None else of_selective

    def verdict(self, line: LedgerLine) -> PlanLine:
        """Whether this run takes a backup job, and why."""
        is_forced = _is_forced(line)
        return (
            self._on_the_copy(line, is_forced=is_forced)
            or (None if is_forced else self._by_rules(line))
            or self._on_the_source(line)
            or (None if is_forced else self._deferred(line))
            or self._by_options(line, is_forced=is_forced)
            or self._encoding(line)
            or self._taken(line)
        )

    def _taken(self, line: LedgerLine) -> PlanLine:
        if line.source_state == _AVAILABLE:
            why = _with_lack(self._why_taken(line), line)
            is_there = line.decision == "recopy" and line.state == _AVAILABLE
            return self._line(line, Verdict.TAKEN, why, _owed(line), _NEXT_RUN if is_there else "")
        return self._line(line, Verdict.FOLLOWS, self._not_yet(), _owed(line))

    def _not_yet(self) -> str:
        return f"source {self.source_name!r} does not have it yet"

    def _already(self, at: float | None, lack: str) -> str:
        """Why what the copy has is skipped, and what it is without."""
        if at is None:
            reason = "already there"
        elif self._day_from <= at < self._day_until:
            reason = self._since_day
        else:
            reason = self._new_day(at)
        return f"{reason}; {lack}" if lack.startswith(INCOMPLETE) else reason

    def _new_day(self, at: float) -> str:
        """The sentence for a day, kept for the lines that follow: they come about in order of time."""
        self._since_day = f"already there since {self.clock.date_text(at)}"
        offset = self.clock.offset_s(at)
        start = self.clock.day(at) * DAY_S - offset
        if self.clock.offset_s(start) == self.clock.offset_s(start + DAY_S - 1) == offset:
            self._day_from, self._day_until = start, start + DAY_S
        return self._since_day

    def _line(
        self,
        line: LedgerLine,
        verdict: Verdict,
        reason: str,
        state: JobCopyState,
        next_step: str = "",
    ) -> PlanLine:
        facts = (
            line.backup_job_id,
            self.rules.copy_id,
            verdict,
            reason,
            state,
            line.size_bytes,
            next_step,
        )
        return _new_line(PlanLine, facts)

    def _skip(self, line: LedgerLine, reason: str, state: JobCopyState) -> PlanLine:
        return self._line(line, Verdict.SKIPPED, reason, state)

    def _block(
        self, line: LedgerLine, reason: str, state: JobCopyState, next_step: str
    ) -> PlanLine:
        return self._line(line, Verdict.BLOCKED, reason, state, next_step)

    def _on_the_copy(self, line: LedgerLine, *, is_forced: bool) -> PlanLine | None:
        """What the copy has or had, and what was decided for this backup job on it."""
        state, decision = line.state, line.decision
        if not is_forced and state == _AVAILABLE and decision != "bad":
            return self._skip(line, self._already(line.available_at, line.reason), _AVAILABLE)
        if not is_forced and state == _AGED:
            return self._skip(line, "aged off this copy: not copied again", _AGED)
        if not self.rules.active:
            kept = state if state is not None and state != _TO_BE_COPIED else _DO_NOT_COPY
            return self._skip(line, "copy is not active", kept)
        if decision == "do_not_copy":
            return self._skip(line, f"do not copy: {self._decided(line)}", _DO_NOT_COPY)
        if is_forced:
            return None
        if decision == "bad":
            return self._line(
                line, Verdict.SKIPPED, f"marked bad: {self._decided(line)}", _BAD, self._mend
            )
        if state == _BAD:
            reason = _because("bad on this copy", line.reason)
            return self._block(line, reason, _BAD, f"{self._mend}, or mark it do not copy")
        return None

    def _by_rules(self, line: LedgerLine) -> PlanLine | None:
        """The copy's date, subclients and selection."""
        outside = self._why_outside(line)
        if outside:
            return self._skip(line, outside, _DO_NOT_COPY)
        if self._selection is None:
            return None
        if line.level != Level.FULL:
            return self._skip(line, _NOT_A_FULL, _DO_NOT_COPY)
        if self._most_recent is not None and self._most_recent.get(line.subclient) is line:
            return None
        chosen = self._selection.of(line)
        if chosen.choice is Choice.CHOSEN:
            return None
        state = _DEFERRED if chosen.choice is Choice.OPEN else _DO_NOT_COPY
        return self._skip(line, chosen.reason, state)

    def _why_outside(self, line: LedgerLine) -> str:
        """Why the copy's date or subclients leave a backup job out; empty when they do not."""
        if self._not_before is not None and line.completed_at < self._not_before:
            return f"older than the copy's date {self.clock.date_text(self._not_before)}"
        if self.rules.subclients and line.subclient not in self.rules.subclients:
            return "subclient not among those of this copy"
        return ""

    def _on_the_source(self, line: LedgerLine) -> PlanLine | None:
        """Whether the source has it now: a chain never copies ahead."""
        state, source = line.source_state, self.source_name
        if state == _AVAILABLE or line.backup_job_id in self._coming:
            return None
        why = line.source_reason
        if state == _BAD and (left := self._failed_as_asked(line)):
            return left
        if state == _BAD:
            step = f"see what can be done for it on {source!r}, or mark it do not copy"
            return self._block(line, _because("bad on its source", why), _owed(line), step)
        if state == _AGED:
            return self._skip(line, f"aged off its source {source!r}", _given_up(line))
        if state == _DO_NOT_COPY:
            reason = _because(f"source {source!r} does not take it", why)
            return self._skip(line, reason, _given_up(line))
        return self._skip(line, self._not_yet(), _owed(line))

    def _deferred(self, line: LedgerLine) -> PlanLine | None:
        """Whether the deferral, counted from availability on the source, is not over yet."""
        if self.rules.defer_s <= 0:
            return None
        if line.source_state != _AVAILABLE:
            return self._skip(line, self._not_yet(), _owed(line))
        since = line.source_available_at
        eligible = (line.completed_at if since is None else since) + self.rules.defer_s
        if eligible <= self.now:
            return None
        reason = (
            f"not eligible before {self.clock.minute_text(eligible)} "
            f"(deferred {_span(self.rules.defer_s)} from its availability on {self.source_name})"
        )
        state = _PARTIALLY_COPIED if line.state == _PARTIALLY_COPIED else _DEFERRED
        return self._skip(line, reason, state)

    def _failed_as_asked(self, line: LedgerLine) -> PlanLine | None:
        """A backup job that failed verification on its source, where the run leaves those out."""
        if not self.options.skip_failed_verification:
            return None
        if line.source_verification != Verification.FAILED:
            return None
        reason = "failed data verification on its source (skipped as asked)"
        return self._skip(line, reason, _owed(line))

    def _by_options(self, line: LedgerLine, *, is_forced: bool) -> PlanLine | None:
        """What this run was asked to leave out; the ledger goes on saying that it is owed."""
        if left := self._failed_as_asked(line):
            return left
        if is_forced:
            return None
        if self.completed_by is not None and line.completed_at > self.completed_by:
            reason = "was still being backed up when this run was asked for (left out, as set)"
            return self._skip(line, reason, _owed(line))
        if self._most_recent is not None:
            newest = self._most_recent.get(line.subclient)
            if newest is not line:
                named = f": {newest.backup_job_id}" if newest else ""
                reason = f"this run takes the most recent full of each subclient only{named}"
                return self._skip(line, reason, _owed(line))
        if self.options.fulls_first and line.tries >= TRIES_LIMIT:
            reason = f"left out after {line.tries} failed tries"
            return self._block(
                line, reason, _owed(line), "see its errors in the job history, then re-copy it"
            )
        return None

    def _encoding(self, line: LedgerLine) -> PlanLine | None:
        """Another encoding of what is encrypted needs a key; the same one moves as it is."""
        wanted, encoding = self.rules.encoding, self._source_encoding
        if line.source_state == _AVAILABLE:
            if not line.source_encoding:
                return None
            encoding = encoding_from_text(line.source_encoding)
        if encoding == wanted or self._keys.can_open(encoding):
            return None
        made = "" if wanted.is_plain else f" to be {wanted} here"
        reason = f"encrypted on its source {self.source_name!r}: a key must open it{made}"
        return self._block(line, reason, _owed(line), self._keys.hint)

    def _why_taken(self, line: LedgerLine) -> str:
        if line.reason.startswith(LAST_FAILED):
            return line.reason.partition(f"; {INCOMPLETE}")[0]
        if line.decision == "recopy" and _is_forced(line):
            return f"to be copied again: {self._decided(line)}"
        if line.decision == "picked":
            return f"picked: {self._decided(line)}"
        if line.state == _PARTIALLY_COPIED:
            return "partly there: goes on where it stopped"
        if self._most_recent is not None:
            return "most recent full of its subclient"
        if self._selection is not None:
            return self._selection.of(line).reason
        return _NOT_THERE

    def _decided(self, line: LedgerLine) -> str:
        who = line.decided_by or "an operator"
        if line.decided_at is None:
            return f"decided by {who}"
        return f"decided by {who} on {self.clock.minute_text(line.decided_at)}"


def _is_forced(line: LedgerLine) -> bool:
    """True when an operator asked for it and nothing was copied since: decisions win over rules."""
    if line.decision not in ("picked", "recopy"):
        return False
    if line.decision == "picked" and line.state == _AVAILABLE:
        return False
    if line.available_at is None or line.decided_at is None:
        return True
    return line.decided_at > line.available_at


def _owed(line: LedgerLine) -> JobCopyState:
    """The state of what is still to come; what is there stays there while it is copied again."""
    if line.state in (_PARTIALLY_COPIED, _AVAILABLE, _AGED, _BAD):
        return line.state
    return _TO_BE_COPIED


def _given_up(line: LedgerLine) -> JobCopyState:
    return line.state if line.state in (_AVAILABLE, _AGED, _BAD) else _DO_NOT_COPY


def _because(what: str, reason: str) -> str:
    """`what: reason`, where a reason that came out of an earlier plan has `what` already."""
    if not reason or reason == what:
        return what
    return reason if reason.startswith(f"{what}: ") else f"{what}: {reason}"


def _with_lack(reason: str, line: LedgerLine) -> str:
    """What the source is without, its copies are without."""
    lack = line.source_reason if line.source_reason.startswith(INCOMPLETE) else ""
    return f"{reason}; {lack}" if lack else reason


def _span(seconds: int) -> str:
    for unit_s, word in ((DAY_S, "day"), (_HOUR_S, "hour"), (60, "minute"), (1, "second")):
        if seconds % unit_s == 0:
            count = seconds // unit_s
            return f"{count} {word}{'' if count == 1 else 's'}"
    raise AssertionError("every whole number of seconds is one of seconds")
