"""The auxiliary copy operation: plan, copy, publish, look again.

One `AuxCopy` is one run of a job in this service; its `attempt` is called again when a retryable
error ended the one before. What must survive a crash is in the catalog and in the journals on
the media; this object only remembers what failed, so that the end can say so.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from engine.catalog import jobs, ledger, verdicts
from engine.catalog.values import JobItem, JobValue
from engine.library.interface import Library
from engine.model.errors import (
    AuxError,
    DestinationExists,
    DestinationFull,
    LibraryOffline,
    SourceChanged,
    SourceCorrupt,
    SourceError,
)
from engine.model.names import shown
from engine.model.states import JobCopyState, JobState, Phase, Severity, Verification
from engine.operations.context import AttemptEnd, JobContext
from engine.operations.options import options_from_json
from engine.operations.ordering import OrderQueue
from engine.operations.planning import (
    Scope,
    chosen_copies,
    load_scope,
    plan_document,
    plan_run,
    streams_of,
)
from engine.operations.probing import probe_libraries
from engine.operations.progress import Progress
from engine.policy.plan import Plan
from engine.policy.values import PlanLine, RunOptions, Verdict
from engine.transfer.orders import DestinationOutcome, TransferResult
from engine.transfer.run import TransferRun
from engine.transfer.throttle import Throttle

log = logging.getLogger(__name__)

Pair = tuple[int, int]
"""A copy id and a backup job id."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one backup job did not reach one copy in this job."""

    copy_name: str
    error: AuxError
    path: bytes = b""


class AuxCopy:
    """One run of the auxiliary copy operation."""

    def __init__(self, context: JobContext, job: JobValue) -> None:
        self.context = context
        self.policy = job.policy
        self.options: RunOptions = options_from_json(job.options)
        self.failures: dict[Pair, Failure] = {}
        self.blocked: dict[Pair, PlanLine] = {}
        self.done: dict[Pair, int] = {}
        """Copied by this job, also before a restart, with the bytes of each."""
        self._names: dict[int, str] = {}
        self._limits: dict[int, Throttle] = {}

    async def attempt(self) -> AttemptEnd:
        """Plans and copies until nothing is left that this run can copy."""
        context = self.context
        self.done = await context.store.read(lambda s: jobs.copied_items(s, context.job_id))
        retryable = [pair for pair, failure in self.failures.items() if failure.error.retryable]
        for pair in retryable:
            del self.failures[pair]
        scope, plan = await self._plan(record=True)
        self._names = {copy.id: copy.name for copy in scope.copies.values()}
        libraries, offline = await probe_libraries(context, scope)
        while not self._stopped():
            copied = await self._copy(scope, plan, libraries, offline)
            if self._stopped() or not (copied and self.options.scalable):
                break
            scope, plan = await self._plan(record=False)
            if not any(self._wanted(line) for line in plan.taken):
                break
        if self._stopped():
            return AttemptEnd(kind="cancelled", reason=context.cancel.reason)
        return self._end()

    def _stopped(self) -> bool:
        return self.context.cancel.is_cancelled

    async def conclude(self) -> None:
        """Writes the errors that are final, each with its hint."""
        context, now = self.context, self.context.clock()

        def write(session: Any) -> None:
            for (_, backup_job_id), failure in sorted(self.failures.items()):
                jobs.add_error(
                    session,
                    context.job_id,
                    backup_job_id=backup_job_id,
                    copy_name=failure.copy_name,
                    path=shown(failure.path),
                    error=failure.error.message,
                    hint=failure.error.hint,
                    now=now,
                )
            for line in self.blocked.values():
                jobs.add_error(
                    session,
                    context.job_id,
                    backup_job_id=line.backup_job_id,
                    copy_name=self._names.get(line.copy_id, ""),
                    path="",
                    error=line.reason,
                    hint=line.next_step,
                    now=now,
                )

        await context.store.write(write)

    async def _plan(self, *, record: bool) -> tuple[Scope, Plan]:
        context, options, now = self.context, self.options, self.context.clock()
        if record:
            await context.update(phase=Phase.PLAN)

        def read(session: Any) -> tuple[Scope, Plan, dict[str, Any] | None]:
            scope = load_scope(session, self.policy)
            plan = plan_run(session, scope, options, now)
            known = jobs.load_plan(session, context.job_id) if record else {}
            document = None if known is not None else plan_document(scope, plan, options, session)
            return scope, plan, document

        scope, plan, document = await context.store.read(read)
        blocked = [line for line in plan.lines if line.verdict is Verdict.BLOCKED]
        self.blocked = {(line.copy_id, line.backup_job_id): line for line in blocked}
        waiting = [line for line in plan.taken if self._wanted(line)]
        skipped = sum(
            line.verdict is Verdict.SKIPPED and line.state is not JobCopyState.AVAILABLE
            for line in plan.lines
        )
        totals: dict[str, Any] = {
            "backup_jobs_total": len(self.done) + len(waiting) + len(self.failures) + len(blocked),
            "backup_jobs_skipped": skipped,
            "bytes_total": sum(self.done.values()) + sum(line.size_bytes for line in waiting),
            "copies": [copy.name for copy in chosen_copies(scope, options)],
        }

        def write(session: Any) -> None:
            verdicts.apply_verdicts(session, plan.lines, now)
            if document is not None:
                jobs.save_plan(session, context.job_id, document)
            jobs.update_job(session, context.job_id, **totals)

        await context.store.write(write)
        return scope, plan

    def _wanted(self, line: PlanLine) -> bool:
        pair = (line.copy_id, line.backup_job_id)
        return pair not in self.done and pair not in self.failures

    async def _copy(
        self,
        scope: Scope,
        plan: Plan,
        libraries: dict[int, Library],
        offline: dict[int, LibraryOffline],
    ) -> bool:
        """Copies what the plan takes; True when at least one job copy was published."""
        context = self.context
        published_before = len(self.done)
        queue = OrderQueue(
            context=context,
            scope=scope,
            plan=plan,
            libraries=libraries,
            throttles=self._throttles(scope),
            wanted=self._wanted,
            refuse=self._refuse,
            found=self._found,
        )
        await queue.open(offline)
        if queue.is_empty:
            return len(self.done) > published_before
        number = streams_of(scope, plan, self.options)
        await context.update(
            phase=Phase.COPY, streams=number.streams, streams_limited_by=number.limited_by
        )

        async def on_result(result: TransferResult) -> None:
            await self._settle(scope, queue, result)

        run = TransferRun(
            streams=number.streams,
            throttle=context.throttle,
            cancel=context.cancel,
            on_result=on_result,
        )
        progress = Progress(
            context, run, self, {name: copy_id for copy_id, name in self._names.items()}
        )
        follower = asyncio.create_task(progress.follow())
        try:
            await run.run(queue.next_order)
        finally:
            progress.stop()
            await follower
        return len(self.done) > published_before

    def _throttles(self, scope: Scope) -> dict[int, Throttle]:
        """The limit of each copy that has one, shared by all its streams."""
        for copy in scope.copies.values():
            rate_bps = copy.throttle_bps
            if copy.id in self._limits:
                self._limits[copy.id].set_rate(rate_bps)
            elif rate_bps is not None:
                self._limits[copy.id] = Throttle(rate_bps)
        return self._limits

    def _refuse(self, pair: Pair, error: AuxError) -> None:
        """A pair that cannot be tried in this attempt, e.g. its library is offline or full."""
        self.failures[pair] = Failure(self._names[pair[0]], error)

    async def _found(
        self, pair: Pair, size_bytes: int, manifest_digest: bytes, chunks: int
    ) -> None:
        """A job copy that was published before the ledger knew: the media lead, the catalog lags."""
        await self._available(pair, size_bytes, manifest_digest, chunks, seconds=0.0)
        await self.context.event(
            "auxcopy.found",
            f"backup job {pair[1]} was on copy {self._names[pair[0]]} already; the ledger caught up",
        )

    async def _settle(self, scope: Scope, queue: OrderQueue, result: TransferResult) -> None:
        """Tells the ledger how one backup job ended on each of its destinations."""
        order = result.order
        for outcome in result.outcomes:
            pair = (outcome.copy_id, order.backup_job_id)
            queue.ended(pair)
            if outcome.state == "published" and outcome.manifest_digest is not None:
                await self._available(
                    pair,
                    result.size_bytes,
                    outcome.manifest_digest,
                    result.chunks,
                    seconds=result.seconds,
                )
                for warning in outcome.warnings:
                    await self.context.event("auxcopy.warning", warning, Severity.WARNING)
            elif isinstance(outcome.error, DestinationExists):
                await queue.catch_up(pair)  # killed between its manifest and its rename
                continue
            elif outcome.state == "failed":
                await self._failed(scope, queue, pair, outcome)
            await self._partial(pair, outcome)

    async def _available(
        self, pair: Pair, size_bytes: int, digest: bytes, chunks: int, *, seconds: float
    ) -> None:
        context, now = self.context, self.context.clock()
        item = JobItem(
            job_id=context.job_id,
            backup_job_id=pair[1],
            copy_id=pair[0],
            outcome="copied",
            reason="",
            size_bytes=size_bytes,
            seconds=seconds,
            ended_at=now,
        )
        self.done[pair] = size_bytes

        def write(session: Any) -> None:
            ledger.mark_available(
                session,
                pair[0],
                pair[1],
                manifest_digest=digest,
                chunks=chunks,
                size_bytes=size_bytes,
                by_job=context.job_id,
                now=now,
            )
            jobs.add_items(session, [item])

        await context.store.write(write)

    async def _failed(
        self, scope: Scope, queue: OrderQueue, pair: Pair, outcome: DestinationOutcome
    ) -> None:
        error = outcome.error or AuxError(f"backup job {pair[1]} failed without a reason")
        self.failures[pair] = Failure(outcome.copy_name, error, outcome.path)
        where = f" at {shown(outcome.path)}" if outcome.path else ""
        await self.context.event(
            "auxcopy.failed",
            f"backup job {pair[1]} did not reach copy {outcome.copy_name}{where}: {error.message}",
            Severity.ERROR,
        )
        if isinstance(error, (DestinationFull, LibraryOffline)) and not queue.source_offline(pair):
            queue.drop_out(pair[0], error)
        if isinstance(error, (SourceChanged, SourceCorrupt)):
            await self._source_is_bad(queue.source_copy_of(pair), pair[1], error)

    async def _source_is_bad(
        self, source_copy_id: int, backup_job_id: int, error: SourceError
    ) -> None:
        """What was adopted or proved is no longer there: the source's own ledger line says so."""
        now = self.context.clock()
        columns: dict[str, Any] = {}
        if isinstance(error, SourceCorrupt):
            columns = {"verification": Verification.FAILED, "verified_at": now}
        await self.context.store.write(
            lambda s: ledger.set_state(
                s,
                source_copy_id,
                backup_job_id,
                JobCopyState.BAD,
                error.message,
                error.hint,
                **columns,
            )
        )

    async def _partial(self, pair: Pair, outcome: DestinationOutcome) -> None:
        """Keeps what an unfinished job copy has reached, with the reason why it stopped."""
        if outcome.state == "published":
            return
        partial = outcome.chunks_done > 0
        state = JobCopyState.PARTIALLY_COPIED if partial else JobCopyState.TO_BE_COPIED
        reason = outcome.error.message if outcome.error else self.context.cancel.reason
        hint = outcome.error.hint if outcome.error else "continues where it stopped"

        def write(session: Any) -> None:
            line = ledger.job_copy(session, *pair)
            failed = outcome.error is not None
            ledger.set_state(
                session,
                *pair,
                state,
                reason,
                hint,
                chunks_done=outcome.chunks_done,
                bytes_done=outcome.bytes_done,
                tries=(line.tries if line else 0) + failed,
            )

        await self.context.store.write(write)

    def _end(self) -> AttemptEnd:
        """The end of an attempt that was not cancelled."""
        done = sum(self.done.values())
        if not self.failures and not self.blocked:
            return AttemptEnd(kind="ended", state=JobState.COMPLETED, bytes_done=done)
        errors = [failure.error for failure in self.failures.values()]
        per_item = bool(self.blocked) or any(isinstance(error, SourceError) for error in errors)
        state = JobState.COMPLETED_WITH_ERRORS if self.done or per_item else JobState.FAILED
        offline = bool(errors) and all(isinstance(error, LibraryOffline) for error in errors)
        retry = any(error.retryable and not isinstance(error, SourceError) for error in errors)
        return AttemptEnd(
            kind="retry" if retry else "ended",
            state=state,
            reason=self._why(),
            exit_code=75 if offline and state is JobState.FAILED else 1,
            bytes_done=done,
        )

    def _why(self) -> str:
        """One sentence on what is wrong, the commonest reason first."""
        reasons: dict[str, int] = {}
        for failure in self.failures.values():
            reasons[failure.error.message] = reasons.get(failure.error.message, 0) + 1
        for line in self.blocked.values():
            reasons[line.reason] = reasons.get(line.reason, 0) + 1
        first, _ = max(reasons.items(), key=lambda item: item[1])
        rest = len(self.failures) + len(self.blocked) - reasons[first]
        return first if not rest else f"{first} (and {rest} more)"
