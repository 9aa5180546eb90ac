"""All that is known of one job: its plan, its attempts, its errors; for people and as a document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auxtui import format as fmt
from auxtui.cli.output import say, write_facts
from auxtui.cli.plans import summary, totals
from auxtui.cli.times import Times
from auxtui.cli.waiting import error_line
from engine.catalog.live_documents import iso, job_document
from engine.catalog.running_values import JobValue
from engine.catalog.values import AttemptValue, JobErrorValue
from engine.model.states import Operation

if TYPE_CHECKING:
    from engine.catalog.live import LiveCatalog


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job and what belongs to it."""

    job: JobValue
    errors: tuple[JobErrorValue, ...]
    attempts: tuple[AttemptValue, ...]
    plan: dict[str, Any] | None

    @property
    def has_plan(self) -> bool:
        """A plan of backup jobs; other operations keep other things in its place."""
        return "backup_jobs" in (self.plan or {})


def record_document(record: JobRecord, *, with_lines: bool) -> dict[str, Any]:
    """The job as a document; its number of attempts stays under `attempts`.

    Args:
        record: the job.
        with_lines: the plan with each backup job; else only its totals.
    """
    plan = (record.plan or {}) if record.has_plan else None
    return {
        **job_document(record.job, record.errors),
        "attempt_list": [
            {
                "number": attempt.number,
                "started_at": iso(attempt.started_at),
                "ended_at": iso(attempt.ended_at),
                "outcome": attempt.outcome,
                "reason": attempt.reason,
                "bytes_done": attempt.bytes_done,
            }
            for attempt in record.attempts
        ],
        "plan": plan if plan is None or with_lines else summary(plan),
    }


def copy_limits(live: LiveCatalog, job: JobValue) -> dict[str, int]:
    """The throttles of the copies of a job that hold now, in bytes per second."""
    from engine.model.clock import system_clock
    from engine.policy.throttling import rate_at, timetable_from

    if job.operation != Operation.AUXCOPY or job.state.is_final:
        return {}
    zone, now, found = live.time_zone(), system_clock(), {}
    for copy, (limit_bps, rows) in live.throttles(job.policy).items():
        timetable = timetable_from(throttle_bps=limit_bps, rows=rows, time_zone=zone)
        rate_bps = rate_at(timetable, now)
        if rate_bps is not None and copy in job.copies:
            found[copy] = rate_bps
    return found


def show_record(record: JobRecord, times: Times, limits: Mapping[str, int]) -> None:
    """Prints what a person asks first, then attempts and errors."""
    job = record.job
    plan = totals(record.plan or {}) if record.has_plan else []
    write_facts(
        [
            *_what(job, times),
            *(("plan" if line == plan[0] else " ", line) for line in plan),
            *_progress(job, limits),
            *_attempts(record.attempts, times),
            ("errors", job.errors),
        ]
    )
    for error in record.errors:
        say(error_line(error))


def _alert(job: JobValue) -> str:
    """Who is told of this job, and when."""
    from auxtui.run_fields import ALERT_TIMES

    words = {when: text for text, when in ALERT_TIMES}
    name = str(job.options.get("alert", ""))
    return f"{name}, when it {words[job.options['alert_when']]}" if name else ""


def _what(job: JobValue, times: Times) -> list[tuple[str, Any]]:
    return [
        ("job", job.id),
        ("operation", job.operation),
        ("policy", job.policy),
        ("copies", ", ".join(job.copies)),
        ("state", job.state.replace("_", " ")),
        ("phase", job.phase),
        ("reason", job.reason),
        ("until", f"{times.exact(job.until)} {times.zone_name}" if job.until else "-"),
        ("priority", job.priority),
        ("description", job.description),
        ("alert", _alert(job)),
        ("initiated by", job.initiated_by),
        ("created", times.named(job.created_at)),
        ("started", times.named(job.started_at)),
        ("ended", times.named(job.ended_at)),
    ]


def _progress(job: JobValue, limits: Mapping[str, int]) -> list[tuple[str, Any]]:
    share = f" ({fmt.percent(job.bytes_done, job.bytes_total)} %)" if job.bytes_total else ""
    at_end = " at its end" if job.state.is_final else ""
    limited_by = f", limited by {job.streams_limited_by}" if job.streams_limited_by else ""
    return [
        (
            "backup jobs",
            f"{job.backup_jobs_done} of {job.backup_jobs_total} done, "
            f"{job.backup_jobs_failed} failed, {job.backup_jobs_skipped} skipped",
        ),
        ("size", f"{fmt.size(job.bytes_done)} of {fmt.size(job.bytes_total)}{share}"),
        ("not read again", fmt.size(job.bytes_reused) if job.bytes_reused else ""),
        ("rate", fmt.rate(job.bytes_per_second)),
        ("left", fmt.duration(job.seconds_left)),
        ("throttle", _throttle(job, limits)),
        ("streams", f"{job.streams}{at_end}{limited_by}" if job.streams else ""),
    ]


def _throttle(job: JobValue, limits: Mapping[str, int]) -> str:
    """Whose limits hold: those of the job and of its copies, which hold together."""
    several = job.operation == Operation.AUXCOPY and len(job.copies) > 1
    counts = " (counts what is read; the rate, what is written to each copy)" if several else ""
    if not limits:
        return f"{fmt.limit(job.throttle_bps)}{counts if job.throttle_bps else ''}"
    own = [f"{fmt.rate(job.throttle_bps)} of the job{counts}"] if job.throttle_bps else []
    return "; ".join([*own, *(f"{fmt.rate(bps)} of copy {name}" for name, bps in limits.items())])


def _attempts(attempts: Iterable[AttemptValue], times: Times) -> list[tuple[str, Any]]:
    facts: list[tuple[str, Any]] = []
    for attempt in attempts:
        end = f" to {times.exact(attempt.ended_at)}" if attempt.ended_at else ""
        outcome = attempt.outcome.replace("_", " ") or "running"
        reason = f": {attempt.reason}" if attempt.reason else ""
        text = f"{times.exact(attempt.started_at)}{end} {times.zone_name}, {outcome}{reason}"
        facts.append((f"attempt {attempt.number}", text))
    return facts
