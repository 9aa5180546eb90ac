"""A job in detail as facts; pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from auxtui import format as fmt
from auxtui.fitting import fit
from auxtui.glyphs import Glyphs
from auxtui.inert import safe
from auxtui.plots import Chart, Series
from auxtui.present import (
    OPERATIONS,
    Cell,
    Fact,
    Look,
    Row,
    Tone,
    bar,
    job_state,
    library_state,
    target_of,
    why,
)
from engine.catalog.live_values import Estate, LiveItem
from engine.catalog.running_values import (
    AttemptValue,
    JobErrorValue,
    JobValue,
    RateSampleValue,
    StreamValue,
)
from engine.model.states import JobState, Operation, StreamState

PLOT_CELLS = 40
BESIDE_LINE = 13  # cells: the label, and what is kept free around


def _throttle(job: JobValue) -> str:
    own = f"{fmt.rate(job.throttle_bps)} of the job" if job.throttle_bps else "none of the job"
    if job.operation is not Operation.AUXCOPY:
        return own
    if job.throttle_bps and len(job.copies) > 1:
        own += " counts what is read, the rate what is written to each copy"
    return f"{own}; those of its copies hold too"


def general_facts(job: JobValue, look: Look) -> list[Fact]:
    """What a job is, how it is, why."""
    state = job_state(job, look)
    if job.state is JobState.RUNNING and job.phase:
        state = Cell(f"{state.text}: {safe(job.phase)}", state.tone)
    until = f", until {look.time(job.until)}" if job.until else ""
    facts: list[Fact] = [
        ("State", state),
        ("Operation", Cell(OPERATIONS[job.operation])),
        ("Policy and copies", Cell(target_of(job, look))),
        ("Backup jobs", Cell(_backup_jobs(job))),
        ("Started by", Cell(f"{safe(job.initiated_by) or '-'}, {look.time(job.created_at)}")),
        ("Ran", Cell(_ran(job, look))),
        ("Priority", Cell(f"{job.priority} (0 first, 9 last)")),
        ("Throttle", Cell(_throttle(job))),
        ("Errors", Cell(f"{job.errors}; left shows them", Tone.BAD) if job.errors else Cell("0")),
    ]
    if job.reason or until:
        facts.insert(1, ("Why", Cell(safe(job.reason) + until)))
    if job.description:
        facts.insert(-8, ("Description", Cell(safe(job.description))))
    options = _option_words(job)
    return [*facts, ("Options", Cell(options, Tone.MUTED))] if options else facts


def line_facts(job: JobValue | None, look: Look, width: int) -> list[Fact]:
    """A job in two lines above a list, which may be too narrow for most of it.

    Args:
        job: None while it is not known.
        look: how this console shows things.
        width: cells of the screen; what is longer is cut, so that the list stays where it is.
    """
    if job is None:
        return [("This one", Cell("-")), (" ", Cell(""))]
    target = target_of(job, look)
    operation = OPERATIONS[job.operation]
    said = why(job, look)
    if job.state is JobState.RUNNING:
        said = f"phase {said}" if said else ""
    done = f"{_backup_jobs(job)}; {fmt.size(job.bytes_total)}" if job.bytes_total else ""
    order = "" if job.state.is_final else f"priority {job.priority}"
    parts = (said, done, order, safe(job.initiated_by))
    what = f"{job.id}: {operation}{' of ' if target else ''}{target}"
    lines = (what, "; ".join(filter(None, parts)))
    first, second = (_cut(line, width - BESIDE_LINE, look) for line in lines)
    return [("This one", Cell(first)), (" ", Cell(second, Tone.MUTED))]


def _cut(text: str, width: int, look: Look) -> str:
    return fit(text, max(1, width), ellipsis=look.glyphs.ellipsis).rstrip()


def _backup_jobs(job: JobValue) -> str:
    parts = [f"{job.backup_jobs_done} of {job.backup_jobs_total} done"]
    if job.backup_jobs_failed:
        parts.append(f"{job.backup_jobs_failed} failed")
    if job.backup_jobs_skipped:
        parts.append(f"{job.backup_jobs_skipped} skipped")
    return ", ".join(parts)


def _ran(job: JobValue, look: Look) -> str:
    if job.started_at is None:
        return "not started yet"
    end = job.ended_at or look.clock()
    took = fmt.duration((end - job.started_at).total_seconds())
    ended = f" to {look.time(job.ended_at)}" if job.ended_at else ""
    return f"{look.time(job.started_at)}{ended}, {took}, {fmt.count(job.attempts, 'attempt')}"


_OPTION_WORDS = {
    "scalable": "Scalable Resource Allocation",
    "streams": "streams asked for",
    "source_media_agent": "source MediaAgent",
    "jobs_to_process": "jobs to process",
    "retries": "retries",
    "skip_failed_verification": "skip failed verification",
    "alert": "alert",
    "alert_when": "told when the job",
}


_NOTHING_SAID = {"source_media_agent": "any", "alert": "nobody"}


def _option_words(job: JobValue) -> str:
    """The options in one text: eight lines of them would leave no room for the list on 24 lines."""
    parts: list[str] = []
    for name, label in _OPTION_WORDS.items():
        if name not in job.options or (name == "alert_when" and not job.options["alert"]):
            continue
        value = job.options[name]
        if isinstance(value, bool):
            text = "yes" if value else "no"
        elif value in (None, ""):
            text = _NOTHING_SAID.get(name, "maximum")
        else:
            text = safe(str(value))
        parts.append(f"{label} {text}")
    return "; ".join(parts)


def progress_facts(
    job: JobValue, samples: Sequence[RateSampleValue], look: Look, *, width: int
) -> list[Fact]:
    """How far a job is, how fast, and when it will be done.

    Args:
        job: the job.
        samples: its rate history.
        look: signs and time zone.
        width: cells for the bar, 10 or more.
    """
    percent = fmt.percent(job.bytes_done, job.bytes_total)
    shape = bar(job.bytes_done, job.bytes_total, min(width, 60), look.glyphs)
    running = job.state is JobState.RUNNING
    facts: list[Fact] = [
        ("State", job_state(job, look)),
        ("Progress", Cell(f"{shape} {percent}%", Tone.RUN)),
        ("Bytes", Cell(f"{fmt.size(job.bytes_done)} of {fmt.size(job.bytes_total)}")),
        ("Backup jobs", Cell(_backup_jobs(job))),
    ]
    if job.bytes_reused:
        text = f"{fmt.size(job.bytes_reused)} found finished in a journal, not read again"
        facts.append(("Restart", Cell(text)))
    if running:
        left = fmt.duration(job.seconds_left) if job.seconds_left is not None else "not known yet"
        facts += [("Rate", Cell(fmt.rate(job.bytes_per_second))), ("Time left", Cell(left))]
    elif job.ended_at and job.started_at:
        seconds = max(1.0, (job.ended_at - job.started_at).total_seconds())
        facts.append(("Mean rate", Cell(fmt.rate(int(job.bytes_done / seconds)))))
    rates = sample_rates(samples)
    if len(rates) > 1:
        plot = sparkline(rates, PLOT_CELLS, look.glyphs)
        facts.append(("Rate history", Cell(f"{plot} up to {fmt.rate(int(max(rates)))}", Tone.RUN)))
    return facts


def sparkline(values: Sequence[float], width: int, glyphs: Glyphs) -> str:
    """The last `width` values as one line of heights."""
    chosen = values[-width:]
    top = max(chosen, default=0)
    if top <= 0:
        return ""
    steps = len(glyphs.spark) - 1
    return "".join(glyphs.spark[max(0, min(steps, round(v / top * steps)))] for v in chosen)


def sample_rates(samples: Sequence[RateSampleValue]) -> list[float]:
    """Bytes per second between the samples; never negative."""
    rates: list[float] = []
    for before, after in pairwise(samples):
        seconds = (after.at - before.at).total_seconds()
        if seconds > 0:
            rates.append(max(0.0, (after.bytes_done - before.bytes_done) / seconds))
        else:
            rates.append(0.0)
    return rates


def rate_chart(samples: Sequence[RateSampleValue]) -> Chart:
    """The rate history of a job as a plot."""
    series = Series(
        name="rate", at=tuple(s.at for s in samples[1:]), values=tuple(sample_rates(samples))
    )
    return Chart(title="Rate", series=(series,), is_rate=True)


def media_rows(job: JobValue, estate: Estate | None, look: Look) -> list[Row]:
    """Where a job writes: each copy with its library; the order is that of `columns.MEDIA`."""
    if estate is None:
        return []
    libraries = {library.id: library for library in estate.libraries}
    rows: list[Row] = []
    for copy in estate.copies():
        library = libraries.get(copy.library_id) if copy.library_id is not None else None
        if copy.policy != job.policy or copy.name not in job.copies or library is None:
            continue
        rows.append(
            Row(
                copy.id,
                (
                    Cell(safe(copy.name)),
                    Cell(safe(library.name)),
                    library_state(library.state, look),
                    Cell(fmt.size(library.free_bytes)),
                    Cell(str(library.writers)),
                    Cell(safe(", ".join(library.media_agents))),
                    Cell(safe(library.url), Tone.MUTED),
                ),
            )
        )
    return rows


def streams_facts(job: JobValue) -> list[Fact]:
    """How many streams, and what limits them; of a job that has ended, as it was told last."""
    number = fmt.count(job.streams, "stream") if job.streams else "no stream now"
    if job.state.is_final and job.streams:
        number += " at its end; it may have had more"
    facts: list[Fact] = [("Streams", Cell(number, Tone.STRONG))]
    if job.streams_limited_by:
        facts.append(("Why so many", Cell(f"limited by: {safe(job.streams_limited_by)}")))
    asked = job.options.get("streams")
    if asked:
        facts.append(("Asked for", Cell(str(asked))))
    return facts


def stream_row(stream: StreamValue, look: Look) -> Row:
    """A stream of a running job; the order is that of `columns.STREAMS`."""
    tone = {
        StreamState.COPYING: Tone.RUN,
        StreamState.SYNCING: Tone.RUN,
        StreamState.THROTTLED: Tone.WARN,
        StreamState.FAILED: Tone.BAD,
    }.get(stream.state, Tone.MUTED)
    sign = look.glyphs.running if tone is Tone.RUN else look.glyphs.waiting
    shape = bar(stream.file_bytes_done, stream.file_bytes, 10, look.glyphs)
    percent = fmt.percent(stream.file_bytes_done, stream.file_bytes)
    return Row(
        stream.number,
        (
            Cell(str(stream.number)),
            Cell(f"{sign} {stream.state}", tone),
            Cell(f"{shape} {percent:3d}%" if stream.file_bytes else "", tone),
            Cell(fmt.rate(stream.bytes_per_second)),
            Cell(str(stream.backup_job_id or "-")),
            Cell(safe(stream.path)),
            Cell(safe(stream.copies), Tone.MUTED),
            Cell(fmt.size(stream.bytes_done)),
            Cell(safe(stream.media_agent), Tone.MUTED),
        ),
    )


def attempt_row(attempt: AttemptValue, look: Look) -> Row:
    """An attempt; the order is that of `columns.ATTEMPTS`."""
    return Row(
        attempt.number,
        (
            Cell(str(attempt.number)),
            Cell(safe(attempt.outcome).replace("_", " ") or "under way"),
            Cell(look.exact_time(attempt.started_at)),
            Cell(look.exact_time(attempt.ended_at)),
            Cell(fmt.size(attempt.bytes_done)),
            Cell(safe(attempt.reason)),
        ),
    )


def error_row(error: JobErrorValue, look: Look) -> Row:
    """An error; the order is that of `columns.ERRORS`."""
    return Row(
        error.id,
        (
            Cell(look.time(error.at), Tone.MUTED),
            Cell(str(error.backup_job_id or "-")),
            Cell(safe(error.copy_name), Tone.MUTED),
            Cell(safe(error.error), Tone.BAD),
            Cell(safe(error.hint)),
        ),
    )


def item_row(item: LiveItem, look: Look) -> Row:
    """What a run did with a backup job; the order is that of `columns.ITEMS`."""
    tone = {"copied": Tone.OK, "failed": Tone.BAD}.get(item.outcome, Tone.MUTED)
    return Row(
        (item.backup_job_id, item.copy),
        (
            Cell(str(item.backup_job_id)),
            Cell(safe(item.outcome), tone),
            Cell(safe(item.copy)),
            Cell(safe(f"{item.client}/{item.subclient}")),
            Cell(fmt.size(item.size_bytes)),
            Cell(fmt.duration(item.seconds)),
            Cell(look.time(item.ended_at)),
            Cell(safe(item.reason)),
        ),
    )
