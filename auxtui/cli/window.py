"""`auxtui window ...`: operation windows, and whether something may run now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from auxtui.cli.completing import node_names
from auxtui.cli.output import say, write_json, write_table
from auxtui.cli.terms import HomeOption, JsonOption, Terms, terms_of
from auxtui.cli.times import Times
from auxtui.cli.words import name_of, one_of
from auxtui.moments import HINT, moment_of
from engine.model.errors import EXIT_FAILED
from engine.model.states import Operation

if TYPE_CHECKING:
    from engine.catalog.rule_values import WindowValue
    from engine.control.clearance import Clearance

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help="Operation windows: when operations must not run. They are made in the site file.",
)


@app.command("list")
def list_windows(ctx: typer.Context, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """All operation windows."""
    from engine.catalog import config
    from engine.catalog.opening import open_catalog

    terms = terms_of(ctx, home, as_json)
    with open_catalog(terms.home) as catalog, catalog.read() as session:
        windows = config.windows(session)
    if terms.as_json:
        write_json({"windows": [_document(window) for window in windows]})
        return
    write_table(
        ["window", "on", "operations", "do not run", "time zone", "running jobs", "higher levels"],
        [
            [
                window.name,
                ", ".join(window.on_nodes),
                ", ".join(window.operations) or "all",
                "; ".join(_periods(window)),
                window.time_zone,
                "may finish" if window.let_running_jobs_finish else "stop",
                "ignored" if window.ignore_higher_levels else "count",
            ]
            for window in windows
        ],
        names=["window", "on", "operations"],
        least=["higher levels", "running jobs", "operations"],
    )


def _periods(window: WindowValue) -> list[str]:
    from engine.policy.windows import parse_periods

    return [period.text for period in parse_periods(window.do_not_run)]


def _document(window: WindowValue) -> dict[str, Any]:
    return {
        "name": window.name,
        "on": list(window.on_nodes),
        "operations": list(window.operations),
        "do_not_run": [dict(row) for row in window.do_not_run],
        "time_zone": window.time_zone,
        "let_running_jobs_finish": window.let_running_jobs_finish,
        "do_not_submit": window.do_not_submit,
        "ignore_higher_levels": window.ignore_higher_levels,
    }


@app.command()
def check(
    ctx: typer.Context,
    node: Annotated[
        str,
        typer.Argument(
            metavar="NODE",
            help="commcell, media_agents.X, clients.X or clients.X.subclients.Y.",
            autocompletion=node_names,
        ),
    ],
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help=f"Then, not now: {HINT}.", show_default=False),
    ] = None,
    operation: Annotated[
        str, typer.Option("--operation", help="auxcopy, verification ...")
    ] = Operation.AUXCOPY.value,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Whether an operation may run on a node; if not, why, and until when.

    The windows of the node and of all levels above it count together, and activity control.
    Exit code 0: it may run. 1: it must not.
    """
    terms = terms_of(ctx, home, as_json)
    kind = one_of(name_of(operation, "operation"), Operation, "operation")
    found, zone = _clearance(terms, name_of(node, "node"), kind, at)
    if terms.as_json:
        write_json(_clearance_document(found))
    else:
        _show(found, zone)
    raise typer.Exit(0 if found.may_run else EXIT_FAILED)


def _clearance(terms: Terms, node: str, operation: str, at: str | None) -> tuple[Clearance, str]:
    """The answer, and the zone in which it is told."""
    from engine.catalog import config
    from engine.catalog.opening import open_catalog
    from engine.control.clearance import clearance_of
    from engine.model.clock import system_clock

    now = system_clock()
    with open_catalog(terms.home) as catalog, catalog.read() as session:
        zone = config.commcell(session).time_zone
        moment = now if at is None else moment_of(at, zone, now)
        return clearance_of(session, node, operation, moment), zone


def _show(found: Clearance, zone: str) -> None:
    told = Times(zone).named
    what = f"{found.operation} on {found.node} at {told(found.at)}"
    if found.may_run:
        say(f"{what}: may run")
        say(f"until: {told(found.next_change)}" if found.next_change else "no window closes it")
    else:
        say(f"{what}: must not run")
        for reason in found.reasons:
            say(f"  {reason}")
        say(f"until: {told(found.until)}" if found.until else "until: somebody switches it on")
        if found.let_running_jobs_finish:
            say("jobs that run already may finish")
    for window in found.windows:
        mark = "in force" if window.name in found.in_force else "concerns it"
        times = "; ".join(period.text for period in window.periods)
        on_nodes = ", ".join(sorted(window.on_nodes))
        say(f"window {window.name} on {on_nodes}, {window.zone_name}: {times} ({mark})")


def _clearance_document(found: Clearance) -> dict[str, Any]:
    from engine.catalog.live_documents import iso

    return {
        "node": found.node,
        "operation": found.operation,
        "at": iso(found.at),
        "may_run": found.may_run,
        "reasons": list(found.reasons),
        "until": iso(found.until),
        "next_change": iso(found.next_change),
        "let_running_jobs_finish": found.let_running_jobs_finish,
        "windows": [
            {
                "name": window.name,
                "on": sorted(window.on_nodes),
                "do_not_run": [period.text for period in window.periods],
                "time_zone": window.zone_name,
                "in_force": window.name in found.in_force,
            }
            for window in found.windows
        ],
        "activity": [
            {"node": off.node, "by": off.by, "at": iso(off.at), "off_until": iso(off.off_until)}
            for off in found.off
        ],
    }
