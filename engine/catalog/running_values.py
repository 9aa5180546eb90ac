"""Values of what runs and happens now; part of `values`.

The console needs these for its first screen: a module of their own keeps the start short.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.model.states import JobState, Operation, Phase, Severity, StreamState


@dataclass(frozen=True, slots=True, kw_only=True)
class JobValue:
    """One run of an operation."""

    id: int
    operation: Operation
    policy_id: int | None
    policy: str
    copies: tuple[str, ...]
    options: dict[str, Any]
    description: str
    state: JobState
    phase: Phase
    reason: str
    until: datetime | None
    desired: str
    priority: int
    initiated_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    backup_jobs_total: int
    backup_jobs_done: int
    backup_jobs_failed: int
    backup_jobs_skipped: int
    bytes_total: int
    bytes_done: int
    bytes_per_second: int
    bytes_reused: int
    seconds_left: int | None
    streams: int
    streams_limited_by: str
    throttle_bps: int | None
    attempts: int
    errors: int
    exit_code: int
    epoch: int
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamValue:
    """What one stream of a running job does now."""

    job_id: int
    number: int
    state: StreamState
    backup_job_id: int | None = None
    media_agent: str = ""
    copies: str = ""
    path: str = ""
    """Already made inert by `shown`."""
    file_bytes: int = 0
    file_bytes_done: int = 0
    bytes_done: int = 0
    bytes_per_second: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventValue:
    """A line of the event log."""

    id: int
    at: datetime
    severity: Severity
    code: str
    job_id: int | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceValue:
    """What the service says of itself; the lock decides whether it lives."""

    epoch: int = 0
    pid: int = 0
    host: str = ""
    boot_id: str = ""
    version: str = ""
    state: str = "stopped"
    started_at: datetime | None = None
    heartbeat_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptValue:
    """One attempt of a job."""

    job_id: int
    number: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    reason: str
    bytes_done: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobErrorValue:
    """What went wrong within a job, and what to do."""

    id: int
    job_id: int
    at: datetime
    backup_job_id: int | None
    copy_name: str
    path: str
    error: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RateSampleValue:
    """Bytes that a job had done at a time."""

    at: datetime
    bytes_done: int
