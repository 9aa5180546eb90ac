"""The life of one job: admitted, attempted, held, retried, ended; and its row at every step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from engine.catalog import config, jobs
from engine.catalog.events import add_event
from engine.catalog.values import JobValue
from engine.control.admission import Hold, hold_of
from engine.control.silence import note_nothing_done
from engine.model.clock import Clock
from engine.model.errors import EXIT_KILLED, AuxError, JobStateError
from engine.model.states import JobState, Operation, Phase, Severity
from engine.operations.aging import DataAging
from engine.operations.auxcopy import AuxCopy
from engine.operations.backup import Backup
from engine.operations.content_restore import ContentRestore
from engine.operations.context import AttemptEnd, Attempts, JobContext
from engine.operations.gates import Gates
from engine.operations.repair import Repair
from engine.operations.restore import Restore
from engine.operations.store import Store
from engine.operations.verification import DataVerification
from engine.transfer.pool import first_of

# A short glitch costs seconds, a long one little work; with the usual number of retries a host that
# is away for ten minutes is waited for.
RETRY_DELAYS_S = (2.0, 5.0, 15.0, 30.0, 60.0, 120.0, 180.0, 240.0)
LOOK_AGAIN_S = 1.0  # how soon a window, a switch or another job's end is noticed

LOOK_ANEW_S = 60.0  # how soon a job that waits for nobody knows what plans again


def _restore(context: JobContext, job: JobValue) -> Attempts:
    """What auxtui backed up is unpacked, anything else is copied back."""
    return ContentRestore(context, job) if job.options.get("content") else Restore(context, job)


OPERATIONS: dict[Operation, Callable[[JobContext, JobValue], Attempts]] = {
    Operation.AUXCOPY: AuxCopy,
    Operation.BACKUP: Backup,
    Operation.RESTORE: _restore,
    Operation.VERIFICATION: DataVerification,
    Operation.REPAIR: Repair,
    Operation.AGING: DataAging,
}


@dataclass(slots=True)
class RunningJob:
    """A job that has a task in this service."""

    context: JobContext
    task: asyncio.Task[None] | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a waiting job should look again at once."""


class JobJournal:
    """Writes the states of jobs: the only place that does."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock

    async def job(self, job_id: int) -> JobValue:
        """A job's row as it is now."""
        return await self.store.read(lambda s: jobs.load_job(s, job_id))

    async def set(self, job_id: int, **columns: Any) -> None:
        """Sets columns of a job's row."""
        await self.store.write(lambda s: jobs.update_job(s, job_id, **columns))

    async def wish(self, job_id: int, desired: str, **columns: Any) -> None:
        """Notes what is wanted of a job, with further columns.

        Raises:
            JobStateError: it has ended since it was looked at; its row stays as it is.
        """

        def write(session: Any) -> None:
            state = JobState(jobs.load_job(session, job_id).state)
            if state.is_final:
                raise JobStateError(f"job {job_id} has ended ({state.value.replace('_', ' ')})")
            jobs.update_job(session, job_id, desired=desired, **columns)

        await self.store.write(write)

    async def still(
        self, job_id: int, state: JobState, reason: str, until: datetime | None = None
    ) -> None:
        """A job that does nothing now, why, and until when if that is known."""

        def write(session: Any) -> None:
            jobs.update_job(
                session,
                job_id,
                state=state,
                reason=reason,
                until=until,
                phase=Phase.NONE,
                bytes_per_second=0,
                seconds_left=None,
            )
            jobs.replace_streams(session, job_id, [])

        await self.store.write(write)

    async def finish(
        self, job_id: int, state: JobState, reason: str, exit_code: int, *, hint: str = ""
    ) -> None:
        """The end of a job; a second one is ignored."""
        now = self.clock()
        severity = Severity.INFO if state is JobState.COMPLETED else Severity.ERROR

        def write(session: Any) -> None:
            row = jobs.load_job(session, job_id)
            if row.state.is_final:
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
                errors=row.errors + bool(hint),  # as many as are listed
                exit_code=exit_code,
                ended_at=now,
                bytes_per_second=0,
                seconds_left=0 if state is JobState.COMPLETED else None,
            )
            jobs.replace_streams(session, job_id, [])
            words = state.value.replace("_", " ")
            add_event(
                session,
                severity=severity,
                code=f"job.{state}",
                message=f"{words}{': ' if reason else ''}{reason}",
                job_id=job_id,
                hint=hint,
                now=now,
            )
            if state is JobState.COMPLETED:
                note_nothing_done(session, jobs.load_job(session, job_id), now)

        await self.store.write(write)


class JobLife:
    """One job from its start in this service to its end, or to the end of the service."""

    def __init__(self, entry: RunningJob, journal: JobJournal, epoch: int) -> None:
        self.entry = entry
        self.context = entry.context
        self.journal = journal
        self.epoch = epoch

    async def live(self) -> None:
        """Runs the job whenever it may, until it has ended or was told to stop."""
        context = self.context
        job = await self.journal.job(context.job_id)
        context.throttle.set_rate(job.throttle_bps)
        deadline = deadline_of(job, context.clock())
        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(self._expire(job, deadline))
                try:
                    await self._attempts(job, deadline)
                finally:
                    watch.cancel()
        except BaseExceptionGroup as several:
            raise first_of(several) from several

    async def _attempts(self, job: JobValue, deadline: datetime | None) -> None:
        """Attempts until one ends the job, the retries are used up, or its time is over."""
        context = self.context
        operation = OPERATIONS[Operation(job.operation)](context, job)
        tries = 0
        while True:
            if not await self._admitted():
                await self._stopped(context.cancel.reason)
                return
            end = await self._attempt(operation)
            if end.kind == "cancelled":
                if await self._is_to_be_killed():
                    await operation.conclude()  # no later attempt will tell what went wrong
                if not await self._interrupted(end):
                    return
                job = await self.journal.job(context.job_id)
                operation = OPERATIONS[Operation(job.operation)](context, job)
                continue
            if end.kind == "held":
                await self._wait_for(end)
                continue
            late = deadline is not None and context.clock() >= deadline
            if end.kind == "ended" or tries >= int(job.options.get("retries", 0)) or late:
                await operation.conclude()
                await self.journal.finish(context.job_id, end.state, end.reason, end.exit_code)
                return
            tries += 1
            await self._pause(end, RETRY_DELAYS_S[min(tries, len(RETRY_DELAYS_S)) - 1], tries)

    async def _admitted(self) -> bool:
        """Waits until nothing holds this job back; False when it was told to stop meanwhile."""
        context, told = self.context, None
        while not context.cancel.is_cancelled:
            hold = await self._hold_now()
            if hold is None:
                return True
            if hold != told:
                await self.journal.still(context.job_id, JobState.QUEUED, hold.reason, hold.until)
                told = hold
            await self._nap()
        return False

    async def _hold_now(self) -> Hold | None:
        context, now = self.context, self.context.clock()
        return await context.store.read(lambda s: hold_of(s, jobs.load_job(s, context.job_id), now))

    async def _nap(self, seconds: float = LOOK_AGAIN_S) -> bool:
        """Sleeps, unless somebody wakes the job or has since it began to wait; True when so."""
        if self.context.cancel.is_cancelled:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self.entry.wake.wait()
        except TimeoutError:
            return False
        self.entry.wake.clear()
        return True

    async def _attempt(self, operation: Attempts) -> AttemptEnd:
        context, now = self.context, self.context.clock()

        def begin(session: Any) -> int:
            number = jobs.start_attempt(session, context.job_id, now)
            jobs.update_job(
                session,
                context.job_id,
                state=JobState.RUNNING,
                reason="",
                until=None,
                epoch=self.epoch,
                attempts=number,
                started_at=jobs.load_job(session, context.job_id).started_at or now,
            )
            return number

        number = await context.store.write(begin)
        await context.event("job.attempt", f"attempt {number} started")
        end = AttemptEnd(kind="ended", state=JobState.FAILED, reason="internal error")
        guard = asyncio.create_task(self._guard())
        try:
            end = await operation.attempt()
        except AuxError as err:
            end = AttemptEnd(kind="ended", state=JobState.FAILED, reason=err.message)
            raise
        finally:
            guard.cancel()
            ended_at = context.clock()
            outcomes = {"retry": "failed", "cancelled": "stopped", "held": "stopped"}
            outcome = outcomes.get(end.kind, end.state.value)
            await context.store.write(
                lambda s: jobs.end_attempt(
                    s, context.job_id, number, outcome, end.reason, end.bytes_done, ended_at
                )
            )
        return end

    async def _guard(self) -> None:
        """Stops a running attempt when a window opens on it or activity is switched off."""
        context = self.context
        while not context.cancel.is_cancelled:
            await asyncio.sleep(LOOK_AGAIN_S)
            hold = await self._hold_now()
            if hold is not None and hold.stops_running:
                context.interrupt("hold", hold.reason)

    async def _interrupted(self, end: AttemptEnd) -> bool:
        """What follows a stopped attempt; True when the job goes on by itself."""
        context = self.context
        if context.stop_kind == "hold":
            await context.event("job.queued", end.reason)
            context.renew()
            return True
        if context.stop_kind == "preempted":
            await self.journal.still(context.job_id, JobState.INTERRUPTED, end.reason)
            await context.event("job.interrupted", end.reason)
            context.renew()
            return True
        await self._stopped(end.reason)
        return False

    async def _is_to_be_killed(self) -> bool:
        if self.context.stop_kind in ("hold", "preempted"):
            return False
        return (await self.journal.job(self.context.job_id)).desired == "kill"

    async def _stopped(self, reason: str) -> None:
        """The state of a job that was told to stop."""
        context = self.context
        job = await self.journal.job(context.job_id)
        if job.desired == "kill":
            await self.journal.finish(job.id, JobState.KILLED, reason, EXIT_KILLED)
        elif job.desired == "suspend":
            await self.journal.still(job.id, JobState.SUSPENDED, reason)
            await context.event("job.suspended", reason)
        else:
            await self.journal.still(job.id, JobState.WAITING, reason)

    async def _wait_for(self, held: AttemptEnd) -> None:
        """Waits until its time has come, somebody wakes the job, or windows or activity are others.

        Others than the attempt saw: what has changed since then must not be slept over.
        """
        context = self.context
        self.entry.wake.clear()
        await self.journal.still(context.job_id, JobState.QUEUED, held.reason, held.until)
        until = held.until or context.clock() + timedelta(seconds=LOOK_ANEW_S)
        while not context.cancel.is_cancelled:
            is_woken = await self._nap()
            if is_woken or context.clock() >= until or await self._gates() != held.gates:
                return

    async def _gates(self) -> Gates:
        now = self.context.clock()
        return await self.context.store.read(lambda s: Gates.load(s, now))

    async def _pause(self, end: AttemptEnd, delay_s: float, failed: int) -> None:
        """A failed attempt waits before the next, unless somebody wants it now or a library is back."""
        context = self.context
        until = context.clock() + timedelta(seconds=delay_s)
        # Before anybody sees that it waits: who wakes it then, or finds a library back, is heard.
        self.entry.wake.clear()
        away, clock = await self._away(), asyncio.get_running_loop().time
        over = clock() + delay_s
        await self.journal.still(context.job_id, JobState.PENDING, end.reason, until)
        await context.event("job.pending", end.reason, Severity.WARNING, measure=failed)
        while away <= await self._away():  # those that were away still are
            left_s = over - clock()
            if left_s <= 0 or await self._nap(min(left_s, LOOK_AGAIN_S) if away else left_s):
                return

    async def _away(self) -> frozenset[int]:
        """Libraries of the job's policy that the last look at each has found offline."""
        context = self.context

        def read(session: Session) -> frozenset[int]:
            policy_id = jobs.load_job(session, context.job_id).policy_id
            return frozenset() if policy_id is None else config.offline(session, policy_id)

        return await context.store.read(read)

    async def _expire(self, job: JobValue, deadline: datetime | None) -> None:
        """Kills a job whose total running time is over, where its options ask for that."""
        context = self.context
        if deadline is None or not job.options.get("kill_after_total_time"):
            return
        while True:
            left_s = (deadline - context.clock()).total_seconds()
            if left_s <= 0:
                break
            await asyncio.sleep(min(LOOK_AGAIN_S, left_s))  # in steps: the clock may be set
        await self.journal.set(job.id, desired="kill")
        await context.event(
            "job.expired", "its total running time is over: the job is killed", Severity.WARNING
        )
        context.interrupt("request", "its total running time is over")
        self.entry.wake.set()


def deadline_of(job: JobValue, now: datetime) -> datetime | None:
    """When the total running time of a job is over, counted from its first start."""
    total_time_s = job.options.get("total_time_s")
    if total_time_s is None:
        return None
    return (job.started_at or now) + timedelta(seconds=int(total_time_s))
