"""`auxtui schedule ...`: when operations start by themselves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auxtui.cli.completing import schedule_names
from auxtui.cli.output import say, tell, write_facts, write_json, write_table
from auxtui.cli.terms import HomeOption, JsonOption, Terms, terms_of, whoami
from auxtui.cli.times import Times
from auxtui.cli.words import found_name, name_of
from engine.model.errors import EXIT_FAILED, EXIT_OK

if TYPE_CHECKING:
    from engine.catalog.rule_values import ScheduleValue

SHOWN_RUNS = 5

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help="Schedules. They are made in the site file, or by: auxtui auxcopy POLICY --schedule WHEN "
    "--name NAME.",
)

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Its name.", autocompletion=schedule_names)
]


@app.command("list")
def list_schedules(
    ctx: typer.Context, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """All schedules; those of the service itself are named system."""
    terms = terms_of(ctx, home, as_json)
    found = _schedules(terms)
    if terms.as_json:
        write_json({"schedules": [_document(*each) for each in found]})
        return
    write_table(
        ["schedule", "operation", "policy", "when", "time zone", "enabled", "next run", "last run"],
        [
            [
                value.name,
                value.operation,
                policy or "all",
                value.spec,
                value.time_zone,
                "yes" if value.enabled else "no",
                _told(_next(value), value),
                _told(value.last_run_at, value),
            ]
            for value, policy in found
        ],
        names=["schedule", "policy"],
        least=["last run", "operation"],
    )


@app.command()
def show(
    ctx: typer.Context, name: Name, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """One schedule in words, with its next runs."""
    from engine.policy.schedule import describe

    terms = terms_of(ctx, home, as_json)
    value, policy = _named(_schedules(terms), name)
    runs = _next_runs(value)
    if terms.as_json:
        times = [run.isoformat() for run in runs]
        write_json({**_document(value, policy), "next_runs": times})
        return
    options = ", ".join(f"{key} = {setting}" for key, setting in value.options.items())
    write_facts(
        [
            ("schedule", value.name),
            ("operation", value.operation),
            ("policy", policy or "all"),
            ("when", value.spec),
            ("in words", describe(value.spec, value.time_zone)),
            ("enabled", "yes" if value.enabled else "no"),
            ("missed runs", "start" if value.start_missed else "report"),
            ("options", options),
            ("last run", _named_time(value.last_run_at, value)),
            *(("next run" if run == runs[0] else "then", _named_time(run, value)) for run in runs),
        ]
    )


@app.command()
def run(
    ctx: typer.Context, name: Name, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Run it now, whether it is enabled or not; prints the ids of the jobs."""
    from engine.control import frontdoor
    from engine.model.clock import system_clock

    terms = terms_of(ctx, home, as_json)
    value, _ = _named(_schedules(terms), name)
    before = system_clock()
    ids = frontdoor.schedule(terms.home, value.name, "run", by=whoami())
    refused = _refusals(terms, before)
    if terms.as_json:
        write_json({"schedule": value.name, "job_ids": ids, "refused": refused})
    else:
        for job_id in ids:
            say(str(job_id))
        for message in refused:
            tell(message)
        if not ids and not refused:
            tell("nothing to do: no job was started")
    raise typer.Exit(EXIT_FAILED if refused else EXIT_OK)


def _refusals(terms: Terms, since: datetime) -> list[str]:
    """What could not be run, as the event log tells it."""
    with terms.live() as live:
        return [
            event.message
            for event in live.events(severities=("error",), limit=20)
            if event.code == "schedule.refused" and event.at >= since
        ]


@app.command()
def enable(
    ctx: typer.Context, name: Name, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Let it run by itself again."""
    _switch(terms_of(ctx, home, as_json), name, "enable")


@app.command()
def disable(
    ctx: typer.Context, name: Name, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Keep it from running by itself; an applied site file with enabled = true enables it again."""
    _switch(terms_of(ctx, home, as_json), name, "disable")


def _switch(terms: Terms, name: str, act: str) -> None:
    from engine.control import frontdoor

    value, _ = _named(_schedules(terms), name)
    frontdoor.schedule(terms.home, value.name, act, by=whoami())
    after, policy = _named(_schedules(terms), name)
    if terms.as_json:
        write_json(_document(after, policy))
    elif after.enabled:
        say(f"schedule {after.name} is enabled; next run: {_named_time(_next(after), after)}")
    else:
        say(f"schedule {after.name} is disabled")


def _schedules(terms: Terms) -> list[tuple[ScheduleValue, str]]:
    """Schedules by name, each with its policy, which is empty when it is for all."""
    from engine.catalog import config
    from engine.catalog.opening import open_catalog

    with open_catalog(terms.home) as catalog, catalog.read() as session:
        policies = {policy.id: policy.name for policy in config.policies(session)}
        return [
            (value, policies.get(value.policy_id or 0, "")) for value in config.schedules(session)
        ]


def _named(found: Iterable[tuple[ScheduleValue, str]], name: str) -> tuple[ScheduleValue, str]:
    by_name = {value.name: (value, policy) for value, policy in found}
    return by_name[found_name(name_of(name, "schedule"), by_name, "schedule")]


def _next(value: ScheduleValue) -> datetime | None:
    """The next run, also before the service has reckoned it; None: disabled, or by an event."""
    runs = _next_runs(value)
    return runs[0] if runs else None


def _next_runs(value: ScheduleValue) -> list[datetime]:
    from engine.model.clock import system_clock
    from engine.policy.schedule import next_runs

    if not value.enabled:
        return []
    if value.next_run_at is None:
        return next_runs(value.spec, value.time_zone, system_clock(), SHOWN_RUNS)
    later = next_runs(value.spec, value.time_zone, value.next_run_at, SHOWN_RUNS - 1)
    return [value.next_run_at, *later]


def _told(at: datetime | None, value: ScheduleValue) -> str:
    return Times(value.time_zone).cell(at)


def _named_time(at: datetime | None, value: ScheduleValue) -> str:
    return Times(value.time_zone).named(at)


def _document(value: ScheduleValue, policy: str) -> dict[str, Any]:
    from engine.catalog.live_documents import iso
    from engine.policy.schedule import describe

    return {
        "name": value.name,
        "operation": value.operation,
        "policy": policy or None,
        "when": value.spec,
        "in_words": describe(value.spec, value.time_zone),
        "time_zone": value.time_zone,
        "enabled": value.enabled,
        "missed": "start" if value.start_missed else "report",
        "options": value.options,
        "next_run_at": iso(_next(value)),
        "last_run_at": iso(value.last_run_at),
    }
