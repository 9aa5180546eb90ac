"""What is asked of a schedule: when next, what was missed, what does it say.

Texts are parsed once and kept; times are aware and come in as parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile

from engine.model.errors import UsageError
from engine.policy.durations import format_about
from engine.policy.recurrence import ScheduleKind
from engine.policy.schedule_text import parse_schedule
from engine.policy.zones import told

__all__ = [
    "GRACE_S",
    "Missed",
    "describe",
    "missed",
    "next_run",
    "next_runs",
    "parse_schedule",
    "refuse_never",
]

GRACE_S = 3_600  # a run that is late by no more is started; an older one is only reported
MAX_MISSED = 1_000  # counted one by one up to here


def next_run(spec: str, zone: str, after: datetime) -> datetime | None:
    """The first run strictly after an instant, in UTC; None when there is none.

    A `continuous` schedule runs a minute after `after`, the end of its last run. An
    `after-backup` one is due by an event, at no time.

    Args:
        spec: a schedule as the site file says it.
        zone: IANA name of the zone of its times.
        after: aware.

    Raises:
        UsageError: not a schedule, or an unknown zone.
    """
    return parse_schedule(spec, zone).next_after(after)


def next_runs(spec: str, zone: str, after: datetime, count: int) -> list[datetime]:
    """The next `count` runs strictly after an instant, in UTC; fewer when it ends before."""
    return list(islice(parse_schedule(spec, zone).runs_after(after), count))


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """Runs that did not come because the service was down, and what to do about them."""

    runs: tuple[datetime, ...]
    """Oldest first, in UTC; at most `MAX_MISSED`."""
    start_now: bool
    """One run now stands for all of them."""
    sentence: str
    """For the event log; empty when nothing was missed."""


def missed(
    spec: str,
    zone: str,
    *,
    since: datetime,
    now: datetime,
    grace_s: int = GRACE_S,
    start_late: bool = True,
) -> Missed:
    """Looks back after a downtime: several missed runs become one, or only a report.

    Args:
        spec: a schedule as the site file says it.
        zone: IANA name of the zone of its times.
        since: the last instant at which runs were still started; aware.
        now: aware.
        grace_s: the latest missed run is started when it is late by no more, seconds.
        start_late: False: missed runs are reported only.

    Raises:
        UsageError: not a schedule, or an unknown zone.
    """
    schedule = parse_schedule(spec, zone)
    if schedule.kind is ScheduleKind.CONTINUOUS:
        return Missed(runs=(), start_now=True, sentence="")
    past = takewhile(lambda run: run <= now, schedule.runs_after(since))
    runs = tuple(islice(past, MAX_MISSED))
    if not runs:
        return Missed(runs=(), start_now=False, sentence="")
    in_grace = schedule.next_after(now - timedelta(seconds=grace_s, microseconds=1))
    start_now = start_late and in_grace is not None and in_grace <= now
    count = f"{'at least ' if len(runs) == MAX_MISSED else ''}{len(runs)}"
    late = format_about((now - runs[-1]).total_seconds())
    what = "one run was missed" if len(runs) == 1 else f"{count} runs were missed"
    if start_now:
        outcome = "started now" if len(runs) == 1 else "one is started now for all"
    elif start_late:
        outcome = f"not started: {late} late, more than {format_about(grace_s)}"
    else:
        outcome = "reported only, as chosen"
    first = told(runs[0], zone)
    return Missed(runs=runs, start_now=start_now, sentence=f"{what} since {first}; {outcome}")


def refuse_never(spec: str, zone: str, now: datetime) -> None:
    """Refuses a schedule that has no run any more, at the moment it is entered.

    Raises:
        UsageError: not a schedule, an unknown zone, or nothing after `now`.
    """
    schedule = parse_schedule(spec, zone)
    if schedule.kind is ScheduleKind.AFTER_BACKUP:
        return
    if schedule.next_after(now) is None:
        raise UsageError(
            f"the schedule {schedule.text!r} never runs: its last time is past",
            hint=f"it is {told(now, zone)}",
        )


def describe(spec: str, zone: str) -> str:
    """The schedule as a sentence: `Every day at 22:00, Europe/Berlin time; not on 2026-12-24.`

    Raises:
        UsageError: not a schedule, or an unknown zone.
    """
    schedule = parse_schedule(spec, zone)
    parts = [schedule.words[:1].upper() + schedule.words[1:]]
    if schedule.kind in (ScheduleKind.DAYS, ScheduleKind.ONCE):
        parts[0] += f", {zone} time"
    if schedule.starting:
        parts.append(f"from {schedule.starting} on")
    if schedule.until:
        parts.append(f"until {schedule.until}")
    if schedule.count is not None:
        parts.append(f"{schedule.count} times")
    if schedule.exceptions:
        parts.append(f"not on {', '.join(str(day) for day in sorted(schedule.exceptions))}")
    return f"{'; '.join(parts)}."
