"""The tables of jobs and of the bus between consoles and the service; part of `tables`.

The rules of that module hold here too. Import them from there, so that all tables are known.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, Index, LargeBinary
from sqlmodel import Field

from engine.catalog.columns import JsonList, JsonObject, TableRow, big, id_of, own_id, part_of_job


class Job(TableRow, table=True):
    """One run of an operation: the job controller and the job history."""

    __table_args__ = (Index("ix_job_state", "state", "created_at"),)
    id: int = own_id()
    operation: str
    policy_id: int | None = Field(
        default=None, foreign_key="storage_policy.id", ondelete="SET NULL"
    )
    policy: str = ""
    """Its name, kept when the policy is gone."""
    copies: JsonList = Field(default_factory=list, sa_type=JSON)
    """Names of the copies that the run is for."""
    options: JsonObject = Field(default_factory=dict, sa_type=JSON)
    description: str = ""
    state: str
    phase: str = ""
    reason: str = ""
    until: datetime | None = None
    desired: str = "run"
    """What was last asked for: run, suspend, kill. The intent survives a crash."""
    priority: int = 5
    initiated_by: str = ""
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    backup_jobs_total: int = 0
    backup_jobs_done: int = 0
    backup_jobs_failed: int = 0
    backup_jobs_skipped: int = 0
    bytes_total: int = big(default=0)
    bytes_done: int = big(default=0)
    bytes_per_second: int = big(default=0)
    bytes_reused: int = big(default=0)
    """Found synced and hashed in a journal at a restart, and so not read again."""
    seconds_left: int | None = big(default=None)
    streams: int = 0
    streams_limited_by: str = ""
    throttle_bps: int | None = big(default=None)
    attempts: int = 0
    errors: int = 0
    exit_code: int = 0
    epoch: int = 0
    """Run of the service that owns it."""
    updated_at: datetime


class JobPlan(TableRow, table=True):
    """The plan of a run: what was shown before it is its record after it."""

    __tablename__ = "job_plan"
    job_id: int = part_of_job()
    plan: bytes = Field(sa_type=LargeBinary)
    """The plan document of cli.md as zstd-compressed JSON."""


class JobItem(TableRow, table=True):
    """One backup job to one copy within a run, when it ended: what this run copied."""

    __tablename__ = "job_item"
    job_id: int = part_of_job()
    backup_job_id: int = id_of("backup_job.id")
    copy_id: int = Field(foreign_key="policy_copy.id", primary_key=True)
    outcome: str
    """copied, failed, skipped."""
    reason: str = ""
    size_bytes: int = big(default=0)
    seconds: float = 0.0
    ended_at: datetime


class JobError(TableRow, table=True):
    __tablename__ = "job_error"
    id: int | None = Field(default=None, primary_key=True)
    job_id: int = part_of_job(primary_key=False)
    at: datetime
    backup_job_id: int | None = big(default=None)
    copy_name: str = ""
    path: str = ""
    """Already made inert by `shown`."""
    error: str
    hint: str = ""


class Attempt(TableRow, table=True):
    id: int | None = Field(default=None, primary_key=True)
    job_id: int = part_of_job(primary_key=False)
    number: int
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str = ""
    reason: str = ""
    bytes_done: int = big(default=0)


class StreamRow(TableRow, table=True):
    """What each stream of a running job does now; replaced twice a second, gone when it ends."""

    __tablename__ = "stream"
    job_id: int = part_of_job()
    number: int = Field(primary_key=True)
    state: str
    backup_job_id: int | None = big(default=None)
    media_agent: str = ""
    copies: str = ""
    path: str = ""
    """Already made inert by `shown`."""
    file_bytes: int = big(default=0)
    file_bytes_done: int = big(default=0)
    bytes_done: int = big(default=0)
    bytes_per_second: int = big(default=0)


class RateSample(TableRow, table=True):
    """Rate history of a job, for the plot: one a few seconds, thinned at the end."""

    __tablename__ = "rate_sample"
    id: int | None = Field(default=None, primary_key=True)
    job_id: int = part_of_job(primary_key=False)
    at: datetime
    bytes_done: int = big(default=0)


class Event(TableRow, table=True):
    __table_args__ = (Index("ix_event_job", "job_id", "id"),)
    id: int | None = Field(default=None, primary_key=True)
    at: datetime
    severity: str
    code: str
    """Stable, e.g. `job.started`, `library.offline`."""
    job_id: int | None = big(default=None)
    message: str


class Request(TableRow, table=True):
    """What a console or a command line asks of the service; the service answers in place."""

    __table_args__ = (Index("ix_request_state", "state", "id"),)
    id: int | None = Field(default=None, primary_key=True)
    at: datetime
    by: str
    kind: str
    job_id: int | None = big(default=None)
    payload: JsonObject = Field(default_factory=dict, sa_type=JSON)
    state: str = "filed"
    answer: JsonObject = Field(default_factory=dict, sa_type=JSON)
    """`{"job_id": n}` or `{"error": .., "hint": .., "exit_code": n}`."""
    answered_at: datetime | None = None


class ServiceRow(TableRow, table=True):
    """The service that owns this catalog; one row. The flock decides, this only informs."""

    __tablename__ = "service"
    id: int = Field(default=1, primary_key=True)
    epoch: int = 0
    pid: int = 0
    host: str = ""
    boot_id: str = ""
    version: str = ""
    state: str = "stopped"
    started_at: datetime | None = None
    heartbeat_at: datetime | None = None
