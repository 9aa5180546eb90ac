"""The job controller: one owner for every running job, and the only place that changes states.

A job's row always tells the truth that a crash would leave: `desired` is committed before
anything acts on it, and a state is written before and after the work, never in place of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from engine.catalog import jobs
from engine.catalog.home import Home
from engine.catalog.values import JobValue
from engine.control.conflicts import conflict_of
from engine.model.clock import Clock
from engine.model.errors import EXIT_FAILED, EXIT_KILLED, AuxError, JobStateError
from engine.model.states import JobState, Operation, Phase, Severity
from engine.operations.auxcopy import AuxCopy
from engine.operations.context import AttemptEnd, Attempts, JobContext
from engine.operations.restore import Restore
from engine.operations.store import Store
from engine.transfer.cancel import CancelToken
from engine.transfer.throttle import Throttle

log = logging.getLogger(__name__)

RETRY_DELAYS_S = (
    2.0,
    5.0,
    15.0,
    60.0,
    300.0,
)  # a short glitch costs seconds, a long one little work
OPERATIONS: dict[Operation, Callable[[JobContext, JobValue], Attempts]] = {
    Operation.AUXCOPY: AuxCopy,
    Operation.RESTORE: Restore,
}


@dataclass(slots=True)
class RunningJob:
    """A job that has a task in this service."""

    context: JobContext
    task: asyncio.Task[None] | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a pending or queued job should look at its wishes at once."""


class Controller:
    """Starts, stops and retries jobs; lives as long as the service."""

    def __init__(self, home: Home, store: Store, clock: Clock, epoch: int) -> None:
        self.home = home
        self.store = store
        self.clock = clock
        self.epoch = epoch
        self.running: dict[int, RunningJob] = {}
        self._stopping = False
        self._changed = asyncio.Event()
        """Set whenever a job ends, so that queued jobs look again."""

    async def adopt_orphans(self) -> None:
        """Continues the jobs that an earlier service left behind, from their journals."""
        for job in await self.store.read(jobs.active_jobs):
            if job.state == JobState.SUSPENDED or job.desired == "suspend":
                await self._set(job.id, state=JobState.SUSPENDED, bytes_per_second=0, phase="")
                await self.store.write(partial(jobs.replace_streams, job_id=job.id, rows=[]))
                continue
            if job.desired == "kill":
                await self._finish(job.id, JobState.KILLED, "killed on request", EXIT_KILLED)
                continue
            await self._close_open_attempts(job)
            self.start(job.id)

    async def _close_open_attempts(self, job: JobValue) -> None:
        now = self.clock()

        def write(session: Any) -> None:
            for attempt in jobs.attempts(session, job.id):
                if attempt.ended_at is None:
                    jobs.end_attempt(
                        session,
                        job.id,
                        attempt.number,
                        "interrupted",
                        "the service ended; continues from the journal",
                        job.bytes_done,
                        now,
                    )
            jobs.update_job(
                session,
                job.id,
                state=JobState.WAITING,
                reason="the service started again",
                bytes_per_second=0,
            )
            jobs.replace_streams(session, job.id, [])

        await self.store.write(write)

    def start(self, job_id: int) -> None:
        """Gives a job a task; it decides by itself when it may run."""
        context = JobContext(
            job_id=job_id,
            home=self.home,
            store=self.store,
            cancel=CancelToken(),
            throttle=Throttle(),
            clock=self.clock,
        )
        entry = RunningJob(context)
        self.running[job_id] = entry
        entry.task = asyncio.create_task(self._own(entry), name=f"job-{job_id}")

    async def suspend(self, job: JobValue) -> None:
        """Stops a job where it is; its journals stay."""
        if job.state == JobState.SUSPENDED:
            raise JobStateError(f"job {job.id} is suspended already")
        await self._set(job.id, desired="suspend")
        if not self._interrupt(job.id, "suspended on request"):
            await self._set(job.id, state=JobState.SUSPENDED, reason="suspended on request")

    async def resume(self, job: JobValue) -> None:
        """Lets a suspended or pending job go on now."""
        if job.state == JobState.PENDING and job.id in self.running:
            self.running[job.id].wake.set()
            return
        if job.state != JobState.SUSPENDED:
            raise JobStateError(
                f"job {job.id} is {job.state}: only a suspended or pending job can be resumed"
            )
        await self._ended(job.id)
        await self._set(job.id, desired="run", state=JobState.WAITING, reason="resumed", until=None)
        self.start(job.id)

    async def kill(self, job: JobValue) -> None:
        """Ends a job for good; a later run continues from its journals."""
        await self._set(job.id, desired="kill")
        if not self._interrupt(job.id, "killed on request"):
            await self._finish(job.id, JobState.KILLED, "killed on request", EXIT_KILLED)

    def set_throttle(self, job_id: int, rate_bps: int | None) -> None:
        """Changes the limit of a running job at once."""
        if job_id in self.running:
            self.running[job_id].context.throttle.set_rate(rate_bps)

    async def stop(self) -> None:
        """Stops every job at a boundary, keeping the wish that it runs; waits for them."""
        self._stopping = True
        tasks = [entry.task for entry in self.running.values() if entry.task]
        for job_id in list(self.running):
            self._interrupt(job_id, "the service stopped; continues when it starts")
        if tasks:
            await asyncio.wait(tasks, timeout=8.0)

    def _interrupt(self, job_id: int, reason: str) -> bool:
        entry = self.running.get(job_id)
        if entry is None:
            return False
        entry.context.cancel.cancel(reason)
        entry.wake.set()
        return True

    async def _ended(self, job_id: int) -> None:
        entry = self.running.get(job_id)
        if entry is not None and entry.task is not None:
            await asyncio.wait([entry.task])

    async def _own(self, entry: RunningJob) -> None:
        """The life of a job's task; nothing that happens inside reaches the service's loop."""
        job_id = entry.context.job_id
        try:
            await self._live(entry)
        except AuxError as err:
            await self._finish(job_id, JobState.FAILED, err.message, err.exit_code, hint=err.hint)
        except Exception as err:
            log.exception("job %s ended by a bug", job_id, extra={"job_id": job_id})
            reason = f"internal error: {_cause(err)!r}; the service's log has the details"
            await self._finish(job_id, JobState.FAILED, reason, EXIT_FAILED)
        finally:
            if self.running.get(job_id) is entry:
                del self.running[job_id]
            self._changed.set()
            await self._late_kill(job_id)

    async def _late_kill(self, job_id: int) -> None:
        """A kill that came while the task was ending for another reason still holds."""
        job = await self._job(job_id)
        if job.desired == "kill" and not JobState(job.state).is_final:
            await self._finish(job_id, JobState.KILLED, "killed on request", EXIT_KILLED)

    async def _live(self, entry: RunningJob) -> None:
        context = entry.context
        job = await self._job(context.job_id)
        context.throttle.set_rate(job.throttle_bps)
        if not await self._admitted(entry, job):
            await self._cancelled(
                context, AttemptEnd(kind="cancelled", reason=context.cancel.reason)
            )
            return
        deadline = deadline_of(job, self.clock())
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(self._watch(entry, job, deadline))
            try:
                await self._attempts(entry, job, deadline)
            finally:
                watch.cancel()

    async def _attempts(self, entry: RunningJob, job: JobValue, deadline: datetime | None) -> None:
        """Attempts until one ends the job, the retries are used up, or its time is over."""
        context = entry.context
        operation = OPERATIONS[Operation(job.operation)](context, job)
        retries = int(job.options.get("retries", 0))
        tries = 0
        while True:
            end = await self._attempt(entry, operation)
            if end.kind == "cancelled":
                await self._cancelled(context, end)
                return
            late = deadline is not None and self.clock() >= deadline
            if end.kind == "ended" or tries >= retries or late:
                await operation.conclude()
                await self._finish(context.job_id, end.state, end.reason, end.exit_code)
                return
            await self._pause(entry, end, RETRY_DELAYS_S[min(tries, len(RETRY_DELAYS_S) - 1)])
            tries += 1

    async def _watch(self, entry: RunningJob, job: JobValue, deadline: datetime | None) -> None:
        """Kills a job whose total running time is over, where its options ask for that."""
        if deadline is None or not job.options.get("kill_after_total_time"):
            return
        await asyncio.sleep(max(0.0, (deadline - self.clock()).total_seconds()))
        await self._set(job.id, desired="kill")
        await entry.context.event(
            "job.expired", "the total running time is over: the job is killed", Severity.WARNING
        )
        self._interrupt(job.id, "its total running time is over")

    async def _admitted(self, entry: RunningJob, job: JobValue) -> bool:
        """Waits until nothing conflicts with this job; False when it was stopped meanwhile."""
        while not entry.context.cancel.is_cancelled:
            active = await self.store.read(jobs.active_jobs)
            reason = conflict_of(job, active)
            if not reason:
                return True
            await self._set(job.id, state=JobState.QUEUED, reason=reason)
            self._changed.clear()
            waits = [
                asyncio.create_task(self._changed.wait()),
                asyncio.create_task(entry.wake.wait()),
            ]
            try:
                await asyncio.wait(waits, timeout=5.0, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
            entry.wake.clear()
        return False

    async def _attempt(self, entry: RunningJob, operation: Attempts) -> AttemptEnd:
        context, now = entry.context, self.clock()

        def begin(session: Any) -> int:
            number = jobs.start_attempt(session, context.job_id, now)
            started = jobs.load_job(session, context.job_id).started_at or now
            jobs.update_job(
                session,
                context.job_id,
                state=JobState.RUNNING,
                reason="",
                until=None,
                epoch=self.epoch,
                attempts=number,
                started_at=started,
            )
            return number

        number = await self.store.write(begin)
        await context.event("job.attempt", f"attempt {number} started")
        outcome, reason, bytes_done = "failed", "internal error", 0
        try:
            end = await operation.attempt()
            outcome = {"ended": end.state.value, "retry": "failed", "cancelled": "stopped"}[
                end.kind
            ]
            reason, bytes_done = end.reason, end.bytes_done
            return end
        except AuxError as err:
            reason = err.message
            raise
        finally:
            ended_at = self.clock()
            await self.store.write(
                lambda s: jobs.end_attempt(
                    s, context.job_id, number, outcome, reason, bytes_done, ended_at
                )
            )

    async def _pause(self, entry: RunningJob, end: AttemptEnd, delay_s: float) -> None:
        """A failed attempt waits before the next, unless somebody wants it now."""
        until: datetime = self.clock() + timedelta(seconds=delay_s)
        context = entry.context
        await self._set(
            context.job_id,
            state=JobState.PENDING,
            phase=Phase.NONE,
            reason=end.reason,
            until=until,
            bytes_per_second=0,
        )
        await context.event("job.pending", end.reason, Severity.WARNING)
        entry.wake.clear()
        if context.cancel.is_cancelled:
            return
        try:
            async with asyncio.timeout(delay_s):
                await entry.wake.wait()
        except TimeoutError:
            return

    async def _cancelled(self, context: JobContext, end: AttemptEnd) -> None:
        job = await self._job(context.job_id)
        if job.desired == "kill":
            await self._finish(job.id, JobState.KILLED, end.reason, EXIT_KILLED)
        elif job.desired == "suspend":
            await self._still(job.id, JobState.SUSPENDED, end.reason)
            await context.event("job.suspended", "suspended on request")
        else:
            await self._still(job.id, JobState.WAITING, end.reason)

    async def _still(self, job_id: int, state: JobState, reason: str) -> None:
        def write(session: Any) -> None:
            jobs.update_job(
                session,
                job_id,
                state=state,
                reason=reason,
                until=None,
                phase=Phase.NONE,
                bytes_per_second=0,
                seconds_left=None,
            )
            jobs.replace_streams(session, job_id, [])

        await self.store.write(write)

    async def _finish(
        self, job_id: int, state: JobState, reason: str, exit_code: int, *, hint: str = ""
    ) -> None:
        now = self.clock()

        def write(session: Any) -> None:
            job = jobs.load_job(session, job_id)
            if JobState(job.state).is_final:
                return
            if hint:
                jobs.add_error(
                    session,
                    job_id,
                    backup_job_id=None,
                    copy_name="",
                    path="",
                    error=reason,
                    hint=hint,
                    now=now,
                )
            jobs.update_job(
                session,
                job_id,
                state=state,
                phase=Phase.DONE,
                reason=reason,
                until=None,
                exit_code=exit_code,
                ended_at=now,
                bytes_per_second=0,
                seconds_left=0 if state is JobState.COMPLETED else None,
            )
            jobs.replace_streams(session, job_id, [])

        await self.store.write(write)
        severity = Severity.INFO if state is JobState.COMPLETED else Severity.ERROR
        words = state.value.replace("_", " ")
        context_event = JobContext(
            job_id=job_id,
            home=self.home,
            store=self.store,
            cancel=CancelToken(),
            throttle=Throttle(),
            clock=self.clock,
        )
        await context_event.event(
            f"job.{state}", f"{words}{': ' if reason else ''}{reason}", severity
        )

    async def _set(self, job_id: int, **columns: Any) -> None:
        await self.store.write(lambda s: jobs.update_job(s, job_id, **columns))

    async def _job(self, job_id: int) -> JobValue:
        return await self.store.read(lambda s: jobs.load_job(s, job_id))


def deadline_of(job: JobValue, now: datetime) -> datetime | None:
    """When the total running time of a job is over, counted from its first start."""
    total_time_s = job.options.get("total_time_s")
    if total_time_s is None:
        return None
    return (job.started_at or now) + timedelta(seconds=int(total_time_s))


def _cause(error: BaseException) -> BaseException:
    """The first real error inside exception groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
