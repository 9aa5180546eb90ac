"""The data aging operation: decides, says, and takes away what nothing keeps; or stops and asks.

A job copy goes in two phases: the intent is in the catalog before its directory is renamed out of
sight, and the ledger says aged only after that. A crash between is found by the intent, or by the
next aging, which finds nothing on the media any more.
"""

from __future__ import annotations

from datetime import datetime

import aiofiles.os
from sqlmodel import Session

from engine.catalog import alarms, config, jobs, ledger, upkeep
from engine.catalog.values import CopyValue, JobItem, JobValue
from engine.library.interface import Library
from engine.model.errors import EXIT_FAILED, AuxError, LibraryOffline, NotFoundError, UsageError
from engine.model.states import OVER, JobCopyState, JobState, Phase, Severity
from engine.operations.aging_decision import (
    ON_MEDIA,
    Decision,
    decide_aging,
    decision_document,
    going_order,
    kept_columns,
    located,
    policies_of,
    retention_rules,
)
from engine.operations.context import AttemptEnd, JobContext
from engine.operations.holders import HolderLook, find_holders
from engine.operations.indexes import described_jobs, forget_described
from engine.operations.job_errors import JobFault, write_faults
from engine.operations.jobcopies import Located, Locator
from engine.operations.planning import load_scope
from engine.operations.probing import probe_one
from engine.policy.alerting import AlertKind
from engine.policy.durations import format_duration, format_size
from engine.policy.zones import LocalClock

AT_ONCE = 100  # job copies between two decisions: what is owed or pinned meanwhile stays
INTENT, AGED = "aging", "aged"
Cycle = tuple[int, int, int]
"""Copy, subclient, and number of the cycle there."""


def aged_reason(copy: CopyValue, job_id: int, now: datetime, zone: str) -> str:
    """When a job copy was aged, by which job, and what the retention of its copy was then.

    Args:
        copy: on which it was.
        job_id: the run of data aging.
        now: the present.
        zone: IANA name of the CommCell's.
    """
    rules = [f"{copy.retain_cycles} cycles"] if copy.retain_cycles else []
    if copy.retain_s is not None:
        rules.insert(0, format_duration(copy.retain_s))
    kept = [" and ".join(rules)] if rules else []
    kept += [
        f"{rule.keep.removesuffix('-fulls')} fulls {format_duration(rule.retain_s)}"
        for rule in retention_rules(copy).extended
    ]
    what = f"; the copy keeps {', '.join(kept)}" if kept else ""
    return f"aged on {LocalClock(zone).minute_text(now.timestamp())} by job {job_id}{what}"


class DataAging:
    """One run of data aging."""

    def __init__(self, context: JobContext, job: JobValue) -> None:
        self.context = context
        self.job = job
        self.is_dry = bool(job.options.get("dry_run"))
        self.is_confirmed = bool(job.options.get("confirm"))
        self.failures: dict[tuple[str, int], AuxError] = {}
        self._stops: list[tuple[str, AuxError]] = []
        """Copy, and why the deletion fuse stops aging on it or for one subclient of it."""
        self._libraries: dict[int, Library | LibraryOffline] = {}
        self._look = HolderLook(context.home.path)
        self._aged: dict[tuple[int, int], JobItem] = {}
        self._kept_cycles: set[Cycle] = set()
        """Of which something could not be taken away: what that depends on stays in this attempt."""

    async def attempt(self) -> AttemptEnd:
        """Decides and ages until nothing is left that may go."""
        await self.context.update(phase=Phase.AGE)
        self.failures, self._libraries, self._stops = {}, {}, []
        self._kept_cycles.clear()
        self._look = HolderLook(self.context.home.path)
        await self._finish_intents()
        decisions = await self._decide(record=True)
        await self._note_what_is_kept(decisions)
        if self.is_dry:
            return await self._would(decisions)
        while not self._is_stopped():
            going = await self._located(decisions)
            if not going:
                break
            await self._age_all(going[:AT_ONCE])
            decisions = await self._decide(record=False)
        await self._forget_described()
        if self._is_stopped():
            return AttemptEnd(kind="cancelled", reason=self.context.cancel.reason)
        return await self._end(decisions)

    async def _age_all(self, going: list[Located]) -> None:
        """Takes job copies away in their order, of a cycle nothing after the first one that stays."""
        stays: set[Cycle] = set()
        for one in going:
            if self._is_stopped():
                break
            if _cycle(one) not in stays and not await self._age(one):
                stays.add(_cycle(one))

    async def _forget_described(self) -> None:
        """Indexes and landing manifests of what no copy has any more, nor will have.

        The ledger remembers the backup jobs. What it does not know yet is being published or
        adopted; what a crash has left here is found by the next aging.
        """
        home = self.context.home
        here = await aiofiles.os.wrap(described_jobs)(home)

        def read(session: Session) -> list[int]:
            states = {
                job_id: {line.state for line in ledger.copies_of(session, job_id)}
                for job_id in here
            }
            return [job_id for job_id, found in states.items() if found and found <= OVER]

        await aiofiles.os.wrap(forget_described)(home, await self.context.store.read(read))

    def _is_stopped(self) -> bool:
        return self.context.cancel.is_cancelled

    async def conclude(self) -> None:
        """Writes what could not be taken away, and why."""
        stops = [JobFault(0, copy, error) for copy, error in self._stops]
        failed = [
            JobFault(backup_job_id, copy, error)
            for (copy, backup_job_id), error in sorted(self.failures.items())
        ]
        await write_faults(self.context, [*stops, *failed])

    async def _decide(self, *, record: bool) -> list[Decision]:
        context, now = self.context, self.context.clock()
        name = self.job.options.get("policy")

        def read(session: Session) -> list[Decision]:
            found = [
                decide_aging(session, context.home, policy.name, now, confirmed=self.is_confirmed)
                for policy in policies_of(session, None if name is None else str(name))
            ]
            for decision in found:
                find_holders(session, context.home, decision)
            return found

        decisions = await context.store.read(read)
        for decision in decisions:
            await aiofiles.os.wrap(self._look.leave_unproved)(decision)
        if record:
            document = decision_document(decisions, dry_run=self.is_dry)
            await context.store.write(lambda s: jobs.save_plan(s, context.job_id, document))
        return decisions

    async def _note_what_is_kept(self, decisions: list[Decision]) -> None:
        """The ledger says of each job copy what keeps it; the job what it is about."""
        going = [
            one.lines[backup_job_id].size_bytes
            for decision in decisions
            for one in decision.copies
            for backup_job_id in one.aging
        ]
        done = [item.size_bytes for item in self._aged.values()]

        def write(session: Session) -> None:
            for decision in decisions:
                for one in decision.copies:
                    upkeep.set_kept(session, one.copy.id, kept_columns(one))
            jobs.update_job(
                session,
                self.context.job_id,
                backup_jobs_total=len(done) + len(going),
                backup_jobs_done=len(done),
                bytes_total=sum(done) + sum(going),
                bytes_done=sum(done),
                backup_jobs_skipped=sum(
                    len(one.left) for decision in decisions for one in decision.copies
                ),
            )

        await self.context.store.write(write)

    async def _located(self, decisions: list[Decision]) -> list[Located]:
        """What goes now, without what has failed in this attempt."""
        home = self.context.home

        def read(session: Session) -> list[Located]:
            return [
                found
                for decision in decisions
                for one in decision.copies
                for found in located(session, home, one, decision.scope)
                if _cycle(found) not in self._kept_cycles
            ]

        return await self.context.store.read(read)

    async def _finish_intents(self) -> None:
        """What an earlier attempt had begun to take away is taken away, whatever came since."""
        context = self.context

        def read(session: Session) -> list[Located]:
            every = jobs.items(session, context.job_id)
            self._aged = {
                (item.copy_id, item.backup_job_id): item for item in every if item.outcome == AGED
            }
            names = {policy.id: policy.name for policy in config.policies(session)}
            found = []
            for item in every:
                if item.outcome == INTENT:
                    policy_id = ledger.backup_job(session, item.backup_job_id).policy_id
                    scope = load_scope(session, names[policy_id])
                    locator = Locator(session, context.home, scope)
                    found.append(locator.find(item.copy_id, item.backup_job_id))
            return found

        for one in sorted(await context.store.read(read), key=lambda one: going_order(one.line)):
            if _cycle(one) not in self._kept_cycles:
                await self._remove(one)

    async def _age(self, one: Located) -> bool:
        """Takes one job copy away, unless something has changed since it was decided; False: it stays."""
        now = self.context.clock()
        intent = self._item(one, INTENT, now)

        def intend(session: Session) -> bool:
            line = ledger.job_copy(session, *one.pair)
            still = (
                line is not None
                and line.state in ON_MEDIA
                and (line.pinned_by, line.copied_at) == (one.line.pinned_by, one.line.copied_at)
                and line.pinned_until == one.line.pinned_until
            )
            if still:
                jobs.add_items(session, [intent])
            return still

        return await self.context.store.write(intend) and await self._remove(one)

    async def _remove(self, one: Located) -> bool:
        """The media first, then the ledger; False: it could not be taken away, and the error is noted."""
        backup_job_id, was_there = one.line.backup_job_id, True
        try:
            library = await self._library(one)
            await aiofiles.os.wrap(library.remove_job)(one.place, backup_job_id)
        except NotFoundError:
            was_there = False  # a crash came between the two phases, or somebody took it away
        except AuxError as err:
            self.failures[one.copy.name, backup_job_id] = err
            self._kept_cycles.add(_cycle(one))
            return False
        now = self.context.clock()
        item = self._item(one, AGED, now)
        self._aged[one.pair] = item

        def write(session: Session) -> None:
            zone = config.commcell(session).time_zone
            reason = aged_reason(one.copy, self.context.job_id, now, zone)
            reason += "" if was_there else "; it was not on the media any more"
            ledger.set_state(
                session,
                *one.pair,
                JobCopyState.AGED,
                reason,
                now=now,
                retained_by="",
                retain_until=None,
            )
            jobs.add_items(session, [item])
            jobs.update_job(
                session,
                self.context.job_id,
                backup_jobs_done=len(self._aged),
                bytes_done=sum(aged.size_bytes for aged in self._aged.values()),
            )

        await self.context.store.write(write)
        return True

    async def _library(self, one: Located) -> Library:
        """The open library of a job copy.

        Raises:
            LibraryOffline: it cannot be used now.
            UsageError: it has none.
        """
        value = one.source.scope.library_of(one.copy.id)
        if value is None or one.is_landing:
            raise UsageError(f"copy {one.copy.name} has no library: nothing of it is taken away")
        if value.id not in self._libraries:
            context, commcell_id = self.context, one.source.scope.commcell_id
            self._libraries[value.id] = await probe_one(
                context.store, context.clock, value, commcell_id
            )
        library = self._libraries[value.id]
        if isinstance(library, LibraryOffline):
            raise library
        return library

    def _item(self, one: Located, outcome: str, now: datetime) -> JobItem:
        return JobItem(
            job_id=self.context.job_id,
            backup_job_id=one.line.backup_job_id,
            copy_id=one.copy.id,
            outcome=outcome,
            size_bytes=one.line.size_bytes,
            ended_at=now,
        )

    async def _would(self, decisions: list[Decision]) -> AttemptEnd:
        going = [
            one.lines[job_id].size_bytes
            for decision in decisions
            for one in decision.copies
            for job_id in one.aging
        ]
        stopped = sum(len(one.stopped) for decision in decisions for one in decision.copies)
        reason = f"{len(going)} job copies would go, {format_size(sum(going))}"
        if stopped:
            reason += f"; {stopped} more are stopped by the deletion fuse"
        return AttemptEnd(kind="ended", state=JobState.COMPLETED, reason=reason)

    async def _end(self, decisions: list[Decision]) -> AttemptEnd:
        done = sum(item.size_bytes for item in self._aged.values())
        hint = "look at it with `auxtui aging --dry-run`; if it is right: auxtui aging --confirm"
        stopped = [
            (decision.scope.policy.name, fuse) for decision in decisions for fuse in decision.fuses
        ]
        blown: set[str] = set()
        for name, fuse in stopped:
            whose = f" for {fuse.subclient}" if fuse.subclient else ""
            message = f"nothing is aged off {name}/{fuse.copy}{whose}: {fuse.reason}"
            self._stops.append((fuse.copy, UsageError(message, hint=hint)))
            about = f"{name}/{fuse.copy}{whose}"
            blown.add(about)
            await self.context.event(
                "aging.fuse", f"{message}; {hint}", Severity.ERROR, about=about, hint=hint
            )
        await self._clear_fuses(decisions, blown)
        errors = [*(error for _, error in self._stops), *self.failures.values()]
        await self.context.update(errors=len(errors), backup_jobs_failed=len(self.failures))
        if not errors:
            return AttemptEnd(kind="ended", state=JobState.COMPLETED, bytes_done=done)
        return AttemptEnd(
            kind="ended",
            state=JobState.COMPLETED_WITH_ERRORS,
            reason=errors[0].message,
            exit_code=EXIT_FAILED,
            bytes_done=done,
        )

    async def _clear_fuses(self, decisions: list[Decision], blown: set[str]) -> None:
        """Fuses of these policies that stop nothing any more."""
        now = self.context.clock()
        looked_at = {decision.scope.policy.name for decision in decisions}

        def write(session: Session) -> None:
            elsewhere = {
                alarm.about
                for alarm in alarms.standing(session, AlertKind.FUSE)
                if alarm.about.partition("/")[0] not in looked_at
            }
            still = blown | elsewhere
            alarms.clear_others(session, AlertKind.FUSE, still, "aging goes on", now)

        await self.context.store.write(write)


def _cycle(one: Located) -> Cycle:
    return one.copy.id, one.line.subclient_id, one.line.cycle
