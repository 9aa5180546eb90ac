"""Live values as the JSON documents of the command line: stable keys, bytes as integers, ISO times."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from engine.catalog.live_values import LiveJobCopy
from engine.catalog.values import JobErrorValue, JobValue
from engine.model.names import shown

_JOB_KEYS = [
    "operation",
    "policy",
    "state",
    "phase",
    "reason",
    "priority",
    "initiated_by",
    "backup_jobs_total",
    "backup_jobs_done",
    "backup_jobs_failed",
    "backup_jobs_skipped",
    "bytes_total",
    "bytes_done",
    "bytes_per_second",
    "bytes_reused",
    "seconds_left",
    "streams",
    "streams_limited_by",
    "throttle_bps",
    "attempts",
    "description",
]
_JOB_COPY_KEYS = [
    "backup_job_id",
    "client",
    "subclient",
    "level",
    "state",
    "reason",
    "next_step",
    "files",
    "chunks",
    "chunks_done",
    "bytes_done",
    "verification",
    "retained_by",
    "copied_by_job",
    "decision",
    "decided_by",
    "priority",
    "tries",
]


def iso(moment: datetime | None) -> str | None:
    """A time as ISO 8601 with offset."""
    return None if moment is None else moment.isoformat()


def error_document(error: JobErrorValue) -> dict[str, Any]:
    """One of the `errors` of a job."""
    return {
        "backup_job_id": error.backup_job_id,
        "copy": error.copy_name,
        "path": error.path,
        "error": error.error,
        "hint": error.hint,
        "at": iso(error.at),
    }


def job_document(job: JobValue, errors: Iterable[JobErrorValue] = ()) -> dict[str, Any]:
    """A job, as `auxtui job show --json` prints it."""
    document = {key: getattr(job, key) for key in _JOB_KEYS}
    return {
        "job_id": job.id,
        **document,
        "copies": list(job.copies),
        "until": iso(job.until),
        "created_at": iso(job.created_at),
        "started_at": iso(job.started_at),
        "ended_at": iso(job.ended_at),
        "errors_total": job.errors,
        "errors": [error_document(error) for error in errors],
    }


def job_copy_document(line: LiveJobCopy) -> dict[str, Any]:
    """One line of the ledger, as `auxtui copies --json` prints it."""
    document = {key: getattr(line, key) for key in _JOB_COPY_KEYS}
    return {
        **document,
        "name": shown(line.name),
        "bytes": line.size_bytes,
        "started_at": iso(line.started_at),
        "completed_at": iso(line.completed_at),
        "copied_at": iso(line.copied_at),
        "verified_at": iso(line.verified_at),
        "retain_until": iso(line.retain_until),
        "decided_at": iso(line.decided_at),
    }
