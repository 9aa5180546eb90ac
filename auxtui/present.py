"""From values of the catalog to cells: word, sign, tone, bar. Pure; knows no widget and no screen."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import NamedTuple

from auxtui import format as fmt
from auxtui.glyphs import UNICODE, Glyphs
from auxtui.inert import safe
from engine.catalog.live_values import LiveCopy, LiveJobCopy, LiveLibrary
from engine.catalog.running_values import EventValue, JobValue
from engine.model.names import shown
from engine.model.states import JobCopyState, JobState, LibraryState, Operation


class Tone(StrEnum):
    """What a text means; the theme gives it a colour, a sign or a word says it too."""

    PLAIN = "plain"
    MUTED = "muted"
    STRONG = "strong"
    OK = "ok"
    RUN = "run"
    WARN = "warn"
    BAD = "bad"
    KEY = "key"


class Cell(NamedTuple):
    """A piece of text with its meaning."""

    text: str
    tone: Tone = Tone.PLAIN


JOINED = Cell("")
"""In place of a cell: its room belongs to the one before. Known by identity."""
Fact = tuple[str, Cell]
"""A label, and what it is. A label of spaces continues the one above, an empty one takes the whole line."""


class Row(NamedTuple):
    """One line of a table: its key, and a cell for each column."""

    key: Hashable
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How this console shows things: signs, time zone, the present."""

    glyphs: Glyphs = UNICODE
    zone: tzinfo | None = None
    """None: the local zone of the host."""
    zone_name: str = ""
    """Named beside the CommCell when it is not the zone of this host."""
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def time(self, at: datetime | None) -> str:
        """A time as this console shows it."""
        return fmt.moment(at, self.zone, now=self.clock())

    def exact_time(self, at: datetime | None) -> str:
        """As `time`, with seconds on every day."""
        return fmt.moment_to_the_second(at, self.zone, now=self.clock())


_JOB_TONES = {
    JobState.RUNNING: Tone.RUN,
    JobState.COMPLETED: Tone.OK,
    JobState.COMPLETED_WITH_ERRORS: Tone.WARN,
    JobState.PENDING: Tone.WARN,
    JobState.FAILED: Tone.BAD,
    JobState.KILLED: Tone.WARN,
    JobState.SUSPENDED: Tone.WARN,
    JobState.INTERRUPTED: Tone.WARN,
}
_JOB_COPY_TONES = {
    JobCopyState.AVAILABLE: Tone.OK,
    JobCopyState.PARTIALLY_COPIED: Tone.RUN,
    JobCopyState.BAD: Tone.BAD,
    JobCopyState.TO_BE_COPIED: Tone.WARN,
    JobCopyState.DO_NOT_COPY: Tone.MUTED,
    JobCopyState.AGED: Tone.MUTED,
    JobCopyState.DEFERRED: Tone.MUTED,
}
_LIBRARY_TONES = {
    LibraryState.ONLINE: Tone.OK,
    LibraryState.OFFLINE: Tone.BAD,
    LibraryState.FULL: Tone.BAD,
}
OPERATIONS = {
    Operation.AUXCOPY: "Auxiliary copy",
    Operation.BACKUP: "Backup",
    Operation.VERIFICATION: "Verification",
    Operation.AGING: "Data aging",
    Operation.RESTORE: "Restore",
    Operation.SCAN: "Scan",
    Operation.REPAIR: "Repair",
}
PENDING_TEXT = "requested"


def word(state: str) -> str:
    """A state as words."""
    return state.replace("_", " ")


def job_sign(state: str, glyphs: Glyphs) -> str:
    """The sign of a job state."""
    return {
        JobState.RUNNING: glyphs.running,
        JobState.SUSPENDED: glyphs.suspended,
        JobState.INTERRUPTED: glyphs.suspended,
        JobState.COMPLETED: glyphs.done,
        JobState.COMPLETED_WITH_ERRORS: glyphs.warning,
        JobState.PENDING: glyphs.warning,
        JobState.FAILED: glyphs.failed,
        JobState.KILLED: glyphs.killed,
    }.get(JobState(state), glyphs.waiting)


_SHORT_STATES = {JobState.COMPLETED_WITH_ERRORS: "with errors"}


def short_word(state: str) -> str:
    """A state of a job as words for a column."""
    return _SHORT_STATES.get(JobState(state), word(state))


def job_state(job: JobValue, look: Look) -> Cell:
    """Sign and word of a job's state; what was asked for and not done yet is said."""
    text = f"{job_sign(job.state, look.glyphs)} {short_word(job.state)}"
    if not job.state.is_final:
        if job.desired == "kill":
            text = f"{look.glyphs.killed} kill asked"
        elif job.desired == "suspend" and job.state is JobState.RUNNING:
            text = f"{look.glyphs.suspended} suspending"
    return Cell(text, _JOB_TONES.get(job.state, Tone.MUTED))


def bar(done: int, total: int, width: int, glyphs: Glyphs) -> str:
    """A progress bar of text.

    Args:
        done: bytes done.
        total: bytes in all; 0 draws an empty bar.
        width: cells.
        glyphs: the sign set.
    """
    if total <= 0:
        return glyphs.bar_empty * width
    steps = len(glyphs.bar_parts) + 1
    filled = min(max(done, 0), total) * width * steps // total
    full, part = divmod(filled, steps)
    text = glyphs.bar_full * full + (glyphs.bar_parts[part - 1] if part else "")
    return text + glyphs.bar_empty * (width - len(text))


def progress(job: JobValue, look: Look, width: int = 8) -> Cell:
    """Bar and percent of a job; only words where there is nothing to measure."""
    tone = _JOB_TONES.get(job.state, Tone.MUTED)
    if not job.bytes_total:
        return Cell(" " * width + ("   - " if not job.state.is_final else "     "), Tone.MUTED)
    percent = fmt.percent(job.bytes_done, job.bytes_total)
    return Cell(f"{bar(job.bytes_done, job.bytes_total, width, look.glyphs)} {percent:3d}%", tone)


def target_of(job: JobValue, look: Look) -> str:
    """Policy and copies of a job in one text."""
    copies = ", ".join(job.copies)
    return safe(f"{job.policy} {look.glyphs.arrow} {copies}" if copies else job.policy)


def hindered(job: JobValue, look: Look) -> bool:
    """A job of which the reason says more than its rate does."""
    return job.state is not JobState.RUNNING and bool(why(job, look))


def errors_cell(job: JobValue) -> Cell:
    """Number of errors of a job."""
    return Cell(str(job.errors), Tone.BAD if job.errors else Tone.MUTED)


def why(job: JobValue, look: Look) -> str:
    """Why a job is not running, and until when; its phase while it runs."""
    if job.state is JobState.RUNNING:
        return safe(job.phase)
    until = f" until {look.time(job.until)}" if job.until else ""
    return safe(f"{job.reason}{until}")


def job_row(job: JobValue, look: Look) -> Row:
    """A job for the job controller; the order is that of `columns.JOBS`."""
    final = job.state.is_final
    left = "-" if final or job.seconds_left is None else fmt.duration(job.seconds_left)
    flow = (
        Cell(fmt.rate(None if final else job.bytes_per_second)),
        Cell(left),
        Cell(why(job, look), Tone.MUTED),
    )
    if hindered(job, look):
        flow = (Cell(f" {why(job, look)}"), JOINED, JOINED)
    return Row(
        job.id,
        (
            job_state(job, look),
            Cell(str(job.id)),
            Cell(OPERATIONS[job.operation], Tone.MUTED),
            Cell(target_of(job, look)),
            progress(job, look),
            errors_cell(job),
            *flow,
            Cell(f"{fmt.size(job.bytes_done)} of {fmt.size(job.bytes_total)}"),
            Cell(str(job.priority), Tone.MUTED),
            Cell(safe(job.initiated_by), Tone.MUTED),
        ),
    )


def history_row(job: JobValue, look: Look) -> Row:
    """A job for the job history; the order is that of `columns.HISTORY`."""
    end = job.ended_at or look.clock()
    took = (end - job.started_at).total_seconds() if job.started_at else None
    return Row(
        job.id,
        (
            job_state(job, look),
            Cell(str(job.id)),
            Cell(OPERATIONS[job.operation], Tone.MUTED),
            Cell(target_of(job, look)),
            Cell(look.time(job.ended_at or job.started_at or job.created_at)),
            Cell(fmt.duration(took)),
            Cell(fmt.size(job.bytes_done)),
            Cell(f"{job.backup_jobs_done}/{job.backup_jobs_total}"),
            errors_cell(job),
            Cell(safe(job.reason)),
            Cell(safe(job.initiated_by), Tone.MUTED),
        ),
    )


def job_copy_sign(state: str, glyphs: Glyphs) -> str:
    """The sign of a line of the ledger."""
    return {
        JobCopyState.AVAILABLE: glyphs.done,
        JobCopyState.PARTIALLY_COPIED: glyphs.running,
        JobCopyState.BAD: glyphs.failed,
        JobCopyState.TO_BE_COPIED: glyphs.warning,
        JobCopyState.DO_NOT_COPY: glyphs.killed,
    }.get(JobCopyState(state), glyphs.waiting)


def job_copy_state(state: str, look: Look) -> Cell:
    """Sign and word of a line of the ledger."""
    return Cell(
        f"{job_copy_sign(state, look.glyphs)} {word(state)}", _JOB_COPY_TONES[JobCopyState(state)]
    )


def job_copy_why(line: LiveJobCopy) -> str:
    """Reason and next step of a line of the ledger in one text."""
    parts = [part for part in (line.reason, line.next_step) if part]
    if not parts and line.copied_by_job:
        parts = [f"copied by job {line.copied_by_job}"]
    return safe("; ".join(parts))


def chunks_words(line: LiveJobCopy) -> str:
    """How many chunks there are; of what is there in part, how many of them are copied."""
    if line.state == JobCopyState.PARTIALLY_COPIED:
        return f"{line.chunks_done}/{line.chunks}"
    return str(line.chunks)


def job_copy_row(line: LiveJobCopy, look: Look) -> Row:
    """A line of the ledger; the order is that of `columns.LEDGER`."""
    return Row(
        line.backup_job_id,
        (
            job_copy_state(line.state, look),
            Cell(str(line.backup_job_id)),
            Cell(safe(f"{line.client}/{line.subclient}")),
            Cell(safe(line.level), Tone.MUTED),
            Cell(fmt.size(line.size_bytes)),
            Cell(look.time(line.started_at)),
            Cell(job_copy_why(line)),
            Cell(shown(line.name), Tone.MUTED),
            Cell(chunks_words(line), Tone.MUTED),
            Cell(look.time(line.copied_at)),
            Cell(safe(line.verification), Tone.MUTED),
        ),
    )


def copy_state(copy: LiveCopy, look: Look) -> Cell:
    """How a copy is, in a few words; the worst thing first."""
    counts, glyphs = copy.counts, look.glyphs
    bad = counts.of(JobCopyState.BAD)
    if not copy.active:
        return Cell(f"{glyphs.killed} inactive", Tone.MUTED)
    if bad:
        return Cell(f"{glyphs.failed} {bad:,} bad", Tone.BAD)
    if copy.standing is not None and copy.standing.is_behind:
        return Cell(f"{glyphs.failed} fallen behind", Tone.BAD)
    if counts.owed:
        return Cell(f"{glyphs.warning} {counts.owed:,} to copy", Tone.WARN)
    if not counts.by_state:
        return Cell(f"{glyphs.waiting} empty", Tone.MUTED)
    return Cell(f"{glyphs.done} up to date", Tone.OK)


def copy_row(copy: LiveCopy, look: Look, *, with_policy: bool) -> Row:
    """A copy; the order is that of `columns.COPIES`."""
    counts = copy.counts
    name = f"{copy.policy} / {copy.name}" if with_policy else copy.name
    oldest = counts.oldest_owed_at
    lag = fmt.age(look.clock() - oldest) if oldest else "-"
    return Row(
        ("copy", copy.id),
        (
            Cell(safe(name)),
            copy_state(copy, look),
            Cell(f"{counts.owed:,}", Tone.WARN if counts.owed else Tone.MUTED),
            Cell(fmt.size(counts.owed_bytes) if counts.owed else "-"),
            Cell(lag),
            Cell(f"{counts.of(JobCopyState.AVAILABLE):,}"),
            Cell(safe(copy.library) or "landing directories", Tone.MUTED),
            Cell(safe(copy.kind), Tone.MUTED),
            Cell(safe(copy.source) or "-", Tone.MUTED),
        ),
    )


def library_sign(state: str, glyphs: Glyphs) -> str:
    """The sign of a library, landing directory or probe."""
    return {
        LibraryState.ONLINE: glyphs.done,
        LibraryState.OFFLINE: glyphs.failed,
        LibraryState.FULL: glyphs.failed,
    }.get(LibraryState(state), glyphs.unknown)


def library_state(state: str, look: Look) -> Cell:
    """Sign and word of a library's state."""
    text = "not looked at yet" if state == LibraryState.UNKNOWN else word(state)
    return Cell(
        f"{library_sign(state, look.glyphs)} {text}",
        _LIBRARY_TONES.get(LibraryState(state), Tone.MUTED),
    )


def library_row(library: LiveLibrary, look: Look) -> Row:
    """A library; the order is that of `columns.LIBRARIES`."""
    total, free = library.total_bytes, library.free_bytes
    reason = Cell(safe(library.state_reason))
    room = (Cell(" " * 10 + "   - ", Tone.MUTED), Cell(fmt.size(free)), reason)
    if total and free is not None:
        used = fmt.percent(total - free, total)
        tone = Tone.BAD if used >= 98 else Tone.WARN if used >= 90 else Tone.PLAIN
        shape = bar(total - free, total, 10, look.glyphs)
        room = (Cell(f"{shape} {used:3d}%", tone), *room[1:])
    elif reason.text:
        room = (reason, JOINED, JOINED)
    return Row(
        ("library", library.id),
        (
            Cell(safe(library.name)),
            library_state(library.state, look),
            *room,
            Cell(safe(library.url), Tone.MUTED),
            Cell(safe(", ".join(library.media_agents)), Tone.MUTED),
        ),
    )


_SEVERITY_TONES = {"error": Tone.BAD, "warning": Tone.WARN}


def event_row(event: EventValue, look: Look) -> Row:
    """A line of the event log; the order is that of `columns.EVENTS`."""
    sign = {"error": look.glyphs.failed, "warning": look.glyphs.warning}.get(event.severity, " ")
    return Row(
        event.id,
        (
            Cell(look.time(event.at), Tone.MUTED),
            Cell(f"{sign} {event.severity}", _SEVERITY_TONES.get(event.severity, Tone.MUTED)),
            Cell(str(event.job_id or "")),
            Cell(safe(event.message)),
            Cell(safe(event.code), Tone.MUTED),
        ),
    )
