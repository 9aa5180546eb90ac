"""A job's streams of this host, waited for and shared with the others; for what only reads copies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from engine.model.states import JobState, Phase
from engine.operations.context import JobContext
from engine.operations.planning import Scope, agents_resource, stream_limits
from engine.operations.streampool import Seat
from engine.policy.sharing import Claim, Share
from engine.policy.values import RunOptions

LOOK_AGAIN_S = 1.0


@asynccontextmanager
async def seated(
    context: JobContext, scope: Scope, phase: Phase, *, priority: int, streams: int
) -> AsyncIterator[Seat | None]:
    """Takes a place in the stream pool for a block; None when the job was stopped first.

    Args:
        context: of the job.
        scope: whose MediaAgents.
        phase: of the job from the first stream on.
        priority: 0 (first) to 9.
        streams: as many as it can use, 1 or more.
    """
    agents = agents_resource(scope, RunOptions())
    claim = Claim(context.job_id, priority, streams, frozenset({agents}))
    seat = context.pool.join(claim, stream_limits(scope))

    def changed(share: Share) -> None:
        if not share.streams:
            context.interrupt(
                "preempted", f"its streams of {share.limited_by} went to a job of higher priority"
            )

    try:
        while not seat.share.streams and not context.cancel.is_cancelled:
            await _wait(context, seat)
        if context.cancel.is_cancelled:
            yield None
            return
        seat.changed = changed
        limited_by = seat.share.limited_by if seat.share.streams < streams else ""
        await context.update(
            state=JobState.RUNNING,
            reason="",
            phase=phase,
            streams=seat.share.streams,
            streams_limited_by=limited_by,
        )
        yield seat
    finally:
        seat.changed = None
        context.pool.leave(context.job_id)


async def _wait(context: JobContext, seat: Seat) -> None:
    """Waits for a stream for a moment, and says for whose."""
    rivals = ", ".join(str(job_id) for job_id in context.pool.rivals(context.job_id))
    await context.update(
        state=JobState.WAITING,
        reason=f"all streams of {seat.share.limited_by} are in use by job {rivals}",
    )
    seat.woken.clear()
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOK_AGAIN_S):
            await seat.woken.wait()
