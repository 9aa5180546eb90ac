"""Whatever happens in whatever order: the last good copy of what retention wants is never deleted."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import update

from engine.catalog import jobs, ledger, tables, upkeep
from engine.catalog.home import Home
from engine.catalog.opening import open_catalog
from engine.catalog.rows import COPY, connection_of
from engine.catalog.values import CopyValue, JobCopyValue
from engine.catalog.verdicts import apply_verdicts
from engine.model.errors import UsageError
from engine.model.states import JobCopyState, Level
from engine.operations.aging_decision import Decision, decide_aging
from engine.operations.deciding import decide
from engine.operations.planning import load_scope, plan_run
from engine.operations.releasing import release
from engine.policy.values import RunOptions, Verdict
from tests import memory

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PRIMARY, OFFSITE, ATTIC = 1, 2, 3
COPIES = st.sampled_from([PRIMARY, OFFSITE, ATTIC])
SECONDARY = st.sampled_from([OFFSITE, ATTIC])
JOBS = st.integers(0, 30)
ON_MEDIA = (JobCopyState.AVAILABLE, JobCopyState.BAD)
OWED = (JobCopyState.TO_BE_COPIED, JobCopyState.PARTIALLY_COPIED, JobCopyState.DEFERRED)
DAYS = {PRIMARY: 2, OFFSITE: 4, ATTIC: 3}
CYCLES = {PRIMARY: 1, OFFSITE: 0, ATTIC: 2}
SOURCE = {OFFSITE: PRIMARY, ATTIC: OFFSITE}

Pair = tuple[int, int]


class LedgerMachine(RuleBasedStateMachine):
    """Backups, copies, failures, repairs, pins, releases and agings of one policy."""

    def __init__(self) -> None:
        super().__init__()
        self._held = ExitStack()
        self.directory = self._held.enter_context(memory.directory()) or Path(tempfile.mkdtemp())
        self.home = Home(self.directory)
        self.catalog = open_catalog(self.home, create=True)
        self.now = START
        self.cycle = 0
        self.ids: list[int] = []
        with self.catalog.write() as session:
            session.add(tables.Library(id=1, name="vault", url="/nowhere"))
            session.add(tables.MediaAgent(id=1, name="here"))
            session.add(tables.Client(id=1, name="db1"))
            session.add(tables.StoragePolicy(id=1, name="databases"))
            session.flush()
            for copy_id, name in ((PRIMARY, "primary"), (OFFSITE, "offsite"), (ATTIC, "attic")):
                session.add(
                    tables.PolicyCopy(
                        id=copy_id,
                        policy_id=1,
                        name=name,
                        kind="primary" if copy_id == PRIMARY else "synchronous",
                        library_id=1,
                        source_copy_id=SOURCE.get(copy_id) if copy_id == ATTIC else None,
                        precedence=copy_id,
                        retain_s=DAYS[copy_id] * 86_400,
                        retain_cycles=CYCLES[copy_id],
                    )
                )
                session.flush()
            session.add(tables.Subclient(id=1, client_id=1, name="pg", policy_id=1, kind="content"))

    def teardown(self) -> None:
        self.catalog.close()
        self._held.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    @initialize(levels=st.lists(st.booleans(), min_size=2, max_size=6))
    def begin(self, levels: list[bool]) -> None:
        """Some days of backups, all of them copied."""
        for is_full in levels:
            self.back_up(is_full)
            self.now += DAY
        self.copy(20, False)
        self.copy(20, False)

    @rule(is_full=st.booleans())
    def back_up(self, is_full: bool) -> None:
        level = Level.FULL if is_full or not self.cycle else Level.INCREMENTAL
        self.cycle += level is Level.FULL
        with self.catalog.write() as session:
            job_id = jobs.next_id(session)
            ledger.add_backup_job(
                session,
                id=job_id,
                subclient_id=1,
                policy_id=1,
                level=level,
                name=b"",
                fingerprint="",
                cycle=self.cycle,
                started_at=self.now,
                completed_at=self.now,
                adopted_at=self.now,
                size_bytes=1000,
                files=1,
                chunks=1,
            )
        self.ids.append(job_id)
        self.now += timedelta(hours=1)

    @rule(is_full=st.booleans())
    def night(self, is_full: bool) -> None:
        """As it goes when all is well."""
        self.back_up(is_full)
        self.copy(20, False)
        self.copy(20, False)

    @rule(few=st.sampled_from([1, 3]), fails=st.booleans())
    def copy(self, few: int, fails: bool) -> None:
        """An auxiliary copy that comes so far, and may fail then."""
        with self.catalog.write() as session:
            scope = load_scope(session, "databases")
            try:
                plan = plan_run(session, scope, RunOptions(), self.now)
            except UsageError:
                return
            apply_verdicts(session, plan.lines, self.now)
            taken = [line for line in plan.lines if line.verdict is Verdict.TAKEN]
            for line in taken[:few]:
                ledger.mark_available(
                    session,
                    line.copy_id,
                    line.backup_job_id,
                    manifest_digest=b"x",
                    chunks=1,
                    size_bytes=1000,
                    by_job=1,
                    now=self.now,
                )
            for line in taken[few : few + fails]:
                ledger.set_state(
                    session,
                    line.copy_id,
                    line.backup_job_id,
                    JobCopyState.PARTIALLY_COPIED,
                    now=self.now,
                )

    @rule(copy_id=COPIES, newest=st.integers(1, 3))
    def damage(self, copy_id: int, newest: int) -> None:
        """Something that was not backed up long ago."""
        line = self.line(copy_id, max(0, len(self.ids) - newest))
        if line is not None and line.state in ON_MEDIA:
            with self.catalog.write() as session:
                upkeep.set_failed(session, copy_id, line.backup_job_id, "rot", "", self.now)

    @rule(copy_id=COPIES, number=JOBS)
    def repair(self, copy_id: int, number: int) -> None:
        line = self.line(copy_id, number)
        if line is None or line.state is not JobCopyState.BAD:
            return
        if any(is_good(other) for other in self.lines().get(line.backup_job_id, {}).values()):
            with self.catalog.write() as session:
                upkeep.set_good(session, copy_id, line.backup_job_id, self.now)

    @rule(copy_id=COPIES, number=JOBS, days=st.sampled_from([None, 0, 2, 9]))
    def pin(self, copy_id: int, number: int, days: int | None) -> None:
        """For good, no longer, or for some days."""
        line = self.line(copy_id, number)
        if line is not None and line.state in ON_MEDIA:
            until = None if days is None else self.now + days * DAY
            by = "" if days == 0 else "ann"
            with self.catalog.write() as session:
                upkeep.pin(session, copy_id, line.backup_job_id, by=by, until=until, now=self.now)

    @rule(copy_id=SECONDARY, number=JOBS, word=st.sampled_from(["picked", "do_not_copy", ""]))
    def decide(self, copy_id: int, number: int, word: str) -> None:
        with self.catalog.write() as session:
            copy = next(
                c for c in load_scope(session, "databases").copies.values() if c.id == copy_id
            )
            try:
                decide(session, copy, self.ids[number % len(self.ids)], word, "ann", self.now)
            except UsageError:
                return

    @rule()
    def give_up(self) -> None:
        with self.catalog.write() as session:
            release(session, {"policy": "databases"}, "ann", self.now)

    @rule(copy_id=SECONDARY, active=st.booleans())
    def switch(self, copy_id: int, active: bool) -> None:
        with self.catalog.write() as session:
            connection_of(session).execute(
                update(COPY).where(COPY.c.id == copy_id).values(active=active)
            )

    @rule(days=st.sampled_from([0, 1, 2, 3]))
    def age(self, days: int) -> None:
        """Judged by what a reader of the promises would say, not by the code that decides."""
        self.now += days * DAY
        before = self.lines()
        with self.catalog.read() as session:
            decision = decide_aging(session, self.home, "databases", self.now, confirmed=True)
            copies = {copy.id: copy for copy in load_scope(session, "databases").copies.values()}
        going = {(one.copy.id, job_id) for one in decision.copies for job_id in one.aging}
        for pair in sorted(going):
            self.check_may_go(pair, before, copies)
        self.check_something_good_stays(going, before)
        self.check_cycles(decision, before)
        with self.catalog.write() as session:
            for copy_id, job_id in going:
                ledger.set_state(session, copy_id, job_id, JobCopyState.AGED, now=self.now)

    @invariant()
    def what_was_aged_is_remembered(self) -> None:
        if self.ids:
            assert self.lines().keys() <= set(self.ids)

    def check_may_go(
        self,
        pair: Pair,
        before: dict[int, dict[int, JobCopyValue]],
        copies: dict[int, CopyValue],
    ) -> None:
        copy_id, job_id = pair
        line = before[job_id][copy_id]
        assert line.state in ON_MEDIA
        assert not self.is_wanted(line, before), "retention wants it"
        for consumer in copies.values():
            if consumer.active and SOURCE.get(consumer.id) == copy_id:
                there = before[job_id].get(consumer.id)
                outside = there is not None and there.state not in OWED
                assert outside, f"{consumer.name} waits for it"

    def check_something_good_stays(
        self, going: set[Pair], before: dict[int, dict[int, JobCopyValue]]
    ) -> None:
        """Where any copy keeps its own, a good one is left if there was one."""
        for job_id, lines in before.items():
            good = {copy_id for copy_id, line in lines.items() if is_good(line)}
            left = {copy_id for copy_id in good if (copy_id, job_id) not in going}
            wanted = any(
                line.state in ON_MEDIA and self.is_wanted(line, before) for line in lines.values()
            )
            if wanted and good:
                assert left, f"the last good copy of {job_id}"

    def check_cycles(self, decision: Decision, before: dict[int, dict[int, JobCopyValue]]) -> None:
        """Nothing goes before what depends on it: stopped anywhere, nothing is left that needs it."""
        for one in decision.copies:
            gone: set[int] = set()
            for job_id in one.aging:
                gone.add(job_id)
                cycle = before[job_id][one.copy.id].cycle
                for later_id, lines in before.items():
                    later = lines.get(one.copy.id)
                    if later is None or later.cycle != cycle or later.state not in ON_MEDIA:
                        continue
                    assert later_id <= job_id or later_id in gone, f"{later_id} needs {job_id}"

    def is_wanted(self, line: JobCopyValue, before: dict[int, dict[int, JobCopyValue]]) -> bool:
        """By days, cycles, or a pin."""
        if line.completed_at + DAYS[line.copy_id] * DAY > self.now:
            return True
        pinned = line.pinned_until is None or line.pinned_until > self.now
        if line.pinned_by and pinned:
            return True
        count = CYCLES[line.copy_id]
        good = {
            other.cycle
            for lines in before.values()
            if (other := lines.get(line.copy_id)) is not None
            and other.level is Level.FULL
            and is_good(other)
        }
        return count > 0 and (len(good) < count or line.cycle >= sorted(good)[-count])

    def line(self, copy_id: int, number: int) -> JobCopyValue | None:
        with self.catalog.read() as session:
            return ledger.job_copy(session, copy_id, self.ids[number % len(self.ids)])

    def lines(self) -> dict[int, dict[int, JobCopyValue]]:
        """Backup job -> copy -> line."""
        found: dict[int, dict[int, JobCopyValue]] = {}
        with self.catalog.read() as session:
            for copy_id in DAYS:
                for line in ledger.job_copies(session, copy_id):
                    found.setdefault(line.backup_job_id, {})[copy_id] = line
        return found


def is_good(line: JobCopyValue) -> bool:
    return line.state is JobCopyState.AVAILABLE and line.verification != "failed"


_IS_SOAK = bool(os.environ.get("AUXTUI_SOAK"))
LedgerMachine.TestCase.settings = settings(
    max_examples=1000 if _IS_SOAK else 40,
    stateful_step_count=60 if _IS_SOAK else 25,
    deadline=None,
    derandomize=not _IS_SOAK,
    phases=[Phase.generate, Phase.shrink] if _IS_SOAK else [Phase.generate],
    database=None,
    suppress_health_check=list(HealthCheck),
)
TestLedger = LedgerMachine.TestCase
