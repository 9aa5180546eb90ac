"""A transfer run: pulls orders, keeps every stream busy, publishes, reports.

Memory: three buffers of at most 8 MiB a stream, at most `memory_bytes` in all (96 MiB with four
streams), 32 bytes for each chunk of an open order, and the names of the batches that wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from engine.model.errors import AuxError, Cancelled
from engine.model.names import shown
from engine.model.states import StreamState
from engine.transfer.buffers import Buffers, buffer_bytes_for
from engine.transfer.cancel import CancelToken
from engine.transfer.commit import Committer
from engine.transfer.copied_file import Written
from engine.transfer.copying import SourceFailed, copy_batch, copy_chunk
from engine.transfer.finishing import (
    close_order,
    open_order,
    publish_order,
    result_of,
    result_of_unopened,
)
from engine.transfer.flow import Lane
from engine.transfer.following import FOLLOWED_FROM, Follower, followers
from engine.transfer.hops import GRACE_S, Hops
from engine.transfer.open_destination import OpenDestination
from engine.transfer.opened import OpenOrder
from engine.transfer.orders import TransferOrder, TransferResult
from engine.transfer.orders_open import Ahead, Slots
from engine.transfer.progress import RunMeter, RunSnapshot, StreamMeter
from engine.transfer.queueing import WorkQueue
from engine.transfer.throttle import Throttle
from engine.transfer.work import ChunkWork, Step, Work, split, steps_of

MEMORY_BYTES = 192 * 1024 * 1024
SPLIT_AT_ONCE = 8  # pieces of work per hop; a batch among them is 256 names

NextOrder = Callable[[], Awaitable[TransferOrder | None]]
OnResult = Callable[[TransferResult], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class _Progress:
    """What the run remembers of one open order."""

    order: OpenOrder
    started_s: float
    committers: dict[OpenDestination, Committer]
    followers: dict[OpenDestination, Follower] = field(default_factory=dict)
    outstanding: int = 0
    is_split: bool = False
    is_cut: bool = False
    """Some of its work was left out because the run winds down."""


class _IsOver(Exception):
    """The run takes no more parts."""


class TransferRun:
    """Copies orders with several streams; used once.

    Args:
        streams: how many pieces of work at once, 1 to 64.
        throttle: of all source bytes together.
        cancel: stops the run at the next piece.
        on_result: awaited once for each order, one at a time.
        memory_bytes: for all buffers together; at least 3 MiB a stream.
        clock: monotonic seconds.
        grace_s: how long after a cancel a hanging call is waited for, in seconds.
    """

    def __init__(
        self,
        *,
        streams: int,
        throttle: Throttle,
        cancel: CancelToken,
        on_result: OnResult,
        memory_bytes: int = MEMORY_BYTES,
        clock: Callable[[], float] = time.monotonic,
        grace_s: float = GRACE_S,
    ) -> None:
        self._streams = streams
        self._throttle = throttle
        self._on_result = on_result
        self._memory_bytes = memory_bytes
        self._clock = clock
        self._grace_s = grace_s
        self._stop = CancelToken(cancel)
        self._meter = RunMeter(clock)
        self._meters: dict[int, StreamMeter] = {}
        self._open: dict[OpenOrder, _Progress] = {}
        self._queue: WorkQueue[Work] = WorkQueue(room=2 * streams)
        self._slots = Slots()
        self._reporting = asyncio.Lock()
        self._tasks: asyncio.TaskGroup | None = None
        self._failure: Exception | None = None
        self._ends_because = ""

    @property
    def streams(self) -> int:
        """How many streams there should be."""
        return self._streams

    async def run(self, next_order: NextOrder) -> None:
        """Copies all orders; returns when all have ended, or were stopped by the cancel.

        Raises:
            Exception: what `next_order` or `on_result` raised, or a bug; every order was stopped,
                closed and, as far as that was possible, reported before.
        """
        self._hops = Hops(self._stop, grace_s=self._grace_s)
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._start_streams()
                await self._watched(self._feed(next_order))
        finally:
            self._tasks = None
            self._stop.cancel("the run has ended")
            self._stop.detach()
            self._hops.close()
        if self._failure is not None:
            raise self._failure

    def snapshot(self) -> RunSnapshot:
        """Where the run is; from any thread."""
        return self._meter.snapshot(
            tuple(meter.snapshot() for _, meter in sorted(self._meters.copy().items())),
            tuple(part for order in self._open.copy() for part in order.in_flight()),
        )

    def set_streams(self, count: int) -> None:
        """Changes the number of streams; one too many ends after its piece of work."""
        self._streams = count
        if self._tasks is not None:
            with suppress(_IsOver):  # then there is nothing left that more streams could do
                self._start_streams()
                self._spawn(self._queue.look_again())

    def drain(self, reason: str) -> None:
        """Winds down: what streams are at is finished and journaled, nothing else is begun."""
        self._ends_because = reason

    def _spawn(self, story: Coroutine[object, object, None]) -> None:
        if self._tasks is None:
            raise RuntimeError("the run is over")
        part = self._watched(story)
        try:
            self._tasks.create_task(part)
        except RuntimeError as err:  # its last part has just ended, or all are being cancelled
            part.close()
            story.close()
            raise _IsOver from err

    async def _watched(self, story: Coroutine[object, object, None]) -> None:
        """A part of the run; when it fails unexpectedly, the run ends in order and then says so."""
        try:
            await story
        except Exception as err:  # noqa: BLE001 - the edge of a run: raised at its end
            self._fail(err)

    def _fail(self, error: Exception) -> None:
        if self._failure is None:
            self._failure = error
        self._stop.cancel("the run failed")

    def _start_streams(self) -> None:
        for number in range(1, self._streams + 1):
            if number not in self._meters:
                self._meters[number] = StreamMeter(number, self._clock)
                self._spawn(self._stream(number, self._meters[number]))

    async def _feed(self, next_order: NextOrder) -> None:
        """Orders in sequence, those that follow opened while one is split."""
        ahead = Ahead[OpenOrder | None]()
        try:
            self._spawn(self._pull(next_order, ahead))
            while (opening := await ahead.next()) is not None:
                order = await opening
                if order is not None:
                    await self._dispatch(self._open[order])
        finally:
            ahead.end()
            while (opening := await ahead.next()) is not None:  # only where this has failed
                order = await opening
                if order is not None:
                    self._open[order].is_split = self._open[order].is_cut = True
                    self._look_for_end(self._open[order])
            await self._queue.close()

    async def _pull(self, next_order: NextOrder, ahead: Ahead[OpenOrder | None]) -> None:
        """Gets orders one by one and has them opened; far away many at once."""
        try:
            while not self._stop.is_cancelled and not self._ends_because:
                await ahead.room(self._slots.at_once)
                await self._slots.take()
                if ahead.has_ended:
                    break
                order = await self._hops.or_cancelled(asyncio.ensure_future(next_order()))
                if order is None:
                    break
                self._slots.note(order)
                opening = ahead.add()
                self._spawn(self._open_one(order, opening))
        finally:
            ahead.end()

    async def _open_one(
        self, order: TransferOrder, opening: asyncio.Future[OpenOrder | None]
    ) -> None:
        """Opens an order; one that cannot be opened is reported at once."""
        started_s = self._clock()
        try:
            opened = await open_order(order, self._hops, self._stop)
            self._open[opened] = _Progress(
                order=opened,
                started_s=started_s,
                committers={
                    dest: Committer(dest, self._hops, self._spawn) for dest in opened.destinations
                },
            )
            opening.set_result(opened)
        except AuxError as err:
            await self._report(result_of_unopened(order, err, seconds=self._clock() - started_s))
        finally:
            if not opening.done():
                opening.set_result(None)

    async def _dispatch(self, progress: _Progress) -> None:
        """Splits an order into the queue."""
        order = progress.order
        works = split(order, lambda: self._batch_bytes(order), self._meter.add_reused)
        try:
            while order.alive and not order.stop.is_cancelled:
                if self._ends_because:
                    progress.is_cut = True
                    break
                some = await self._hops.run(lambda: list(islice(works, SPLIT_AT_ONCE)))
                for work in some:
                    progress.outstanding += 1
                    await self._queue.put(work)
                if len(some) < SPLIT_AT_ONCE:
                    break
        except Cancelled:
            pass
        except AuxError as err:
            order.fail(err)
        finally:
            progress.is_split = True
            self._look_for_end(progress)

    def _batch_bytes(self, order: OpenOrder) -> int:
        most = buffer_bytes_for(self._memory_bytes, self._streams)
        for throttle in (self._throttle, *(dest.spec.throttle for dest in order.destinations)):
            if throttle is not None:
                most = throttle.piece_bytes(most)
        return most

    async def _stream(self, number: int, meter: StreamMeter) -> None:
        """One stream: a piece of work after the other until there is none, or too many streams."""
        lane = self._new_lane()
        while True:
            if self._queue.is_empty:
                meter.end()
            work = await self._queue.get(lambda: number <= self._streams)
            if work is None:
                break
            if lane.buffers.each_bytes != buffer_bytes_for(self._memory_bytes, self._streams):
                lane = self._new_lane()
            await self._watched(self._do(work, lane, meter))
        del self._meters[number]

    def _new_lane(self) -> Lane:
        each = buffer_bytes_for(self._memory_bytes, self._streams)
        return Lane(Buffers(each), self._hops.threads)

    async def _do(self, work: Work, lane: Lane, meter: StreamMeter) -> None:
        progress = self._open[work.order]
        try:
            for step in steps_of(work):
                if self._ends_because:
                    progress.is_cut = True
                    return
                for one in await self._copy(step, lane, meter):
                    meter.state = StreamState.SYNCING
                    await progress.committers[one.destination].add(one)
        except SourceFailed as err:
            work.order.fail(err.error, err.path)
        except Cancelled:
            pass  # what is journaled stays; the outcome says so
        finally:
            progress.outstanding -= 1
            self._look_for_end(progress)

    async def _copy(self, work: Step, lane: Lane, meter: StreamMeter) -> list[Written]:
        file = work.file if isinstance(work, ChunkWork) else None
        entry = work.file.entry if isinstance(work, ChunkWork) else work.files[0].entry
        limits = [dest.spec.throttle for dest in work.order.alive]
        needs = work.needs if isinstance(work, ChunkWork) else work.order.destinations

        def moved(count_bytes: int) -> None:
            meter.add(count_bytes)
            self._meter.add(count_bytes, sum(dest.is_alive for dest in needs))
            work.order.bytes_moved += count_bytes  # for display: a lost update does no harm
            if file is not None:
                file.add(count_bytes)

        meter.begin(
            backup_job_id=work.order.order.backup_job_id,
            copies=tuple(dest.spec.copy_name for dest in work.order.alive),
            path_shown=lambda: shown(entry.path),
            file_bytes=entry.size,
            file_done=lambda: file.bytes_done if file is not None else 0,
            throttles=(self._throttle, *(limit for limit in limits if limit is not None)),
        )
        if isinstance(work, ChunkWork):
            return await self._hops.run(copy_chunk, work, lane, self._throttle, moved)
        return await self._hops.run(copy_batch, work, lane, self._throttle, moved)

    def _look_for_end(self, progress: _Progress) -> None:
        if progress.is_split and progress.outstanding == 0:
            self._spawn(self._finish(progress))

    async def _finish(self, progress: _Progress) -> None:
        order = progress.order
        try:
            if order.file_count >= FOLLOWED_FROM and not progress.is_cut:
                progress.followers = followers(order, self._hops, self._spawn)
            for committer in progress.committers.values():
                await committer.idle()
            if progress.is_cut:
                order.stop.cancel(self._ends_because)
            if self._stop.is_cancelled:  # who cancels may not have come as far as this order
                order.stop.cancel(self._stop.reason)
            await publish_order(order, self._hops, progress.followers)
        finally:
            for follower in progress.followers.values():
                await follower.stopped()
            if not self._hops.has_abandoned:
                await self._hops.run(close_order, order)
            del self._open[order]
            await self._report(result_of(order, seconds=self._clock() - progress.started_s))

    async def _report(self, result: TransferResult) -> None:
        try:
            async with self._reporting:
                await self._on_result(result)
        finally:
            self._slots.give_back(result.order)
