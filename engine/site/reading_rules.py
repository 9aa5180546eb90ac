"""Operation windows and schedules of the site file."""

from __future__ import annotations

from functools import partial

from engine.catalog.schedules import SYSTEM_SCHEDULE
from engine.model.states import Level, Operation
from engine.policy.schedule import parse_schedule
from engine.policy.windows import window_from
from engine.site.configuration import Configuration, ScheduleItem, WindowItem
from engine.site.run_form import FORM_KEYS, read_run_form
from engine.site.section import Section
from engine.site.weekly_keys import read_periods

_WINDOW_OPERATIONS = tuple(Operation)
_SCHEDULED_OPERATIONS = (
    Operation.AUXCOPY,
    Operation.BACKUP,
    Operation.VERIFICATION,
    Operation.AGING,
    Operation.SCAN,
)
_OF_A_POLICY = frozenset({Operation.AUXCOPY, Operation.VERIFICATION})


def read_windows(root: Section, wanted: Configuration) -> None:
    """Adds the operation windows."""
    nodes = _nodes(wanted)
    keys = (
        "on",
        "operations",
        "do_not_run",
        "time_zone",
        "let_running_jobs_finish",
        "do_not_submit",
        "ignore_higher_levels",
    )
    for name, section in root.named("windows", keys):
        wanted.windows[name] = _read_window(name, section, nodes, wanted.commcell.time_zone)


def _read_window(name: str, section: Section, nodes: tuple[str, ...], zone: str) -> WindowItem:
    on_nodes = section.choices("on", nodes, "node")
    if not on_nodes:
        raise section.error(None, 'needs "on": where it holds', hint='e.g. on = ["commcell"]')
    periods = read_periods(section, "do_not_run")
    if not periods:
        raise section.error(
            None,
            'needs "do_not_run": when operations must not run',
            hint='e.g. do_not_run = [{days = "mon-fri", from = "08:00", to = "18:00"}]',
        )
    item = WindowItem(
        name=name,
        on_nodes=on_nodes,
        operations=section.choices("operations", _WINDOW_OPERATIONS, "operation"),
        do_not_run=periods,
        time_zone=section.zone(zone),
        let_running_jobs_finish=section.flag("let_running_jobs_finish", False),
        do_not_submit=section.flag("do_not_submit", False),
        ignore_higher_levels=section.flag("ignore_higher_levels", False),
    )
    section.understood("do_not_run", partial(_check_window, item))
    return item


def _check_window(item: WindowItem) -> None:
    """Lets the rules look at all periods together."""
    window_from(
        name=item.name,
        on_nodes=item.on_nodes,
        operations=item.operations,
        do_not_run=item.do_not_run,
        time_zone=item.time_zone,
    )


def _nodes(wanted: Configuration) -> tuple[str, ...]:
    return (
        "commcell",
        *(f"media_agents.{name}" for name in wanted.media_agents),
        *(f"clients.{name}" for name in wanted.clients),
        *(f"clients.{client}.subclients.{name}" for client, name in wanted.subclients),
    )


def read_schedules(root: Section, wanted: Configuration) -> None:
    """Adds the schedules."""
    keys = ("operation", "policy", "when", "time_zone", "enabled", "missed", "options")
    for name, section in root.named("schedules", keys):
        if name == SYSTEM_SCHEDULE:
            raise section.error(
                None,
                f'"{SYSTEM_SCHEDULE}" is the service\'s own schedule',
                hint="name yours otherwise; switch that one with `auxtui schedule disable system`",
            )
        operation = section.choice("operation", "", _SCHEDULED_OPERATIONS)
        policy = ""
        if "policy" in section:
            policy = section.reference("policy", section.text("policy"), wanted.policies, "policy")
        elif operation in _OF_A_POLICY:
            raise section.error(None, f'needs "policy": {operation} runs for one')
        zone = section.zone(wanted.commcell.time_zone)
        spec = section.required("when")
        section.understood("when", partial(parse_schedule, spec, zone))
        options = _read_options(section, operation, wanted)
        wanted.schedules[name] = ScheduleItem(
            name=name,
            operation=operation,
            policy=policy,
            spec=spec,
            time_zone=zone,
            enabled=section.flag("enabled", True),
            start_missed=section.choice("missed", "start", ("start", "report")) == "start",
            options=options.plain(),
        )


def _read_options(section: Section, operation: str, wanted: Configuration) -> Section:
    """What a scheduled job is told: the form of a run, or of a backup."""
    if operation != Operation.BACKUP:
        options = section.table("options", FORM_KEYS)
        if read_run_form(options).alert:
            options.reference("alert", options.text("alert"), wanted.alerts, "alert")
        return options
    options = section.table("options", ("level", "subclients"))
    if "level" in options:
        options.choice("level", Level.INCREMENTAL, tuple(Level))
    content = [item.label for item in wanted.subclients.values() if item.content]
    options.choices("subclients", content, "subclient with content")
    return options
