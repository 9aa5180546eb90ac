"""How much of what a job shows as done is proven, and how much a stop throws away. Pure."""

from __future__ import annotations

from engine.catalog.running_values import JobValue
from engine.model.states import JobState, Operation


def torn_bytes(job: JobValue) -> int:
    """At most so many of the bytes that a copying job has done are in chunks that are not finished.

    Each stream has one chunk in flight to each copy. The bytes of a job that does not run are those
    that a journal proves.
    """
    if job.operation is not Operation.AUXCOPY or job.state is not JobState.RUNNING:
        return 0
    from engine.model.entries import MAX_CHUNK_BYTES  # not for the first paint

    in_flight = max(1, job.streams) * max(1, len(job.copies))
    return min(job.bytes_done, in_flight * MAX_CHUNK_BYTES)
