"""Values of what is watched: standings of copies, trend, alarms, messages. Cheap to import."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyStanding:
    """How a secondary copy stands: what it owes, whether it has fallen behind, its forecast."""

    copy_id: int
    at: datetime
    """When it was measured."""
    owed_jobs: int = 0
    owed_bytes: int = 0
    oldest_due_at: datetime | None = None
    behind_since: datetime | None = None
    behind_reasons: tuple[str, ...] = ()
    rate_bps: int | None = None
    """Rate while copying, in the past, bytes per second; None: nothing was copied yet."""
    income_bps: int = 0
    """What new backup jobs bring, bytes per second of calendar time."""
    caught_up_at: datetime | None = None
    """None with `is_known`: never, at this rate."""
    earliest_at: datetime | None = None
    latest_at: datetime | None = None
    is_known: bool = False
    forecast: str = ""
    """The forecast in words."""

    @property
    def is_behind(self) -> bool:
        """True when it has fallen behind."""
        return self.behind_since is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySample:
    """A point of a copy's trend."""

    copy_id: int
    at: datetime
    held_jobs: int
    held_bytes: int
    """Backup jobs that are available on the copy."""
    owed_jobs: int
    owed_bytes: int
    partial_bytes: int
    """Of backup jobs that are partially copied: what is there of them."""
    copied_bytes: int
    """Since the sample before."""
    seconds: int
    """Since the sample before; 0 for the first one."""

    @property
    def bytes_per_second(self) -> float:
        """The mean rate since the sample before, standstill included."""
        return self.copied_bytes / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmValue:
    """Something that is not as it should be, from its beginning until it has cleared."""

    id: int
    kind: str
    cause: str
    about: str
    severity: str
    message: str
    hint: str
    job_id: int | None
    policy: str
    measure: float
    times: int
    first_at: datetime
    last_at: datetime
    cleared_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertMessageValue:
    """A message of the outbox."""

    id: int
    alert: str
    alarm_id: int | None
    step: str
    """raised, cleared or told."""
    content: dict[str, Any]
    state: str
    """waiting, sent, given_up, withdrawn."""
    filed_at: datetime
    next_try_at: datetime
    tries: int
    sent_at: datetime | None
    error: str
