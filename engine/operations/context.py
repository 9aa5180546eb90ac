"""What an operation is given to work with, and how one of its attempts ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from engine.catalog.events import add_event
from engine.catalog.home import Home
from engine.catalog.jobs import update_job
from engine.model.clock import Clock
from engine.model.states import JobState, Severity
from engine.operations.courtesy import Courtesy
from engine.operations.gates import Gates
from engine.operations.store import Store
from engine.operations.streampool import StreamPool
from engine.transfer.cancel import CancelToken
from engine.transfer.throttle import Throttle

WIND_DOWN_S = 5.0  # a chunk in flight that takes longer is cut, and read again by the next try


_NOTHING_CLOSED = Gates((), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """How an attempt ended; the controller turns it into the next state of the job."""

    kind: Literal["ended", "retry", "cancelled", "held"]
    state: JobState = JobState.COMPLETED
    """The final state when the kind is `ended`, or when retries are used up."""
    reason: str = ""
    exit_code: int = 0
    bytes_done: int = 0
    until: datetime | None = None
    """Of kind `held`: when what is left may be copied."""
    gates: Gates = _NOTHING_CLOSED
    """Of kind `held`: as they stood when they held it."""


StopKind = Literal["", "request", "hold", "preempted", "service"]


class Attempts(Protocol):
    """A job's operation: it may be attempted again after an end of kind `retry`."""

    async def attempt(self) -> AttemptEnd: ...

    async def conclude(self) -> None:
        """Writes what is final (errors) before the job takes its final state."""
        ...


@dataclass(slots=True, kw_only=True)
class JobContext:
    """The surroundings of one running job."""

    job_id: int
    home: Home
    store: Store
    clock: Clock
    pool: StreamPool
    throttle: Throttle = field(default_factory=Throttle)
    courtesy: Courtesy = field(default_factory=Courtesy)
    """Of the whole service."""
    cancel: CancelToken = field(default_factory=CancelToken)
    """Of the present attempt."""
    stop_kind: StopKind = ""
    """Why the present attempt was told to stop; the first word counts, a request outranks."""
    stop_reason: str = ""
    wind_down: Callable[[str], None] | None = None
    """Set while something is under way that can end at a boundary by itself, soon."""
    _cut: asyncio.TimerHandle | None = None

    @property
    def is_stopping(self) -> bool:
        """True from the first word on that the present attempt is to stop."""
        return bool(self.stop_kind)

    def interrupt(self, kind: StopKind, reason: str) -> None:
        """Tells the present attempt to stop: at once on request, else when chunks in flight have
        ended, and at the latest after `WIND_DOWN_S`."""
        if not self.stop_kind or kind in ("request", "service"):
            self.stop_kind, self.stop_reason = kind, reason
        if kind == "request" or self.wind_down is None:
            self.cancel.cancel(reason)
            return
        self.wind_down(reason)
        if self._cut is None:
            loop = asyncio.get_running_loop()
            self._cut = loop.call_later(WIND_DOWN_S, self.cancel.cancel, reason)

    def renew(self) -> None:
        """Makes ready for another attempt."""
        self.stop_kind = ""
        self.stop_reason = ""
        if self._cut is not None:
            self._cut.cancel()
            self._cut = None
        self.cancel = CancelToken()

    async def event(
        self,
        code: str,
        message: str,
        severity: Severity = Severity.INFO,
        *,
        about: str | None = None,
        hint: str = "",
        measure: float = 0.0,
    ) -> None:
        """Writes a line of the event log for this job; what the rest means, `add_event` says."""
        now = self.clock()
        await self.store.write(
            lambda s: add_event(
                s,
                severity=severity,
                code=code,
                message=message,
                job_id=self.job_id,
                now=now,
                about=about,
                hint=hint,
                measure=measure,
            )
        )

    async def update(self, **columns: Any) -> None:
        """Sets columns of the job's row."""
        await self.store.write(lambda s: update_job(s, self.job_id, **columns))
