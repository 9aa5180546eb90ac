"""What the named queries give: frozen values, with the names of the columns they come from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.catalog.config_values import ClientValue as ClientValue
from engine.catalog.config_values import CommCellValue as CommCellValue
from engine.catalog.config_values import CopyValue as CopyValue
from engine.catalog.config_values import DataPathValue as DataPathValue
from engine.catalog.config_values import LibraryValue as LibraryValue
from engine.catalog.config_values import MediaAgentValue as MediaAgentValue
from engine.catalog.config_values import PolicyValue as PolicyValue
from engine.catalog.config_values import SubclientValue as SubclientValue
from engine.catalog.rule_values import ActivityValue as ActivityValue
from engine.catalog.rule_values import AlertValue as AlertValue
from engine.catalog.rule_values import ScheduleValue as ScheduleValue
from engine.catalog.rule_values import WindowValue as WindowValue
from engine.catalog.running_values import AttemptValue as AttemptValue
from engine.catalog.running_values import EventValue as EventValue
from engine.catalog.running_values import JobErrorValue as JobErrorValue
from engine.catalog.running_values import JobValue as JobValue
from engine.catalog.running_values import RateSampleValue as RateSampleValue
from engine.catalog.running_values import ServiceValue as ServiceValue
from engine.catalog.running_values import StreamValue as StreamValue
from engine.model.states import (
    JobCopyState,
    Level,
    RequestKind,
    RequestState,
    Severity,
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
