"""Copies the orders of a run in lanes, and lets lanes come and go while streams, windows and work do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from engine.model.states import JobState, Phase, StreamState
from engine.operations.context import JobContext
from engine.operations.handout import HandOut
from engine.operations.ordering import OrderQueue
from engine.operations.routing import Lane, explained, job_resource, streams_of_work
from engine.operations.streampool import Seat
from engine.policy.sharing import Share
from engine.policy.streams import StreamNumber
from engine.policy.tuning import Measured, StreamTuner
from engine.policy.values import RunOptions
from engine.transfer.cancel import CancelToken
from engine.transfer.orders import TransferResult
from engine.transfer.progress import RunSnapshot
from engine.transfer.run import MEMORY_BYTES, TransferRun

LOOK_AGAIN_S = 1.0  # how soon a window, a switch or a new backup job is noticed
LEAST_MEMORY_BYTES = 6 * 1024 * 1024  # of a lane; two streams with the smallest buffers


@dataclass(slots=True)
class Strand:
    """A lane with its place among the streams, and what it runs."""

    lane: Lane
    seat: Seat
    run: TransferRun | None = None
    task: asyncio.Task[None] | None = None
    tuner: StreamTuner = field(default_factory=StreamTuner)

    def tune(self, now_s: float) -> None:
        """Gives the run as many streams as are worth it, of those that it may have."""
        if self.run is not None:
            self.run.set_streams(
                self.tuner.look(_measured(self.run.snapshot(), now_s), self.seat.share.streams)
            )

    @property
    def streams(self) -> int:
        """How many it uses."""
        share = self.seat.share.streams
        return share if self.run is None else min(share, self.run.streams)


class Copying:
    """One stretch of copying, until nothing is left that may be copied now.

    Args:
        context: of the job.
        queue: its orders.
        work: which order is next.
        options: of the run.
        priority: 0 (first) to 9.
        settle: told what became of each order.
        more: asked for new orders; True when there are some. Given whether nothing is left.
    """

    def __init__(
        self,
        context: JobContext,
        queue: OrderQueue,
        work: HandOut,
        *,
        options: RunOptions,
        priority: int,
        settle: Callable[[TransferResult], Awaitable[None]],
        more: Callable[[bool], Awaitable[bool]],
    ) -> None:
        self.context = context
        self.queue = queue
        self.columns: dict[str, Any] = {}
        """Columns of the job's row that say how many streams, and why not more."""
        self.bytes_reused = 0
        """Of lanes that have ended."""
        self._work = work
        self._options = options
        self._priority = priority
        self._settle = settle
        self._more = more
        self._strands: dict[Lane, Strand] = {}
        self._dry: dict[Lane, int] = {}
        """Lanes that found nothing to take, and the version of the queue that they looked at."""
        self._of_work = StreamNumber(0, "")
        self._seen_version = -1
        self._told = ""
        self._has_run = False
        self._woken = asyncio.Event()
        self._stop = CancelToken(context.cancel)
        self._failure: Exception | None = None

    async def run(self) -> None:
        """Copies; returns when nothing is left, or the job was told to stop.

        Raises:
            Exception: what settling raised, or a bug; everything was stopped before.
        """
        self.context.wind_down = self._wind_down
        self.context.courtesy.join(self.context.job_id, self.context.throttle)
        try:
            await self._supervise()
        finally:
            self.context.wind_down = None
            if not self.context.is_stopping:
                self._stop.cancel("the run ends")
            tasks = [strand.task for strand in self._strands.values() if strand.task]
            if tasks:
                await asyncio.wait(tasks)
            self._stop.detach()
            self.context.courtesy.leave(self.context.job_id)
            self.context.pool.leave(self.context.job_id)
        if self._failure is not None:
            raise self._failure

    def snapshots(self) -> list[tuple[str, RunSnapshot]]:
        """Where the lanes are: the MediaAgent of each with its run."""
        strands = sorted(self._strands.values(), key=lambda strand: strand.lane.part)
        return [(s.lane.media_agent, s.run.snapshot()) for s in strands if s.run is not None]

    @property
    def is_under_way(self) -> bool:
        """True from the first stream on."""
        return self._has_run

    async def _supervise(self) -> None:
        while not self.context.is_stopping and self._failure is None:
            self._woken.clear()  # before looking: what comes meanwhile is not slept over
            await self.queue.look()
            self._seat()
            await self._start()
            if not self._is_running():
                if self._strands:
                    await self._say_waiting()
                elif await self._more(True):
                    continue
                else:
                    return
            elif await self._more(False):
                continue
            await self._nap()

    def _seat(self) -> None:
        """Gives every lane with work a place among the streams, and takes it from those without."""
        if self.queue.version != self._seen_version:
            self._seen_version = self.queue.version
            self._of_work = streams_of_work(self._options, *self.queue.amount())
        routes, job_id, pool = self.queue.routes, self.context.job_id, self.context.pool
        limits = routes.limits(job_id, max(1, self._of_work.streams))
        lanes = [lane for lane in self.queue.lanes() if self._dry.get(lane) != self.queue.version]
        for lane in [*self._strands]:
            if lane not in lanes and self._strands[lane].task is None:
                del self._strands[lane]
                pool.leave(job_id, lane.part)
        for lane in dict.fromkeys([*lanes, *self._strands]):
            claim = routes.claim(
                lane, job_id=job_id, priority=self._priority, wanted=self._work.wanted(lane)
            )
            seat = pool.join(claim, limits)
            seat.changed = self._share_changed
            self._strands.setdefault(lane, Strand(lane, seat)).seat = seat

    async def _start(self) -> None:
        """Makes every lane run with the streams that it has now."""
        for strand in self._strands.values():
            share = strand.seat.share
            if strand.run is not None:
                if share.streams and self._options.streams is None:
                    strand.tune(time.monotonic())
                elif share.streams:
                    strand.run.set_streams(share.streams)
                else:
                    self.queue.pause(strand.lane, _preempted(share, self.context.job_id))
            elif strand.task is None and share.streams:
                self.queue.resume(strand.lane)
                strand.task = asyncio.create_task(self._copy(strand))
        if self._is_running():
            self.columns = self._streams()
            if not self._has_run or self._told:
                self._has_run, self._told = True, ""
                await self.context.update(
                    state=JobState.RUNNING, reason="", phase=Phase.COPY, **self.columns
                )

    async def _copy(self, strand: Strand) -> None:
        """The life of a lane: as long as it finds orders."""
        version = self.queue.version
        each = MEMORY_BYTES // max(1, len(self._strands))
        strand.run = TransferRun(
            streams=strand.seat.share.streams,
            throttle=self.context.throttle,
            cancel=self._stop,
            on_result=self._settle,
            memory_bytes=max(LEAST_MEMORY_BYTES, each),
        )
        try:
            await strand.run.run(lambda: self.queue.next_order(strand.lane))
        except Exception as err:  # noqa: BLE001 - raised at the end of the whole run
            self._failure = self._failure or err
            self._stop.cancel("the run failed")
        finally:
            self.bytes_reused += strand.run.snapshot().bytes_reused
            if not self.queue.is_paused(strand.lane):
                self._dry[strand.lane] = version
            self._strands.pop(strand.lane, None)
            self.context.pool.leave(self.context.job_id, strand.lane.part)
            self._woken.set()

    def _is_running(self) -> bool:
        return any(strand.task is not None for strand in self._strands.values())

    def _share_changed(self, share: Share) -> None:
        """Streams went elsewhere, or came back; a job without any left gives way.

        The pool is asked, not the strands: a stream may have gone to a lane that is just seated.
        """
        self._woken.set()
        running = [strand for strand in self._strands.values() if strand.run is not None]
        if running and not self.context.pool.streams_of(self.context.job_id):
            self.context.interrupt("preempted", _preempted(share, self.context.job_id))

    def _streams(self) -> dict[str, Any]:
        """How many streams, and every limit that keeps them from being more."""
        context, pool = self.context, self.context.pool
        strands = [*self._strands.values()]
        shares = [strand.seat.share for strand in strands]
        limits = self.queue.routes.limits(context.job_id, self._of_work.streams)
        why = [context.courtesy.reason] if context.courtesy.reason else []
        why += dict.fromkeys(found for s in strands if (found := s.tuner.reason))
        for resource, sentence in explained(shares, limits, self._of_work, context.job_id):
            is_shared = bool(pool.rivals(context.job_id, resource))
            why.append(f"{sentence}, shared with other jobs" if is_shared else sentence)
        return {
            "streams": sum(strand.streams for strand in strands),
            "streams_limited_by": "; ".join(why) or self._of_work.limited_by,
        }

    async def _say_waiting(self) -> None:
        share = next(iter(self._strands.values())).seat.share
        rivals = self.context.pool.rivals(self.context.job_id)
        who = ", ".join(str(job_id) for job_id in rivals) or "none"
        told = f"all streams of {share.limited_by} are in use by job {who}"
        if told != self._told:
            self._told = told
            await self.context.update(state=JobState.WAITING, reason=told)

    def _wind_down(self, reason: str) -> None:
        """Chunks in flight are finished, nothing else is begun."""
        for strand in self._strands.values():
            if strand.run is not None:
                strand.run.drain(reason)
        self._woken.set()

    async def _nap(self) -> None:
        leave = self._stop.on_cancel(self._woken.set)
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AGAIN_S):
                await self._woken.wait()
        leave()


def _measured(run: RunSnapshot, now_s: float) -> Measured:
    return Measured(
        at_s=now_s,
        bytes_done=run.bytes_done,
        busy=sum(stream.state is not StreamState.IDLE for stream in run.streams),
        is_throttled=any(stream.state is StreamState.THROTTLED for stream in run.streams),
    )


def _preempted(share: Share, job_id: int) -> str:
    if share.limited_by == job_resource(job_id):
        return "what is left needs fewer streams, and another MediaAgent has them"
    return f"its streams of {share.limited_by} went to a job of higher priority"
