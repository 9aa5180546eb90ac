"""The job controller: one owner for every running job, and the only place that changes states.

A job's row always tells the truth that a crash would leave: `desired` is committed before
anything acts on it, and a state is written before and after the work, never in place of it.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

from engine.catalog import jobs
from engine.catalog.home import Home
from engine.catalog.values import JobValue
from engine.control.joblife import JobJournal, JobLife, RunningJob
from engine.model.clock import Clock
from engine.model.errors import (
    EXIT_FAILED,
    EXIT_KILLED,
    AuxError,
    CatalogCorrupt,
    CatalogError,
    JobStateError,
)
from engine.model.states import JobState
from engine.operations.context import JobContext, StopKind
from engine.operations.courtesy import Courtesy
from engine.operations.store import Store
from engine.operations.streampool import StreamPool

log = logging.getLogger(__name__)

CATALOG_RETRY_S = 2.0  # a full disk under the catalog is looked at this often


class Controller:
    """Starts, stops and retries jobs; lives as long as the service."""

    def __init__(self, home: Home, store: Store, clock: Clock, epoch: int) -> None:
        self.home = home
        self.store = store
        self.clock = clock
        self.epoch = epoch
        self.running: dict[int, RunningJob] = {}
        self.pool = StreamPool()
        self.courtesy = Courtesy()
        self.journal = JobJournal(store, clock)

    async def adopt_orphans(self) -> None:
        """Continues the jobs that an earlier service left behind, from their journals."""
        for job in await self.store.read(jobs.active_jobs):
            if job.state == JobState.SUSPENDED or job.desired == "suspend":
                await self.journal.set(
                    job.id, state=JobState.SUSPENDED, bytes_per_second=0, phase=""
                )
                await self.store.write(partial(jobs.replace_streams, job_id=job.id, rows=[]))
                continue
            if job.desired == "kill":
                await self.journal.finish(job.id, JobState.KILLED, "killed on request", EXIT_KILLED)
                continue
            await self._close_open_attempts(job, "the service started again")
            self.start(job.id)

    async def _close_open_attempts(self, job: JobValue, why: str) -> None:
        now = self.clock()

        def write(session: Any) -> None:
            for attempt in jobs.attempts(session, job.id):
                if attempt.ended_at is None:
                    jobs.end_attempt(
                        session,
                        job.id,
                        attempt.number,
                        "interrupted",
                        f"{why}; continues from the journal",
                        job.bytes_done,
                        now,
                    )
            jobs.update_job(
                session,
                job.id,
                state=JobState.WAITING,
                reason=why,
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
            clock=self.clock,
            pool=self.pool,
            courtesy=self.courtesy,
        )
        entry = RunningJob(context)
        self.running[job_id] = entry
        entry.task = asyncio.create_task(self._own(entry), name=f"job-{job_id}")

    async def suspend(self, job: JobValue) -> None:
        """Stops a job where it is; its journals stay."""
        if job.state == JobState.SUSPENDED:
            raise JobStateError(f"job {job.id} is suspended already")
        reason = "suspended on request"
        await self.journal.wish(job.id, "suspend")
        if not self._interrupt(job.id, reason):
            await self.journal.wish(job.id, "suspend", state=JobState.SUSPENDED, reason=reason)

    async def resume(self, job: JobValue) -> None:
        """Lets a suspended or pending job go on now."""
        if not job.state.is_resumable:
            raise JobStateError(
                f"job {job.id} is {job.state}: only a suspended or pending job can be resumed"
            )
        if job.state == JobState.PENDING and job.id in self.running:
            self.running[job.id].wake.set()
            return
        if job.state != JobState.SUSPENDED:
            raise JobStateError(f"job {job.id} is about to start: it need not be resumed")
        await self._ended(job.id)
        await self.journal.set(
            job.id, desired="run", state=JobState.WAITING, reason="resumed", until=None
        )
        self.start(job.id)

    async def kill(self, job: JobValue) -> None:
        """Ends a job for good; a later run continues from its journals."""
        await self.journal.wish(job.id, "kill")
        if not self._interrupt(job.id, "killed on request"):
            await self.journal.finish(job.id, JobState.KILLED, "killed on request", EXIT_KILLED)

    async def set_priority(self, job: JobValue, priority: int) -> None:
        """Another priority: streams are divided anew at once."""
        await self.journal.set(job.id, priority=priority)
        self.pool.set_priority(job.id, priority)

    def look_again(self) -> None:
        """Windows or activity have changed: every job asks anew whether it may run."""
        for entry in self.running.values():
            entry.wake.set()

    def set_throttle(self, job_id: int, rate_bps: int | None) -> None:
        """Changes the limit of a running job at once."""
        if job_id in self.running:
            self.running[job_id].context.throttle.set_rate(rate_bps)

    async def stop(self) -> None:
        """Stops every job at a boundary, keeping the wish that it runs; waits for them."""
        tasks = [entry.task for entry in self.running.values() if entry.task]
        for job_id in list(self.running):
            self._interrupt(job_id, "the service stopped; continues when it starts", kind="service")
        if tasks:
            await asyncio.wait(tasks, timeout=8.0)

    def _interrupt(self, job_id: int, reason: str, *, kind: StopKind = "request") -> bool:
        entry = self.running.get(job_id)
        if entry is None:
            return False
        entry.context.interrupt(kind, reason)
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
            while not await self._is_over(entry):
                self.pool.leave(job_id)
        finally:
            self.pool.leave(job_id)
            if self.running.get(job_id) is entry:
                del self.running[job_id]
            for other in self.running.values():
                other.wake.set()

    async def _is_over(self, entry: RunningJob) -> bool:
        """Lives a job's life; False when the catalog could not be written, and can be again.

        What became of the job cannot be told then, so it begins again from its journals.
        """
        job_id = entry.context.job_id
        try:
            await self._live(entry)
            await self._late_kill(job_id)
            return True
        except CatalogCorrupt:
            log.exception("job %s cannot go on", job_id, extra={"job_id": job_id})
            return True
        except CatalogError as err:
            why = err.message
            log.error("job %s waits for the catalog: %s (%s)", job_id, why, err.hint)
        while not entry.context.cancel.is_cancelled:
            await asyncio.sleep(CATALOG_RETRY_S)
            try:
                await self._close_open_attempts(await self.journal.job(job_id), why)
                return False
            except CatalogError:
                continue
        return True

    async def _live(self, entry: RunningJob) -> None:
        job_id = entry.context.job_id
        try:
            await JobLife(entry, self.journal, self.epoch).live()
        except CatalogError:
            raise
        except AuxError as err:
            await self.journal.finish(
                job_id, JobState.FAILED, err.message, err.exit_code, hint=err.hint
            )
        except Exception as err:
            log.exception("job %s ended by a bug", job_id, extra={"job_id": job_id})
            reason = f"internal error: {err!r}; the service's log has the details"
            await self.journal.finish(job_id, JobState.FAILED, reason, EXIT_FAILED)

    async def _late_kill(self, job_id: int) -> None:
        """A kill that came while the task was ending for another reason still holds."""
        job = await self.journal.job(job_id)
        if job.desired == "kill" and not JobState(job.state).is_final:
            await self.journal.finish(job_id, JobState.KILLED, "killed on request", EXIT_KILLED)
