"""What is not well, the worst first, each with what to do now. Pure: values in, findings out."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import IntEnum

from auxtui import format as fmt
from auxtui.feed_values import Pulse
from auxtui.gates import Gate
from auxtui.inert import safe
from auxtui.nodes import keys_by_node, node_words
from engine.catalog.live_values import Estate, LiveCopy, LiveLibrary, LivePolicy, LiveSubclient
from engine.catalog.rule_values import SYSTEM_SCHEDULES, ScheduleValue
from engine.catalog.running_values import JobValue
from engine.catalog.watch_values import AlarmValue
from engine.model.errors import AuxError
from engine.model.states import (
    FOREIGN,
    FOREIGN_HINT,
    CopyKind,
    JobCopyState,
    JobState,
    LibraryState,
    SubclientKind,
)

SILENT_S = 30  # a service that has not reported for so long is stuck or dead
LATE = timedelta(minutes=2)  # a run that is due for longer was not started
ALARMS_TOLD = frozenset(
    [
        "delayed",
        "fuse",
        "host-key-changed",
        "missed",
        "nothing-done",
        "source-shrunk",
        "space-low",
        "undelivered",
    ]
)
"""Kinds of alarms of which nothing else here tells."""
ALARMS_OF_JOBS = frozenset(["failed", "completed-with-errors"])
"""Told as long as nothing tells of the job itself."""


class Grade(IntEnum):
    """How bad something is."""

    NONE = 0
    NOTE = 1
    WARNING = 2
    ERROR = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing that is not well."""

    grade: Grade
    text: str
    hint: str = ""
    command: str = ""
    """What helps in a shell, where the doctor tells it; empty: the doctor looks at it by itself."""
    node: tuple[str, int] | None = None
    """Node of the tree that it belongs to: kind and id."""


def troubles(
    estate: Estate | None,
    pulse: Pulse | None,
    catalog: AuxError | None = None,
    *,
    alarms: Sequence[AlarmValue] = (),
    gates: Sequence[Gate] = (),
    incomplete: Mapping[int, int] | None = None,
    zone: tzinfo | None = None,
    now: datetime | None = None,
    log: str = "service.log",
) -> tuple[Trouble, ...]:
    """Everything that is not well, the worst first; ties in the order of the tree.

    Args:
        estate: the tree.
        pulse: the service and the jobs.
        catalog: why the catalog cannot be read.
        alarms: what the service has raised and what has not cleared.
        gates: what windows and activity control close now.
        incomplete: per copy id how many of its job copies lack something that lay there.
        zone: in which times are told.
        now: the present: times of today are told without the date; None: all with it.
        log: where the service says what it does.
    """
    found: list[Trouble] = []
    if catalog is not None:
        found.append(Trouble(grade=Grade.ERROR, text=catalog.message, hint=catalog.hint))
    if pulse is not None:
        found.extend(_of_service(pulse, log))
        found.extend(_of_clock(pulse))
        found.extend(_of_jobs(pulse))
    told = {job.id for job in (*pulse.active, *pulse.recent)} if pulse is not None else set()
    if estate is not None:
        found.extend(_of_libraries(estate.libraries))
        found.extend(_of_paths(estate))
        for client in estate.clients:
            found.extend(_of_subclients(client.subclients))
        for policy in estate.policies:
            found.extend(_of_last_run(policy, told))
            found.extend(_of_policy(policy))
            found.extend(_lacking(policy, incomplete or {}))
        found.extend(_of_schedules(estate.schedules, pulse))
        found.extend(_of_gates(gates, estate, zone, now))
        told |= {policy.last_run[0] for policy in estate.policies if policy.last_run}
    found.extend(_of_alarms(alarms, told))
    return tuple(sorted(found, key=lambda trouble: -trouble.grade))


def has_died(pulse: Pulse) -> bool:
    """True when no service runs, and the last one did not say that it stops."""
    state = pulse.service.state if pulse.service is not None else ""
    return not pulse.service_alive and state not in ("stopped", "")


def worst_by_node(found: Iterable[Trouble]) -> dict[tuple[str, int], Trouble]:
    """The worst trouble of each node of the tree."""
    worst: dict[tuple[str, int], Trouble] = {}
    for trouble in found:
        if trouble.node and (
            trouble.node not in worst or trouble.grade > worst[trouble.node].grade
        ):
            worst[trouble.node] = trouble
    return worst


def _of_service(pulse: Pulse, log: str) -> Iterator[Trouble]:
    waiting = len(pulse.active)
    if pulse.service_alive:
        if pulse.silent_s >= SILENT_S:
            yield Trouble(
                grade=Grade.ERROR,
                text=f"the service has not reported for {pulse.silent_s} s",
                hint="a disk may hang; `auxtui doctor`, then `auxtui service status`",
            )
        return
    died = has_died(pulse)
    if waiting:
        text = "the service has died" if died else "the service is not running"
        yield Trouble(
            grade=Grade.ERROR,
            text=f"{text}; {fmt.count(waiting, 'job')} {'stands' if waiting == 1 else 'stand'} still",
            hint="press S to start it; the jobs go on where they were",
        )
    elif died:
        yield Trouble(
            grade=Grade.WARNING,
            text="the service has died",
            hint=f"press S to start it; {safe(log)} says why",
        )


def _of_clock(pulse: Pulse) -> Iterator[Trouble]:
    if not pulse.clock_set_by:
        return
    seconds = pulse.clock_set_by.total_seconds()
    way = "forward, or the host slept" if seconds > 0 else "back"
    yield Trouble(
        grade=Grade.WARNING,
        text=f"the clock of this host was set {fmt.duration(abs(seconds))} {way}",
        hint="windows and schedules follow the new time; times of before are as the old one had them",
    )


def _of_jobs(pulse: Pulse) -> Iterator[Trouble]:
    for job in (*pulse.active, *pulse.recent):
        grade, text = _job_trouble(job)
        if grade:
            reason = f": {safe(job.reason)}" if job.reason else ""
            yield Trouble(
                grade=grade,
                text=f"job {job.id} {text}{reason}",
                hint=f"enter on job {job.id} shows more{', left there its errors' if job.errors else ''}",
                node=("job", job.id),
            )


def _job_trouble(job: JobValue) -> tuple[Grade, str]:
    if job.state is JobState.FAILED:
        return Grade.ERROR, "failed"
    if job.state is JobState.COMPLETED_WITH_ERRORS:
        return Grade.WARNING, "completed with errors"
    if job.state is JobState.PENDING:
        return Grade.WARNING, "tries again"
    if job.state is JobState.RUNNING and job.errors:
        return Grade.WARNING, f"runs, with {fmt.count(job.errors, 'error')}"
    return Grade.NONE, ""


_NOT_BY_WAITING = (
    (
        "the host key of ",
        "somebody may stand in between: compare it at the host itself, auxtui doctor says how",
    ),
    ("refused the login", "let its key in again, or correct user and key in the URL"),
    ("permission denied", "give the account that writes there permission; auxtui doctor tries it"),
)
"""Reasons of which neither mounting nor connecting is a remedy, and what is."""


def _of_libraries(libraries: Iterable[LiveLibrary]) -> Iterator[Trouble]:
    for library in libraries:
        if library.state in (LibraryState.OFFLINE, LibraryState.FULL):
            text, reason = f"library {safe(library.name)}", safe(library.state_reason or "")
            hint = f"mount or connect {safe(library.url)}; the next run goes on by itself"
            if library.state == LibraryState.FULL:
                hint = "free space or add a disk"
            elif FOREIGN in reason:
                hint = FOREIGN_HINT
            else:
                hint = next((said for word, said in _NOT_BY_WAITING if word in reason), hint)
            if not reason.startswith(f"{text} "):  # most reasons begin with the library
                reason = f"{text} is {library.state}" + (f": {reason}" if reason else "")
            yield Trouble(
                grade=Grade.ERROR,
                text=reason,
                hint=hint,
                node=("library", library.id),
            )


def _of_paths(estate: Estate) -> Iterator[Trouble]:
    """Data paths that are offline, to libraries that another path still reaches."""
    there = {one.name for one in estate.libraries if one.state != LibraryState.OFFLINE}
    for agent in estate.media_agents:
        for path in agent.paths:
            if path.state == LibraryState.OFFLINE and path.library in there:
                yield Trouble(
                    grade=Grade.WARNING,
                    text=f"MediaAgent {safe(agent.name)} does not reach library"
                    f" {safe(path.library)}: {safe(path.reason)}",
                    hint="other data paths do its work; the next run looks at it again",
                    node=("agent", agent.id),
                )


def _of_subclients(subclients: Iterable[LiveSubclient]) -> Iterator[Trouble]:
    for sub in subclients:
        if sub.state == LibraryState.OFFLINE:
            yield Trouble(
                grade=Grade.ERROR,
                text=f"subclient {safe(sub.client)}/{safe(sub.name)} is offline:"
                f" {safe(sub.state_reason)}",
                hint="mount it, then scan (c); nothing is taken for deleted meanwhile"
                if sub.kind == SubclientKind.LANDING
                else "nothing older of it is aged; when it is right, back it up (B) and believe it",
                node=("subclient", sub.id),
            )
        if sub.left:
            entries = "1 entry is" if sub.left == 1 else f"{sub.left} entries are"
            yield Trouble(
                grade=Grade.WARNING,
                text=f"subclient {safe(sub.client)}/{safe(sub.name)}: {entries} left, not protected",
                hint="`auxtui doctor` names the first; see to it, then scan (c)",
                node=("subclient", sub.id),
            )


def _of_schedules(schedules: Iterable[ScheduleValue], pulse: Pulse | None) -> Iterator[Trouble]:
    """Schedules whose run is due and was not started; what is not done by itself any more."""
    schedules = tuple(schedules)
    done = {schedule.operation for schedule in schedules if schedule.enabled}
    for schedule in schedules:
        if schedule.name in SYSTEM_SCHEDULES and schedule.operation not in done:
            yield Trouble(
                grade=Grade.WARNING,
                text=f"schedule {schedule.name} is disabled and no other starts"
                f" {schedule.operation}: it is done by hand only",
                hint="enable it in its tasks (m), or make a schedule of your own",
                command=f"auxtui schedule enable {schedule.name}",
                node=("schedule", schedule.id),
            )
        due = schedule.next_run_at
        if pulse is None or not schedule.enabled or due is None or pulse.at - due < LATE:
            continue
        down = "" if pulse.service_alive else ": the service is not running"
        yield Trouble(
            grade=Grade.WARNING,
            text=f"schedule {safe(schedule.name)} is overdue since {fmt.age(pulse.at - due)}{down}",
            hint="press S to start the service; it starts or reports what was missed",
            node=("schedule", schedule.id),
        )


def _of_gates(
    gates: Iterable[Gate], estate: Estate, zone: tzinfo | None, now: datetime | None
) -> Iterator[Trouble]:
    """Where nothing is copied now because somebody said so."""
    keys = keys_by_node(estate)
    for gate in gates:
        if not gate.own or not gate.reasons:
            continue
        until = f"until {fmt.moment(gate.until, zone, now=now)}" if gate.until else "with no end"
        word = "switched off" if gate.is_off else "closed"
        yield Trouble(
            grade=Grade.WARNING if gate.is_off else Grade.NOTE,
            text=f"{node_words(gate.node)} is {word} {until}: {safe(gate.reasons[0])}",
            hint="its operation windows (W) show when it opens"
            if not gate.is_off
            else "switch it on again in its tasks (m)",
            command=f"auxtui activity on {gate.node}"
            if gate.is_off
            else f"auxtui window check {gate.node}",
            node=keys.get(gate.node),
        )


def _of_alarms(alarms: Iterable[AlarmValue], told: Container[int]) -> Iterator[Trouble]:
    """What only the service sees: a source that is silent, a fuse, an alert that does not arrive."""
    for alarm in alarms:
        of_job = alarm.kind in ALARMS_OF_JOBS and (alarm.job_id or 0) not in told
        opens = ", enter there opens its job" if alarm.job_id is not None else ""
        clears = f"8 has the alarm{opens}, x clears it"
        if alarm.kind in ALARMS_TOLD or of_job:
            yield Trouble(
                grade=Grade.ERROR if alarm.severity == "error" else Grade.WARNING,
                text=_alarm_words(alarm),
                hint=f"{safe(alarm.hint)}; {clears}" if alarm.hint else clears,
                node=("alarm", alarm.id),
            )


def _alarm_words(alarm: AlarmValue) -> str:
    """What has happened, and to what: not every message says that itself."""
    job = f"job {alarm.job_id}, " if alarm.kind in ALARMS_OF_JOBS else ""
    about = "" if alarm.about in alarm.message else f"{job}{alarm.about}: "
    return safe(f"{about}{alarm.message}")


def _of_last_run(policy: LivePolicy, told: Container[int]) -> Iterator[Trouble]:
    """A run that ended badly, until the next one; `told` are jobs of whose errors is told already."""
    job_id, state, reason = policy.last_run or (0, "", "")
    text, node = f"policy {safe(policy.name)}: the last run, job {job_id}", ("policy", policy.id)
    if state == JobState.FAILED:
        yield Trouble(
            grade=Grade.ERROR,
            text=f"{text}, failed: {safe(reason)}",
            hint="open the job (3, enter) for its errors, then run again (r)",
            node=node,
        )
    elif state == JobState.COMPLETED_WITH_ERRORS and job_id not in told:
        yield Trouble(
            grade=Grade.WARNING,
            text=f"{text}, completed with errors",
            hint="open the job (3, enter) for its errors, then run again (r)",
            command=f"its errors: auxtui job show {job_id}",
            node=node,
        )


def _of_policy(policy: LivePolicy) -> Iterator[Trouble]:
    for copy in policy.copies:
        yield from _of_copy(copy)
    if policy.copies and all(copy.kind == CopyKind.PRIMARY for copy in policy.copies):
        yield Trouble(
            grade=Grade.WARNING,
            text=f"policy {safe(policy.name)} has no secondary copy",
            hint="n on it makes one, with its library",
            node=("policy", policy.id),
        )


def _lacking(policy: LivePolicy, incomplete: Mapping[int, int]) -> Iterator[Trouble]:
    """Backup jobs without something that lay there; told once, of the copy nearest to the source."""
    found = (copy for copy in policy.copies if incomplete.get(copy.id))
    copy = next(found, None)
    if copy is not None:
        jobs = fmt.count(incomplete[copy.id], "incomplete backup job")
        yield Trouble(
            grade=Grade.WARNING,
            text=f"copy {safe(copy.policy)}/{safe(copy.name)} has {jobs}:"
            " something that lay there is no content and was left out",
            hint="open the copy (b): the reasons say what; F finds them, Reason has: incomplete",
            node=("copy", copy.id),
        )


def _of_copy(copy: LiveCopy) -> Iterator[Trouble]:
    name, node = f"{safe(copy.policy)}/{safe(copy.name)}", ("copy", copy.id)
    bad = copy.counts.of(JobCopyState.BAD)
    if bad:
        yield Trouble(
            grade=Grade.ERROR,
            text=f"copy {name} has {fmt.count(bad, 'bad job copy')}",
            hint="open the copy, filter by state (f), repair what is bad (r)",
            node=node,
        )
    standing = copy.standing
    if copy.active and standing is not None and standing.is_behind:
        why = safe("; ".join(standing.behind_reasons)) or fmt.size(standing.owed_bytes)
        forecast = f"; {safe(standing.forecast)}" if standing.forecast else ""
        yield Trouble(
            grade=Grade.WARNING,
            text=f"copy {name} has fallen behind: {why}{forecast}",
            hint="run it (r), look at its trend (7), or ask why on one of its backup jobs (w)",
            node=node,
        )
