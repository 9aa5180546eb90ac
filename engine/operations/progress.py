"""Follows a transfer and tells the catalog twice a second what it has reached."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence, Sized
from typing import Any, Protocol

from engine.catalog import jobs, ledger
from engine.catalog.values import StreamValue
from engine.operations.context import JobContext
from engine.operations.copying import Copying
from engine.transfer.progress import RunSnapshot

INTERVAL_S = 0.5
SAMPLE_EVERY = 10  # ticks between two samples of the rate history: 5 s


class Tally(Protocol):
    """What a run has settled so far."""

    @property
    def done(self) -> Mapping[tuple[int, int], int]: ...

    @property
    def partial(self) -> Mapping[tuple[int, int], int]: ...

    @property
    def failures(self) -> Sized: ...

    @property
    def blocked(self) -> Sized: ...


class Progress:
    """The reporter of one stretch of copying."""

    def __init__(
        self,
        context: JobContext,
        copying: Copying,
        tally: Tally,
        copy_ids: Mapping[str, int],
        *,
        shown_bytes: int,
        on_tick: Callable[[], object],
    ) -> None:
        self.context = context
        self.copying = copying
        self.tally = tally
        self.copy_ids = copy_ids
        self._stopped = asyncio.Event()
        self._ticks = 0
        self._shown_bytes = shown_bytes
        self._on_tick = on_tick

    def stop(self) -> None:
        """Makes `follow` report once more and return."""
        self._stopped.set()

    async def follow(self) -> None:
        """Reports until it is stopped; the last report is of the end."""
        is_last = False
        while not is_last:
            try:
                async with asyncio.timeout(INTERVAL_S):
                    await self._stopped.wait()
            except TimeoutError:
                pass
            is_last = self._stopped.is_set()  # asked once: stopped in a report, it makes another
            self._on_tick()
            if self.copying.is_under_way:
                await self._report(final=is_last)

    async def _report(self, *, final: bool) -> None:
        runs, tally = self.copying.snapshots(), self.tally
        in_flight = [entry for _, run in runs for entry in run.in_flight]
        context, now = self.context, self.context.clock()
        self._ticks += 1
        moved = sum(entry.bytes_moved for entry in in_flight)
        # What is on its way may be thrown away by an error: a bar never steps back for that.
        self._shown_bytes = max(self._shown_bytes, sum(tally.done.values()) + moved)
        settled = sum(tally.done.values()) + sum(tally.partial.values())
        rate_bps = sum(run.bytes_per_second for _, run in runs)
        reused = self.copying.bytes_reused + sum(run.bytes_reused for _, run in runs)
        columns: dict[str, Any] = {
            "bytes_per_second": 0 if final else int(rate_bps),
            "bytes_reused": reused,
            "backup_jobs_done": len(tally.done),
            "backup_jobs_failed": len(tally.failures) + len(tally.blocked),
            "errors": len(tally.failures) + len(tally.blocked),
            **self.copying.columns,
        }
        rows = [] if final else stream_rows(context.job_id, runs)

        def write(session: Any) -> None:
            total = jobs.load_job(session, context.job_id).bytes_total
            is_open = sum(tally.done.values()) < total
            moved = settled if final else self._shown_bytes
            done = reached(moved, total, is_open=is_open)
            columns["bytes_done"] = done
            columns["seconds_left"] = time_left(total - done, rate_bps, is_open=is_open)
            jobs.update_job(session, context.job_id, **columns)
            jobs.replace_streams(session, context.job_id, rows)
            for entry in in_flight:
                ledger.set_progress(
                    session,
                    self.copy_ids[entry.copy_name],
                    entry.backup_job_id,
                    entry.chunks_done,
                    entry.bytes_done,
                )
            if self._ticks % SAMPLE_EVERY == 1 or final:
                jobs.add_rate_sample(session, context.job_id, done, now)

        await context.store.write(write)


def reached(moved: int, total: int, *, is_open: bool) -> int:
    """What a bar shows: it is at its end when everything is proven, not when it is on its way.

    Args:
        moved: bytes that are proven, or have been handed to the other side.
        total: bytes that there are.
        is_open: something is not proven yet.
    """
    return min(moved, max(0, total - 1)) if is_open else moved


def time_left(bytes_left: int, bytes_per_second: float, *, is_open: bool) -> int | None:
    """As `seconds_left`; not known while only the proof is missing: no rate tells how long that takes."""
    if is_open and bytes_left <= 1:
        return None
    return seconds_left(bytes_left, bytes_per_second)


def seconds_left(bytes_left: int, bytes_per_second: float) -> int | None:
    """Time to the end at the present rate; None while it cannot be known."""
    if bytes_left <= 0:
        return 0
    return None if bytes_per_second <= 0 else math.ceil(bytes_left / bytes_per_second)


def stream_rows(job_id: int, runs: Sequence[tuple[str, RunSnapshot]]) -> list[StreamValue]:
    """The rows of the streams as they are now.

    Args:
        job_id: whose streams.
        runs: the MediaAgent of each lane, with what its streams do.
    """
    streams = [(agent, stream) for agent, run in runs for stream in run.streams]
    return [
        StreamValue(
            job_id=job_id,
            number=number,
            state=stream.state,
            backup_job_id=stream.backup_job_id,
            media_agent=agent,
            copies=", ".join(stream.copies),
            path=stream.path,
            file_bytes=stream.file_bytes,
            file_bytes_done=stream.file_bytes_done,
            bytes_done=stream.bytes_done,
            bytes_per_second=int(stream.bytes_per_second),
        )
        for number, (agent, stream) in enumerate(streams, start=1)
    ]
