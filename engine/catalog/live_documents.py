"""Live values as the JSON documents of the command line: stable keys, bytes as integers, ISO times."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from engine.catalog.live_values import LiveJobCopy
from engine.catalog.running_values import JobErrorValue, JobValue
from engine.catalog.watch_values import AlarmValue, AlertMessageValue, CopyStanding
from engine.model.encoding import encoding_from_text
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
    encoding = encoding_from_text(line.encoding)
    return {
        **document,
        "name": shown(line.name),
        "compression": encoding.compression,
        "encrypt_to": list(encoding.encrypt_to),
        "bytes": line.size_bytes,
        "started_at": iso(line.started_at),
        "completed_at": iso(line.completed_at),
        "copied_at": iso(line.copied_at),
        "verified_at": iso(line.verified_at),
        "retain_until": iso(line.retain_until),
        "decided_at": iso(line.decided_at),
    }


def standing_document(policy: str, copy: str, standing: CopyStanding) -> dict[str, Any]:
    """How a copy stands, as `auxtui forecast --json` prints it."""
    return {
        "policy": policy,
        "copy": copy,
        "backup_jobs_owed": standing.owed_jobs,
        "bytes_owed": standing.owed_bytes,
        "oldest_due_at": iso(standing.oldest_due_at),
        "fallen_behind": standing.is_behind,
        "behind_since": iso(standing.behind_since),
        "behind_reasons": list(standing.behind_reasons),
        "bytes_per_second": standing.rate_bps,
        "income_bytes_per_second": standing.income_bps,
        "known": standing.is_known,
        "never": standing.is_known and standing.caught_up_at is None,
        "caught_up_at": iso(standing.caught_up_at),
        "earliest_at": iso(standing.earliest_at),
        "latest_at": iso(standing.latest_at),
        "forecast": standing.forecast,
        "measured_at": iso(standing.at),
    }


def alarm_document(alarm: AlarmValue) -> dict[str, Any]:
    """An alarm, as `auxtui alert list --json` prints it."""
    return {
        "alarm_id": alarm.id,
        "kind": alarm.kind,
        "about": alarm.about,
        "severity": alarm.severity,
        "message": alarm.message,
        "hint": alarm.hint,
        "job_id": alarm.job_id,
        "policy": alarm.policy,
        "times": alarm.times,
        "first_at": iso(alarm.first_at),
        "last_at": iso(alarm.last_at),
        "cleared_at": iso(alarm.cleared_at),
    }


def alert_message_document(message: AlertMessageValue) -> dict[str, Any]:
    """A message of the outbox, as `auxtui alert list --json` prints it."""
    return {
        "message_id": message.id,
        "alert": message.alert,
        "step": message.step,
        "kind": message.content.get("kind", ""),
        "about": message.content.get("about", ""),
        "message": message.content.get("message", ""),
        "state": message.state,
        "filed_at": iso(message.filed_at),
        "next_try_at": iso(message.next_try_at) if message.state == "waiting" else None,
        "sent_at": iso(message.sent_at),
        "tries": message.tries,
        "error": message.error,
    }
