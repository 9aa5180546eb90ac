"""Waits for a job and shows its progress; the job never depends on the one who waits."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from auxtui import format as fmt
from auxtui.cli.output import is_plain, say, tell, write_json
from auxtui.inert import safe
from engine.model.errors import (
    EXIT_FAILED,
    EXIT_KILLED,
    EXIT_OK,
    EXIT_TRY_LATER,
    EXIT_USAGE,
    ServiceError,
)
from engine.model.states import JobState

if TYPE_CHECKING:
    from auxtui.cli.terms import Terms
    from engine.catalog.running_values import JobValue
    from engine.catalog.values import JobErrorValue

POLL_S = 0.1
TEN_PERCENT = 10


def job_line(job: JobValue) -> str:
    """A job in one line: state, progress, rate, time left, reason."""
    parts = [f"job {job.id}", job.state.replace("_", " ")]
    if job.state == JobState.RUNNING and job.phase:
        parts.append(job.phase)
    if job.bytes_total:
        share = fmt.percent(job.bytes_done, job.bytes_total)
        parts.append(f"{share} %  {fmt.size(job.bytes_done)} of {fmt.size(job.bytes_total)}")
    if job.bytes_per_second and job.state == JobState.RUNNING:
        parts.append(fmt.rate(job.bytes_per_second))
    if job.seconds_left is not None and job.state == JobState.RUNNING:
        parts.append(f"{fmt.duration(job.seconds_left)} left")
    line = "  ".join(parts)
    return safe(f"{line}: {job.reason}" if job.reason else line)


class Progress:
    """Progress on standard error: one line that changes on a terminal, else a line per step."""

    def __init__(self) -> None:
        self._is_plain = is_plain(sys.stderr)
        self._last: tuple[object, ...] = ()
        self._width = 0

    def show(self, job: JobValue) -> None:
        """Shows a job that has changed."""
        line = job_line(job)
        if not self._is_plain:
            sys.stderr.write(f"\r{line.ljust(self._width)}")
            sys.stderr.flush()
            self._width = len(line)
            return
        share = fmt.percent(job.bytes_done, job.bytes_total) // TEN_PERCENT
        step = (job.state, job.phase, job.reason, share)
        if step != self._last:
            self._last = step
            sys.stderr.write(f"{line}\n")

    def end(self) -> None:
        """Leaves the line as it stands."""
        if self._width:
            sys.stderr.write("\n")
            self._width = 0


def follow(
    terms: Terms, job_id: int, on_change: Callable[[JobValue], None], *, here: bool = False
) -> JobValue:
    """Waits until a job has ended; a service that died meanwhile is started again.

    Args:
        terms: whose CommCell.
        job_id: the job.
        on_change: called with the job each time that it has changed.
        here: the service is inside this program and is never started anew.

    Raises:
        NotFoundError: there is no such job.
        ServiceError: the service inside this program was stopped first.
    """
    from engine.control.lock import is_held

    last: JobValue | None = None
    with terms.live() as live:
        while True:
            job = live.job(job_id)
            if job != last:
                on_change(job)
                last = job
            if job.state.is_final:
                return job
            if not is_held(terms.home.service_lock):
                if here:
                    raise ServiceError(
                        f"the service was stopped before job {job_id} had ended",
                        hint=f"it goes on where it was with: auxtui job wait {job_id}",
                    )
                from engine.control import frontdoor

                frontdoor.ensure_service(terms.home)
            time.sleep(POLL_S)


def wait_and_report(terms: Terms, job_id: int, *, here: bool = False) -> int:
    """Waits with progress, prints the job, returns the exit code that its end means."""
    progress = Progress()
    show = (lambda _: None) if terms.as_json else progress.show
    try:
        job = follow(terms, job_id, show, here=here)
    except KeyboardInterrupt:
        progress.end()
        tell(f"job {job_id} goes on without you; see it with: auxtui job wait {job_id}")
        return EXIT_TRY_LATER
    progress.end()
    report_job(terms, job)
    return exit_code_of(job)


def report_job(terms: Terms, job: JobValue) -> None:
    """Prints a job that has ended."""
    with terms.live() as live:
        errors = live.errors(job.id) if job.errors else ()
    if terms.as_json:
        from engine.catalog.live_documents import job_document

        write_json(job_document(job, errors))
        return
    say(ended_line(job))
    for error in errors:
        tell(error_line(error))


def ended_line(job: JobValue) -> str:
    """How a job ended; of one that failed as a whole nothing is counted that failed in it."""
    parts = [f"{fmt.count(job.backup_jobs_done, 'backup job')}, {fmt.size(job.bytes_done)}"]
    if job.state is not JobState.FAILED or job.backup_jobs_failed or job.backup_jobs_skipped:
        parts.append(f"{job.backup_jobs_failed} failed, {job.backup_jobs_skipped} skipped")
    if job.reason:
        parts.append(job.reason)
    return f"job {job.id} {job.state.replace('_', ' ')}: {'; '.join(parts)}"


def error_line(error: JobErrorValue) -> str:
    """An error of a job in one line."""
    where = f"backup job {error.backup_job_id}: " if error.backup_job_id else ""
    copy = f"{error.copy_name}: " if error.copy_name else ""
    is_named = not error.path or error.path.partition(" [")[0] in error.error  # [from-to)
    path = "" if is_named else f"{error.path}: "
    hint = f"; {error.hint}" if error.hint else ""
    return f"{where}{copy}{path}{error.error}{hint}"


def exit_code_of(job: JobValue) -> int:
    """The exit code that the state of a job means."""
    match job.state:
        case JobState.COMPLETED:
            return EXIT_OK
        case JobState.KILLED:
            return EXIT_KILLED
        case JobState.FAILED if job.exit_code in (EXIT_TRY_LATER, EXIT_USAGE):
            return job.exit_code  # offline now, or refused before anything was changed
        case JobState.FAILED | JobState.COMPLETED_WITH_ERRORS:
            return EXIT_FAILED
        case _:
            return EXIT_TRY_LATER
