"""In which order many jobs are asked for the same. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from engine.catalog.running_values import JobValue
from engine.model.states import JobState, RequestKind


def asking_order(kind: RequestKind, jobs: Iterable[JobValue]) -> list[JobValue]:
    """The order in which jobs are asked: to stop, what has not begun first, the newest of it first.

    Else it would begin in between, when what runs makes room.
    """
    if kind is RequestKind.RESUME:
        return list(jobs)
    return sorted(jobs, key=lambda job: (job.state is JobState.RUNNING, -job.id))
