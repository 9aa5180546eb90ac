"""What an operation is given to work with, and how one of its attempts ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from engine.catalog.events import add_event
from engine.catalog.home import Home
from engine.catalog.jobs import update_job
from engine.model.clock import Clock
from engine.model.states import JobState, Severity
from engine.operations.store import Store
from engine.transfer.cancel import CancelToken
from engine.transfer.throttle import Throttle


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """How an attempt ended; the controller turns it into the next state of the job."""

    kind: Literal["ended", "retry", "cancelled"]
    state: JobState = JobState.COMPLETED
    """The final state when the kind is `ended`, or when retries are used up."""
    reason: str = ""
    exit_code: int = 0
    bytes_done: int = 0


class Attempts(Protocol):
    """A job's operation: it may be attempted again after an end of kind `retry`."""

    async def attempt(self) -> AttemptEnd: ...

    async def conclude(self) -> None:
        """Writes what is final (errors) before the job takes its final state."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext:
    """The surroundings of one running job."""

    job_id: int
    home: Home
    store: Store
    cancel: CancelToken
    throttle: Throttle
    clock: Clock

    async def event(self, code: str, message: str, severity: Severity = Severity.INFO) -> None:
        """Writes a line of the event log for this job."""
        now = self.clock()
        await self.store.write(
            lambda s: add_event(
                s, severity=severity, code=code, message=message, job_id=self.job_id, now=now
            )
        )

    async def update(self, **columns: Any) -> None:
        """Sets columns of the job's row."""
        await self.store.write(lambda s: update_job(s, self.job_id, **columns))
