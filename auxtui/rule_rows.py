"""Schedules, operation windows and MediaAgents as rows and facts; pure."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from auxtui.gates import Gate
from auxtui.inert import safe
from auxtui.nodes import node_name, node_words
from auxtui.present import OPERATIONS, Cell, Fact, Look, Row, Tone, library_state
from auxtui.site_rows import periods_text
from engine.catalog.live_values import Estate, LiveMediaAgent
from engine.catalog.rule_values import ScheduleValue, WindowValue
from engine.model.states import Operation

LATE_S = 120  # a run that is due for longer has not been started: nothing starts it


def policy_of(schedule: ScheduleValue, estate: Estate) -> str:
    """The policy that a schedule runs, in words."""
    found = (policy.name for policy in estate.policies if policy.id == schedule.policy_id)
    return next(found, "every policy with work")


def schedule_state(schedule: ScheduleValue, look: Look) -> Cell:
    """Whether a schedule will run, and whether its run is late."""
    if not schedule.enabled:
        return Cell(f"{look.glyphs.suspended} disabled", Tone.WARN)
    due = schedule.next_run_at
    if due is not None and (look.clock() - due).total_seconds() > LATE_S:
        return Cell(f"{look.glyphs.warning} overdue", Tone.BAD)
    return Cell(f"{look.glyphs.done} enabled", Tone.OK)


def schedule_next(schedule: ScheduleValue, look: Look) -> str:
    """When a schedule runs next, as far as the service has reckoned it."""
    if not schedule.enabled:
        return "-"
    if schedule.next_run_at is None:
        return "by an event" if "after-backup" in schedule.spec else "not reckoned"
    return look.time(schedule.next_run_at)


def schedule_last(schedule: ScheduleValue, look: Look) -> str:
    """When a schedule started its last job."""
    return "never" if schedule.last_run_at is None else look.time(schedule.last_run_at)


def schedule_row(schedule: ScheduleValue, estate: Estate, look: Look) -> Row:
    """A schedule; the order is that of `columns.SCHEDULES`."""
    return Row(
        ("schedule", schedule.id),
        (
            Cell(safe(schedule.name)),
            schedule_state(schedule, look),
            Cell(schedule_next(schedule, look)),
            Cell(safe(schedule.spec)),
            Cell(safe(policy_of(schedule, estate))),
            Cell(OPERATIONS[Operation(schedule.operation)], Tone.MUTED),
            Cell(schedule_last(schedule, look)),
            Cell(safe(schedule.time_zone), Tone.MUTED),
            Cell("start late" if schedule.start_missed else "report only", Tone.MUTED),
        ),
    )


def schedule_head(schedule: ScheduleValue, estate: Estate, look: Look) -> list[Fact]:
    """A schedule in a few lines, without its next runs."""
    missed = "a missed run is started late" if schedule.start_missed else "is only reported"
    options = ", ".join(f"{key} = {value}" for key, value in schedule.options.items())
    facts: list[Fact] = [
        (safe(schedule.name), schedule_state(schedule, look)),
        (
            "Runs",
            Cell(
                f"{OPERATIONS[Operation(schedule.operation)].lower()} of"
                f" {safe(policy_of(schedule, estate))}"
            ),
        ),
        ("When", Cell(f"{safe(schedule.spec)}, {safe(schedule.time_zone)}; {missed}")),
        ("Next", Cell(schedule_next(schedule, look))),
        ("Last", Cell(schedule_last(schedule, look))),
    ]
    if options:
        facts.append(("Options", Cell(safe(options), Tone.MUTED)))
    return facts


def window_row(window: WindowValue, look: Look) -> Row:
    """An operation window; the order is that of `columns.WINDOWS`."""
    return Row(
        ("window", window.id),
        (
            Cell(safe(window.name)),
            window_state(window, look),
            Cell(safe(periods_text(window.do_not_run))),
            Cell(", ".join(node_words(node) for node in window.on_nodes)),
            Cell(safe(window.time_zone), Tone.MUTED),
            Cell(safe(", ".join(window.operations)) or "all", Tone.MUTED),
            Cell("may finish" if window.let_running_jobs_finish else "stop", Tone.MUTED),
        ),
    )


def window_state(window: WindowValue, look: Look) -> Cell:
    """Whether a window is in force now, whatever operations it is for."""
    from engine.policy.timetable import parse_periods, period_at
    from engine.policy.zones import zone_of

    periods, zone = parse_periods(window.do_not_run), zone_of(window.time_zone)
    if period_at(periods, zone, look.clock()) is not None:
        return Cell(f"{look.glyphs.suspended} in force", Tone.WARN)
    return Cell(f"{look.glyphs.waiting} open", Tone.MUTED)


def window_facts(window: WindowValue, look: Look) -> list[Fact]:
    """An operation window in a few lines."""
    finish = (
        "may finish" if window.let_running_jobs_finish else "stop at a chunk and go on after it"
    )
    above = "; windows of higher levels do not count there" if window.ignore_higher_levels else ""
    return [
        (safe(window.name), window_state(window, look)),
        ("Do not run", Cell(safe(f"{periods_text(window.do_not_run)}, {window.time_zone}"))),
        ("On", Cell(", ".join(node_words(node) for node in window.on_nodes) + above)),
        ("Operations", Cell(safe(", ".join(window.operations)) or "all")),
        ("Running jobs", Cell(finish)),
    ]


def gate_cell(gate: Gate | None, look: Look) -> Cell:
    """Whether a node is closed now, and until when."""
    if gate is None or not gate.reasons:
        change = gate.next_change if gate else None
        until = f" until {look.time(change)}" if change else ""
        return Cell(f"{look.glyphs.done} open{until}", Tone.OK)
    word = "off" if gate.is_off else "closed"
    until = f" until {look.time(gate.until)}" if gate.until else " until somebody switches it on"
    return Cell(f"{look.glyphs.suspended} {word}{until}", Tone.WARN)


def gate_of(node: str, gates: Sequence[Gate]) -> Gate | None:
    """What is known of a node; None: no rule concerns it."""
    return next((gate for gate in gates if gate.node == node), None)


def _ahead_words(zone: str, look: Look) -> str:
    """How far the clocks of a zone are from the times that are shown: ` +1 h`; nothing when they agree."""
    seconds = _ahead_s(zone, look)
    sign = "+" if seconds > 0 else "-"
    return f" {sign}{abs(seconds) / 3600:g} h" if seconds else ""


def _zone_words(zone: str, look: Look) -> str:
    seconds = _ahead_s(zone, look)
    if not seconds:
        return f"{safe(zone)}, as the times shown here"
    way = "ahead of" if seconds > 0 else "behind"
    return f"{safe(zone)}: its clocks are {abs(seconds) / 3600:g} h {way} the times shown here"


def _ahead_s(zone: str, look: Look) -> int:
    from engine.policy.zones import zone_of

    now = look.clock()
    there, here = (now.astimezone(one).utcoffset() for one in (zone_of(zone), look.zone))
    return int((there - here).total_seconds()) if there is not None and here is not None else 0


def agent_row(
    agent: LiveMediaAgent, gates: Sequence[Gate], used: Mapping[str, int], look: Look
) -> Row:
    """A MediaAgent; the order is that of `columns.AGENTS`."""
    streams = used.get(agent.name, 0)
    return Row(
        ("agent", agent.id),
        (
            Cell(safe(agent.name)),
            Cell(
                f"{streams} of {agent.max_streams}",
                Tone.WARN if streams >= agent.max_streams else Tone.PLAIN,
            ),
            library_state(agent.state, look),
            gate_cell(gate_of(node_name("agent", agent), gates), look),
            Cell(f"{safe(agent.time_zone)}{_ahead_words(agent.time_zone, look)}", Tone.MUTED),
            Cell(safe(", ".join(agent.libraries))),
        ),
    )


def agent_facts(
    agent: LiveMediaAgent, gates: Sequence[Gate], used: Mapping[str, int], look: Look
) -> list[Fact]:
    """A MediaAgent in a few lines."""
    gate = gate_of(node_name("agent", agent), gates)
    facts: list[Fact] = [
        (safe(agent.name), gate_cell(gate, look)),
        (
            "Streams",
            Cell(f"{used.get(agent.name, 0)} of {agent.max_streams} at work, over all jobs"),
        ),
        ("State", library_state(agent.state, look)),
        *(("Offline", Cell(safe(reason), Tone.WARN)) for reason in agent.reasons),
        ("Time zone", Cell(_zone_words(agent.time_zone, look))),
    ]
    facts += [("Why", Cell(safe(reason), Tone.WARN)) for reason in (gate.reasons if gate else ())]
    if gate and gate.next_change:
        word = "opens" if gate.reasons else "closes"
        facts.append(("Next change", Cell(f"{word} {look.time(gate.next_change)}")))
    return facts


def gate_row(node: str, key: Hashable, gates: Sequence[Gate], look: Look) -> Row:
    """A node of a window; the order is that of `columns.NODES`."""
    gate = gate_of(node, gates)
    change = gate.next_change if gate else None
    return Row(
        key,
        (
            Cell(node_words(node)),
            gate_cell(gate, look),
            Cell(look.time(change), Tone.MUTED),
            Cell(safe("; ".join(gate.reasons)) if gate else "", Tone.MUTED),
        ),
    )
