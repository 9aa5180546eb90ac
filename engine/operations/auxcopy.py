"""The auxiliary copy operation: plan, copy, publish, look again.

One `AuxCopy` is one run of a job in this service; its `attempt` is called again when a retryable
error ended the one before. What must survive a crash is in the catalog and in the journals on
the media; this object only remembers what failed, so that the end can say so.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

from engine.catalog import jobs, verdicts
from engine.catalog.values import JobValue
from engine.library.interface import Library
from engine.model.errors import (
    LibraryOffline,
    SourceError,
)
from engine.model.names import shown
from engine.model.states import JobCopyState, JobState, Phase
from engine.operations.context import AttemptEnd, JobContext
from engine.operations.gates import Closed
from engine.operations.options import options_from_json
from engine.operations.ordering import OrderQueue
from engine.operations.planning import (
    Scope,
    agents_resource,
    chosen_copies,
    destination_libraries,
    load_scope,
    plan_document,
    plan_run,
    stream_limits,
    streams_of,
)
from engine.operations.probing import probe_libraries
from engine.operations.progress import Progress
from engine.operations.settling import Pair, Settling
from engine.operations.streampool import Seat
from engine.policy.plan import Plan
from engine.policy.sharing import Claim, Share
from engine.policy.streams import StreamNumber
from engine.policy.throttling import rate_at, timetable_from
from engine.policy.values import PlanLine, RunOptions, Verdict
from engine.transfer.orders import TransferResult
from engine.transfer.run import TransferRun
from engine.transfer.throttle import Throttle

log = logging.getLogger(__name__)


class AuxCopy:
    """One run of the auxiliary copy operation."""

    def __init__(self, context: JobContext, job: JobValue) -> None:
        self.context = context
        self.policy = job.policy
        self.priority = job.priority
        self.shown_bytes = job.bytes_done
        """What the row said before this attempt: a bar never steps back."""
        self.was_preempted = job.state == JobState.INTERRUPTED
        self.held: list[Closed] = []
        self.streams: dict[str, Any] = {}
        """Columns of the job's row that changed since the last report."""
        self._number = StreamNumber(0, "")
        self.options: RunOptions = options_from_json(job.options)
        self.outcomes = Settling(context)
        self.failures = self.outcomes.failures
        self.blocked: dict[Pair, PlanLine] = {}
        self.done = self.outcomes.done
        self.partial = self.outcomes.partial
        self._limits: dict[int, Throttle] = {}

    async def attempt(self) -> AttemptEnd:
        """Plans and copies until nothing is left that this run can copy."""
        context = self.context
        self.done.update(await context.store.read(lambda s: jobs.copied_items(s, context.job_id)))
        retryable = [pair for pair, failure in self.failures.items() if failure.error.retryable]
        for pair in retryable:
            del self.failures[pair]
        self.held = []
        scope, plan = await self._plan(record=True)
        self.outcomes.names = {copy.id: copy.name for copy in scope.copies.values()}
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
                    copy_name=self.outcomes.names.get(line.copy_id, ""),
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
            refuse=self.outcomes.refuse,
            found=self.outcomes.found,
        )
        await queue.open(offline)
        if queue.is_empty:
            return len(self.done) > published_before
        number = streams_of(scope, plan, self.options)
        seat = context.pool.join(
            Claim(context.job_id, self.priority, max(1, number.streams), self._resources(scope)),
            stream_limits(scope),
        )
        try:
            if not await self._seated(seat, number):
                return False
            await self._transfer(scope, queue, seat)
        finally:
            context.pool.leave(context.job_id)
        return len(self.done) > published_before

    def _resources(self, scope: Scope) -> frozenset[str]:
        """What each stream of this run takes one of."""
        names = {f"library {lib.name}" for lib in destination_libraries(scope, self.options)}
        return frozenset({agents_resource(scope, self.options), *names})

    async def _seated(self, seat: Seat, number: StreamNumber) -> bool:
        """Waits for the first stream; False when the job was stopped meanwhile."""
        context = self.context
        while not seat.share.streams and not self._stopped():
            rivals = ", ".join(str(job_id) for job_id in context.pool.rivals(context.job_id))
            state = JobState.INTERRUPTED if self.was_preempted else JobState.WAITING
            await context.update(
                state=state,
                reason=f"all streams of {seat.share.limited_by} are in use by job {rivals}",
            )
            seat.woken.clear()
            waits = {
                asyncio.ensure_future(seat.woken.wait()),
                asyncio.ensure_future(asyncio.to_thread(context.cancel.wait, 1.0)),
            }
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        if self._stopped():
            return False
        await context.update(
            state=JobState.RUNNING, reason="", phase=Phase.COPY, **_streams(seat.share, number)
        )
        self._number = number
        return True

    async def _transfer(self, scope: Scope, queue: OrderQueue, seat: Seat) -> None:
        context = self.context

        async def on_result(result: TransferResult) -> None:
            await self.outcomes.settle(queue, result)

        run = TransferRun(
            streams=seat.share.streams,
            throttle=context.throttle,
            cancel=context.cancel,
            on_result=on_result,
        )
        progress = Progress(
            context,
            run,
            self,
            {name: copy_id for copy_id, name in self.outcomes.names.items()},
            shown_bytes=self.shown_bytes,
            on_tick=partial(self._throttles, scope),
        )
        self.held = queue.held
        follower = asyncio.create_task(progress.follow())
        seat.changed = partial(self._share_changed, run)
        try:
            await run.run(queue.next_order)
        finally:
            seat.changed = None
            progress.stop()
            await follower

    def _share_changed(self, run: TransferRun, share: Share) -> None:
        """More or fewer streams while it runs; none: a job of higher priority needs them."""
        if share.streams:
            run.set_streams(share.streams)
            self.streams = _streams(share, self._number)
            return
        self.context.interrupt(
            "preempted", f"its streams of {share.limited_by} went to a job of higher priority"
        )

    def _throttles(self, scope: Scope) -> dict[int, Throttle]:
        """The limit of each copy that has one, shared by all its streams."""
        for copy in scope.copies.values():
            timetable = timetable_from(
                throttle_bps=copy.throttle_bps,
                rows=copy.throttle_timetable,
                time_zone=scope.time_zone,
            )
            rate_bps = rate_at(timetable, self.context.clock())
            if copy.id in self._limits:
                self._limits[copy.id].set_rate(rate_bps)
            elif rate_bps is not None or copy.throttle_timetable:
                self._limits[copy.id] = Throttle(rate_bps)
        return self._limits

    def _end(self) -> AttemptEnd:
        """The end of an attempt that was not cancelled."""
        done = sum(self.done.values())
        if self.held:
            times = [closed.until for closed in self.held if closed.until is not None]
            until = min(times) if len(times) == len(self.held) else None
            reason = f"{len(self.held)} backup jobs wait: {self.held[0].reason}"
            return AttemptEnd(kind="held", reason=reason, until=until, bytes_done=done)
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


def _streams(share: Share, number: StreamNumber) -> dict[str, Any]:
    """The columns that say how many streams, and why not more."""
    limited_by = number.limited_by
    if share.streams < number.streams:
        limited_by = f"{share.limited_by}, shared with other jobs"
    return {"streams": share.streams, "streams_limited_by": limited_by}
