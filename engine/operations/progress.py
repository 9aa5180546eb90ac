"""Follows a transfer and tells the catalog twice a second what it has reached."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sized
from typing import Any, Protocol

from engine.catalog import jobs, ledger
from engine.catalog.values import StreamValue
from engine.operations.context import JobContext
from engine.transfer.progress import RunSnapshot
from engine.transfer.run import TransferRun

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

    @property
    def streams(self) -> Mapping[str, Any]: ...


class Progress:
    """The reporter of one transfer run."""

    def __init__(
        self,
        context: JobContext,
        run: TransferRun,
        tally: Tally,
        copy_ids: Mapping[str, int],
        *,
        shown_bytes: int,
        on_tick: Callable[[], object],
    ) -> None:
        self.context = context
        self.run = run
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
        while not self._stopped.is_set():
            try:
                async with asyncio.timeout(INTERVAL_S):
                    await self._stopped.wait()
            except TimeoutError:
                pass
            self._on_tick()
            await self._report(final=self._stopped.is_set())

    async def _report(self, *, final: bool) -> None:
        snapshot = self.run.snapshot()
        context, now = self.context, self.context.clock()
        self._ticks += 1
        in_flight = sum(entry.bytes_moved for entry in snapshot.in_flight)
        # What is on its way may be thrown away by an error: a bar never steps back for that.
        self._shown_bytes = max(self._shown_bytes, sum(self.tally.done.values()) + in_flight)
        settled = sum(self.tally.done.values()) + sum(self.tally.partial.values())
        done = settled if final else self._shown_bytes
        columns: dict[str, Any] = {
            "bytes_done": done,
            "bytes_per_second": 0 if final else int(snapshot.bytes_per_second),
            "bytes_reused": snapshot.bytes_reused,
            "backup_jobs_done": len(self.tally.done),
            "backup_jobs_failed": len(self.tally.failures) + len(self.tally.blocked),
            "errors": len(self.tally.failures) + len(self.tally.blocked),
            **self.tally.streams,
        }
        rows = [] if final else stream_rows(context.job_id, snapshot)

        def write(session: Any) -> None:
            total = jobs.load_job(session, context.job_id).bytes_total
            columns["seconds_left"] = seconds_left(total - done, snapshot.bytes_per_second)
            jobs.update_job(session, context.job_id, **columns)
            jobs.replace_streams(session, context.job_id, rows)
            for entry in snapshot.in_flight:
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


def seconds_left(bytes_left: int, bytes_per_second: float) -> int | None:
    """Time to the end at the present rate; None while it cannot be known."""
    if bytes_left <= 0:
        return 0
    return None if bytes_per_second <= 0 else math.ceil(bytes_left / bytes_per_second)


def stream_rows(job_id: int, snapshot: RunSnapshot) -> list[StreamValue]:
    """The rows of the streams as they are now."""
    return [
        StreamValue(
            job_id=job_id,
            number=stream.number,
            state=stream.state,
            backup_job_id=stream.backup_job_id,
            media_agent="",
            copies=", ".join(stream.copies),
            path=stream.path,
            file_bytes=stream.file_bytes,
            file_bytes_done=stream.file_bytes_done,
            bytes_done=stream.bytes_done,
            bytes_per_second=int(stream.bytes_per_second),
        )
        for stream in snapshot.streams
    ]
