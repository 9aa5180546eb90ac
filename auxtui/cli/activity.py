"""`auxtui activity ...`: switches operations off and on, for all or below a node."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auxtui.cli.completing import node_names
from auxtui.cli.output import say, tell, write_json, write_table
from auxtui.cli.terms import HomeOption, JsonOption, Terms, terms_of, whoami
from auxtui.cli.words import name_of
from auxtui.moments import HINT, after, moment_of
from engine.model.errors import UsageError

if TYPE_CHECKING:
    from engine.catalog.rule_values import ActivityValue

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help="Switch operations off and on. What runs stops at a chunk boundary and goes on by itself.",
)

Node = Annotated[
    str,
    typer.Argument(
        metavar="NODE",
        help="commcell, media_agents.X, clients.X or clients.X.subclients.Y.",
        autocompletion=node_names,
    ),
]


@app.command()
def off(
    ctx: typer.Context,
    node: Node,
    span: Annotated[
        str | None, typer.Option("--for", help="On again after 2h, 3d ...", show_default=False)
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help=f"On again then: {HINT}.", show_default=False),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Switch operations off on a node and all below it; on again by itself when told so."""
    from engine.control import frontdoor

    terms = terms_of(ctx, home, as_json)
    name = _node(terms, node)
    off_until = _end(terms, span, until)
    frontdoor.switch_activity(terms.home, name, on=False, by=whoami(), off_until=off_until)
    if terms.as_json:
        _print_document(terms)
    else:
        end = f"until {terms.times().named(off_until)}" if off_until else "until it is switched on"
        say(f"activity is off on {name} {end}")


@app.command()
def on(
    ctx: typer.Context, node: Node, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Switch operations on again."""
    from engine.control import frontdoor
    from engine.policy.windows import node_path

    terms = terms_of(ctx, home, as_json)
    name = _node(terms, node)
    changed = frontdoor.switch_activity(terms.home, name, on=True, by=whoami())
    still_off = [value.node for value in _switched_off(terms) if value.node in node_path(name)]
    if terms.as_json:
        _print_document(terms)
    else:
        say(f"activity is on on {name}" if changed else f"activity was not off on {name}")
    for above in still_off:
        tell(f"it is still off on {above}: auxtui activity on {above}")


@app.command("list")
def list_activity(ctx: typer.Context, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Where operations are switched off."""
    terms = terms_of(ctx, home, as_json)
    if terms.as_json:
        _print_document(terms)
        return
    found = _switched_off(terms)
    if not found:
        say("activity is on everywhere")
        return
    times = terms.times()
    write_table(
        ["off on", times.heading("until"), "by", times.heading("since")],
        [
            [value.node, times.cell(value.off_until), value.by, times.cell(value.at)]
            for value in found
        ],
        names=["off on", "by"],
        least=["since"],
    )


def _node(terms: Terms, node: str) -> str:
    """The node, which must be there: no service is started for one that is not."""
    from engine.catalog.opening import open_catalog
    from engine.control.admission import check_node

    name = name_of(node, "node")
    with open_catalog(terms.home) as catalog, catalog.read() as session:
        check_node(session, name)
    return name


def _end(terms: Terms, span: str | None, until: str | None) -> datetime | None:
    from engine.model.clock import system_clock

    if span is not None and until is not None:
        raise UsageError("--for and --until exclude each other", hint="give one of them, or none")
    now = system_clock()
    if span is not None:
        end = after(span, now)
    elif until is not None:
        with terms.live() as live:
            end = moment_of(until, live.estate().time_zone, now)
    else:
        return None
    if end <= now:
        raise UsageError(f"{terms.times().named(end)} is past", hint="give a time that is to come")
    return end


def _switched_off(terms: Terms) -> list[ActivityValue]:
    from engine.catalog import activity
    from engine.catalog.opening import open_catalog
    from engine.model.clock import system_clock

    with open_catalog(terms.home) as catalog, catalog.read() as session:
        return activity.switched_off(session, system_clock())


def _print_document(terms: Terms) -> None:
    from engine.catalog.live_documents import iso

    found: list[dict[str, Any]] = [
        {
            "node": value.node,
            "off_until": iso(value.off_until),
            "by": value.by,
            "at": iso(value.at),
        }
        for value in _switched_off(terms)
    ]
    write_json({"activity": found})
