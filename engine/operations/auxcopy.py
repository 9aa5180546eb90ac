"""The auxiliary copy operation: plan, copy, publish, look again.

One `AuxCopy` is one run of a job in this service; its `attempt` is called again when a retryable
error ended the one before. What must survive a crash is in the catalog and in the journals on
the media; this object only remembers what failed, so that the end can say so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from engine.catalog import jobs, ledger, verdicts
from engine.catalog.values import JobValue
from engine.model.errors import AuxError, DestinationError, LibraryOffline, SourceError
from engine.model.names import shown
from engine.model.states import JobCopyState, JobState, Phase
from engine.operations.context import AttemptEnd, JobContext
from engine.operations.copying import LOOK_AGAIN_S, Copying
from engine.operations.gates import Closed, Gates
from engine.operations.handout import HandOut, ScalableWork, StaticWork
from engine.operations.options import options_from_json
from engine.operations.ordering import OrderQueue
from engine.operations.plandocument import plan_document
from engine.operations.planning import Scope, chosen_copies, load_scope, plan_run
from engine.operations.probing import lost_paths, reach_libraries
from engine.operations.progress import Progress
from engine.operations.proving import reads_back
from engine.operations.room import Pair
from engine.operations.routing import Routes, streams_of_work
from engine.operations.settling import Settling, is_worth_another
from engine.policy.plan import Plan, PlannedOrder
from engine.policy.throttling import rate_at, timetable_from
from engine.policy.values import PlanLine, RunOptions, Verdict
from engine.transfer.orders import TransferResult
from engine.transfer.throttle import Throttle

TOLD_WHILE_IT_WAITS = 100  # errors; all of them, which may be 100,000, are written at the end
PLANS_SHARE = 10  # a run that copies plans again when it has copied so many times as long


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a plan says to a run."""

    scope: Scope
    newest: int
    """Id of the newest backup job that it has seen."""
    orders: list[PlannedOrder]
    blocked: dict[Pair, PlanLine]
    waiting: int
    """Job copies to be made at once."""
    waiting_bytes: int
    following: dict[Pair, Following]
    """Job copies to be made once this run has made those that they are read from."""
    skipped: int
    changes: list[PlanLine]
    """What it says that the ledger does not."""
    document: dict[str, Any] | None
    """For the record of the job; None when it has one."""


class Following(NamedTuple):
    """A job copy that is read from another one which the same run makes first."""

    source: Pair
    size_bytes: int


class Seen(NamedTuple):
    """What the last plan had seen, and what it cost."""

    newest: int
    done: int
    at_mono_s: float
    plan_s: float


class AuxCopy:
    """One run of the auxiliary copy operation."""

    def __init__(self, context: JobContext, job: JobValue) -> None:
        self.context = context
        self.policy = job.policy
        self.priority = job.priority
        self.asked_at = job.created_at
        self.shown_bytes = job.bytes_done
        """What the row said before this attempt: a bar never steps back."""
        self.options: RunOptions = options_from_json(job.options)
        self.outcomes = Settling(context)
        self.failures = self.outcomes.failures
        self.blocked: dict[Pair, PlanLine] = {}
        self.done = self.outcomes.done
        self.partial = self.outcomes.partial
        self._limits: dict[int, Throttle] = {}
        self._seen: Seen | None = None
        self._following: dict[Pair, Following] = {}
        """What the last plan wanted to copy after its source; sources before their readers."""

    async def attempt(self) -> AttemptEnd:
        """Plans and copies until nothing is left that this run can copy."""
        context = self.context
        self.done.update(await context.store.read(lambda s: jobs.copied_items(s, context.job_id)))
        # Those that no waiting mends, too, but for what a source is: somebody may have mended them.
        tried = [pair for pair, one in self.failures.items() if _is_tried_again(one.error)]
        for pair in tried:
            del self.failures[pair]
        scope, orders = await self._plan(record=True)
        self.outcomes.names = {copy.id: copy.name for copy in scope.copies.values()}
        self.outcomes.read_back = reads_back(scope.copies.values())
        reached = await reach_libraries(context, scope)
        routes = Routes.of(scope, self.options, offline=lost_paths(reached))
        work = self._work(routes, orders)
        queue = OrderQueue(
            context=context,
            scope=scope,
            routes=routes,
            work=work,
            reached=reached,
            throttles=self._throttles(scope),
            refuse=self.outcomes.refuse,
            found=self.outcomes.found,
        )
        await queue.look()
        await queue.offer(orders)
        await self._copy(scope, queue, work)
        if context.is_stopping:
            return AttemptEnd(kind="cancelled", reason=context.stop_reason)
        end = self._end(queue.held(), queue.gates)
        if end.kind == "retry":
            now = context.clock()
            await context.store.write(
                partial(self._write_errors, now=now, most=TOLD_WHILE_IT_WAITS)
            )
        return end

    def _work(self, routes: Routes, orders: Sequence[PlannedOrder]) -> HandOut:
        """What hands the orders out: a queue that lanes pull from, or lists that are made now."""
        if self.options.scalable:
            return ScalableWork(routes, self.options.jobs_to_process)
        size_bytes = sum(order.size_bytes for order in orders)
        return StaticWork(routes, streams_of_work(self.options, len(orders), size_bytes))

    async def conclude(self) -> None:
        """Writes the errors that are final, each with its hint, and how many they are."""
        context, now = self.context, self.context.clock()
        count = len(self.failures) + len(self.blocked)
        lost = self._lost(self._following)

        def write(session: Any) -> None:
            row = jobs.load_job(session, context.job_id)
            jobs.update_job(
                session,
                context.job_id,
                errors=count,
                backup_jobs_failed=count,
                # What was to follow something that has failed is no work that was done.
                backup_jobs_total=row.backup_jobs_total - len(lost),
                backup_jobs_skipped=row.backup_jobs_skipped + len(lost),
                bytes_total=row.bytes_total - sum(lost.values()),
            )
            self._write_errors(session, now=now)

        await context.store.write(write)

    def _write_errors(self, session: Any, *, now: datetime, most: int | None = None) -> None:
        """What has failed up to now, each with its hint, in place of what an earlier attempt said.

        Args:
            session: a writing session.
            now: the present.
            most: so many of either kind; None: all.
        """
        job_id = self.context.job_id
        jobs.forget_errors(session, job_id)
        for (_, backup_job_id), failure in islice(sorted(self.failures.items()), most):
            jobs.add_error(
                session,
                job_id,
                backup_job_id=backup_job_id,
                copy_name=failure.copy_name,
                path=shown(failure.path),
                error=failure.error.message,
                hint=failure.error.hint,
                now=now,
            )
        for line in islice(self.blocked.values(), most):
            jobs.add_error(
                session,
                job_id,
                backup_job_id=line.backup_job_id,
                copy_name=self.outcomes.names.get(line.copy_id, ""),
                path="",
                error=line.reason,
                hint=line.next_step,
                now=now,
            )

    async def _plan(self, *, record: bool) -> tuple[Scope, list[PlannedOrder]]:
        """Plans, tells the ledger, and gives the orders that this run has not tried."""
        context, options, now = self.context, self.options, self.context.clock()
        if record:
            await context.update(phase=Phase.PLAN)
        began_s, done = time.monotonic(), len(self.done)  # before: what comes meanwhile is news
        planned = await context.store.read_long(lambda s: self._planned(s, now, record=record))
        self._seen = Seen(planned.newest, done, time.monotonic(), time.monotonic() - began_s)
        self.blocked = planned.blocked
        self._following = planned.following
        totals: dict[str, Any] = {
            "backup_jobs_total": (
                len(self.done)
                + planned.waiting
                + len(planned.following)
                + len(self.failures)
                + len(self.blocked)
            ),
            "backup_jobs_skipped": planned.skipped,
            "bytes_total": sum(self.done.values())
            + planned.waiting_bytes
            + sum(one.size_bytes for one in planned.following.values()),
            "copies": [copy.name for copy in chosen_copies(planned.scope, options)],
        }

        def write(session: Any) -> None:
            verdicts.apply_verdicts(session, planned.changes, now)
            if planned.document is not None:
                jobs.save_plan(session, context.job_id, planned.document)
            jobs.update_job(session, context.job_id, **totals)

        await context.store.write(write)
        return planned.scope, planned.orders

    def _planned(self, session: Any, now: datetime, *, record: bool) -> Planned:
        """Everything that takes long about a plan; in a thread of its own."""
        scope = load_scope(session, self.policy)
        newest = ledger.newest_backup_job(session, scope.policy.id)
        is_new = record and not jobs.has_plan(session, self.context.job_id)
        plan = plan_run(
            session, scope, self.options, now, asked_at=self.asked_at, owed_only=not is_new
        )
        taken = [line for line in plan.taken if self._wanted(line)]
        wanted = {(line.copy_id, line.backup_job_id) for line in taken}
        return Planned(
            scope=scope,
            newest=newest,
            orders=[narrow for order in plan.orders() if (narrow := _narrowed(order, wanted))],
            # What failed in this run says so itself, also where a later plan finds it blocked.
            blocked={
                pair: line
                for line in plan.blocked
                if (pair := (line.copy_id, line.backup_job_id)) not in self.failures
            },
            waiting=len(taken),
            waiting_bytes=sum(line.size_bytes for line in taken),
            following=self._followers(plan),
            skipped=sum(
                line.verdict is Verdict.SKIPPED and line.state is not JobCopyState.AVAILABLE
                for line in plan.lines
            ),
            changes=verdicts.changes(session, plan.lines),
            document=plan_document(session, scope, plan, self.options, now) if is_new else None,
        )

    def _followers(self, plan: Plan) -> dict[Pair, Following]:
        """What this run makes once it has made its source; not what has failed there."""
        source_of = {copy.copy_id: copy.source_copy_id or 0 for copy in plan.copies}
        every = {
            (line.copy_id, line.backup_job_id): Following(
                (source_of[line.copy_id], line.backup_job_id), line.size_bytes
            )
            for line in plan.following
            if self._wanted(line)
        }
        lost = self._lost(every)
        return {pair: one for pair, one in every.items() if pair not in lost}

    def _lost(self, following: Mapping[Pair, Following]) -> dict[Pair, int]:
        """Of what was to follow: bytes of each whose source has failed, or was lost so itself."""
        lost: dict[Pair, int] = {}
        for pair, one in following.items():
            if (one.source in self.failures or one.source in lost) and pair not in self.done:
                lost[pair] = one.size_bytes
        return lost

    def _wanted(self, line: PlanLine) -> bool:
        pair = (line.copy_id, line.backup_job_id)
        return pair not in self.done and pair not in self.failures

    async def _copy(self, scope: Scope, queue: OrderQueue, work: HandOut) -> None:
        """Copies what the queue has, and what joins it meanwhile."""

        async def settle(result: TransferResult) -> None:
            await self.outcomes.settle(queue, result)

        async def more(is_dry: bool) -> bool:
            if not await self._has_news(scope, is_dry=is_dry):
                return False
            _, orders = await self._plan(record=False)
            return await queue.offer(orders)

        copying = Copying(
            self.context,
            queue,
            work,
            options=self.options,
            priority=self.priority,
            settle=settle,
            more=more,
        )
        progress = Progress(
            self.context,
            copying,
            self,
            {name: copy_id for copy_id, name in self.outcomes.names.items()},
            shown_bytes=self.shown_bytes,
            on_tick=partial(self._throttles, scope),
        )
        follower = asyncio.create_task(progress.follow())
        try:
            await copying.run()
        finally:
            progress.stop()
            await follower

    async def _has_news(self, scope: Scope, *, is_dry: bool) -> bool:
        """Whether another plan may have orders that this one has not: cheap, asked once a second."""
        seen = self._seen
        if seen is None or not self.options.scalable or self.context.is_stopping:
            return False
        newest = await self.context.store.read(
            lambda s: ledger.newest_backup_job(s, scope.policy.id)
        )
        if newest != seen.newest:
            return True
        if len(self.done) == seen.done:
            return False
        # What was copied meanwhile may be the source of another copy.
        rest_s = max(LOOK_AGAIN_S, PLANS_SHARE * seen.plan_s)
        return is_dry or (_is_chained(scope) and time.monotonic() - seen.at_mono_s > rest_s)

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

    def _end(self, held: list[Closed], gates: Gates) -> AttemptEnd:
        """The end of an attempt that was not cancelled."""
        done = sum(self.done.values())
        if held:
            times = [closed.until for closed in held if closed.until is not None]
            reason = f"{len(held)} backup jobs wait: {held[0].reason}"
            until = min(times) if len(times) == len(held) else None
            return AttemptEnd(kind="held", reason=reason, until=until, bytes_done=done, gates=gates)
        if not self.failures and not self.blocked:
            return AttemptEnd(kind="ended", state=JobState.COMPLETED, bytes_done=done)
        errors = [failure.error for failure in self.failures.values()]
        per_item = bool(self.blocked) or any(isinstance(error, SourceError) for error in errors)
        state = JobState.COMPLETED_WITH_ERRORS if self.done or per_item else JobState.FAILED
        offline = bool(errors) and all(isinstance(error, LibraryOffline) for error in errors)
        retry = any(is_worth_another(error) for error in errors)
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


def _is_tried_again(error: AuxError) -> bool:
    """Whether a later attempt of the same run tries it again, if there is one."""
    return error.retryable or isinstance(error, (LibraryOffline, DestinationError))


def _narrowed(order: PlannedOrder, wanted: set[Pair]) -> PlannedOrder | None:
    """An order for those of its copies that are wanted; None when none is."""
    copies = tuple(copy for copy in order.copy_ids if (copy, order.backup_job_id) in wanted)
    return order._replace(copy_ids=copies) if copies else None


def _is_chained(scope: Scope) -> bool:
    """Whether a copy reads what another one gets."""
    return any(
        copy.source_copy_id not in (None, scope.primary.id) for copy in scope.copies.values()
    )
