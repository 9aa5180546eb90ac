"""What the named queries give: frozen values, with the names of the columns they come from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.catalog.config_values import ActivityValue as ActivityValue
from engine.catalog.config_values import AlertValue as AlertValue
from engine.catalog.config_values import ClientValue as ClientValue
from engine.catalog.config_values import CommCellValue as CommCellValue
from engine.catalog.config_values import CopyValue as CopyValue
from engine.catalog.config_values import DataPathValue as DataPathValue
from engine.catalog.config_values import LibraryValue as LibraryValue
from engine.catalog.config_values import MediaAgentValue as MediaAgentValue
from engine.catalog.config_values import PolicyValue as PolicyValue
from engine.catalog.config_values import ScheduleValue as ScheduleValue
from engine.catalog.config_values import SubclientValue as SubclientValue
from engine.catalog.config_values import WindowValue as WindowValue
from engine.model.states import (
    JobCopyState,
    JobState,
    Level,
    Operation,
    Phase,
    RequestKind,
    RequestState,
    Severity,
    StreamState,
    Verification,
)

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupJobValue:
    """One backup of one subclient."""

    id: int
    subclient_id: int
    policy_id: int
    level: Level
    name: bytes
    fingerprint: str
    cycle: int
    started_at: datetime
    completed_at: datetime
    adopted_at: datetime
    size_bytes: int
    files: int
    chunks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupJobName:
    """What a list says of a backup job."""

    id: int
    client: str
    subclient: str
    level: Level


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCopyValue:
    """One backup job on one copy: a line of the ledger, with its backup job."""

    copy_id: int
    backup_job_id: int
    state: JobCopyState
    state_at: datetime | None
    reason: str
    next_step: str
    chunks_done: int
    bytes_done: int
    copied_at: datetime | None
    copied_by_job: int | None
    manifest_digest: bytes | None
    verification: Verification
    verified_at: datetime | None
    retain_until: datetime | None
    retained_by: str
    decision: str
    decided_by: str
    decided_at: datetime | None
    priority: int
    tries: int
    pinned_by: str
    pinned_until: datetime | None
    pinned_at: datetime | None
    encoding: str
    """As `Encoding.text`; empty: as they are."""
    client: str
    subclient: str
    subclient_id: int
    level: Level
    name: bytes
    fingerprint: str
    cycle: int
    started_at: datetime
    completed_at: datetime
    size_bytes: int
    files: int
    chunks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobValue:
    """One run of an operation."""

    id: int
    operation: Operation
    policy_id: int | None
    policy: str
    copies: tuple[str, ...]
    options: JsonObject
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
class JobItem:
    """One backup job to one copy within a run, when it ended."""

    job_id: int
    backup_job_id: int
    copy_id: int
    outcome: str
    """copied, failed, skipped."""
    reason: str = ""
    size_bytes: int = 0
    seconds: float = 0.0
    ended_at: datetime


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
class RateSampleValue:
    """Bytes that a job had done at a time."""

    at: datetime
    bytes_done: int


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
class RequestValue:
    """What was asked of the service, and what it answered."""

    id: int
    at: datetime
    by: str
    kind: RequestKind
    job_id: int | None
    payload: JsonObject
    state: RequestState
    answer: JsonObject
    answered_at: datetime | None


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
class ObservationValue:
    """An entry of a landing directory that is not adopted yet, and why."""

    subclient_id: int
    name: bytes
    fingerprint: str
    first_seen_at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that a check found, and what to do about it."""

    severity: Severity
    what: str
    hint: str = ""
