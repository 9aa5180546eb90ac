"""`auxtui service ...`: the process that runs the jobs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auxtui.cli.output import say, write_facts, write_json, write_text
from auxtui.cli.terms import HomeOption, JsonOption, Terms, terms_of, whoami
from engine.model.errors import EXIT_FAILED

if TYPE_CHECKING:
    from engine.control.frontdoor import ServiceStatus

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help="The process that runs the jobs; it needs no terminal, and commands start it by themselves.",
)


@app.command()
def run(ctx: typer.Context, home: HomeOption = None) -> None:
    """Run the service in the foreground, until SIGTERM or `service stop`."""
    from engine.control.service import run_service

    raise typer.Exit(run_service(terms_of(ctx, home).home))


@app.command()
def start(ctx: typer.Context, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Start the service in the background, unless it runs."""
    from engine.control import frontdoor

    terms = terms_of(ctx, home, as_json)
    frontdoor.ensure_service(terms.home)
    _report(terms)


@app.command()
def stop(ctx: typer.Context, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Stop the service at a chunk boundary; its jobs go on when it runs again."""
    from engine.control import frontdoor

    terms = terms_of(ctx, home, as_json)
    was_running = frontdoor.stop_service(terms.home, by=whoami())
    if terms.as_json:
        write_json({"running": False, "was_running": was_running})
    else:
        say("the service has stopped" if was_running else "no service was running")


@app.command()
def status(ctx: typer.Context, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Whether the service runs; one that died without stopping is a failure."""
    if _report(terms_of(ctx, home, as_json)).state == "died":
        raise typer.Exit(EXIT_FAILED)


def _report(terms: Terms) -> ServiceStatus:
    from engine.control import frontdoor

    status = frontdoor.service_status(terms.home)
    if terms.as_json:
        write_json(_document(status))
        return status
    times = terms.times()
    write_facts(
        [
            ("service", status.state),
            ("pid", status.pid),
            ("host", status.host if status.running else ""),
            ("since", times.named(status.since) if status.running else ""),
            ("heartbeat", times.named(status.heartbeat_at)),
            ("epoch", status.epoch),
            ("version", status.version),
            ("home", terms.home.path),
        ]
    )
    return status


def _document(status: ServiceStatus) -> dict[str, Any]:
    return {
        "running": status.running,
        "state": status.state,
        "pid": status.pid,
        "host": status.host,
        "since": status.since.isoformat() if status.since else None,
        "heartbeat_at": status.heartbeat_at.isoformat() if status.heartbeat_at else None,
        "epoch": status.epoch,
        "version": status.version,
    }


@app.command()
def unit(
    ctx: typer.Context,
    user: Annotated[
        bool,
        typer.Option("--user", help="For `systemctl --user`, without root.", show_default=False),
    ] = False,
    home: HomeOption = None,
) -> None:
    """Print a systemd unit for this home: sources read-only, libraries and state writable."""
    from auxtui.cli.unit import unit_text
    from engine.model.errors import NotFoundError

    terms = terms_of(ctx, home)
    landings: list[str] = []
    libraries: list[str] = []
    try:
        with terms.live() as live:
            estate = live.estate()
            landings = [s.landing for c in estate.clients for s in c.subclients if s.landing]
            libraries = [item.url for item in estate.libraries if item.url.startswith("/")]
    except NotFoundError:
        say("# no catalog yet: print this again after `auxtui apply`")
    write_text(
        unit_text(
            home=str(terms.home.path),
            python=sys.executable,
            landings=landings,
            libraries=libraries,
            for_user=user,
        )
    )
