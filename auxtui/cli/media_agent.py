"""`auxtui media-agent ...`: the MediaAgents, whether they can work now, and their data paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from auxtui.cli.output import say, write_facts, write_json, write_table
from auxtui.cli.terms import HomeOption, JsonOption, terms_of
from auxtui.cli.words import found_name

if TYPE_CHECKING:
    from engine.catalog.live_values import LiveMediaAgent

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help="The MediaAgents: whether they can work now, and what they reach.",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the MediaAgent in the site file.")]


@app.command("list")
def list_media_agents(
    ctx: typer.Context, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """The MediaAgents, as the last look at their libraries has found them."""
    terms = terms_of(ctx, home, as_json)
    with terms.live() as live:
        agents, used = live.estate().media_agents, live.streams_in_use()
    if terms.as_json:
        documents = [_document(agent, used.get(agent.name, 0)) for agent in agents]
        write_json({"media_agents": documents})
        return
    times = terms.times()
    write_table(
        [
            "MediaAgent",
            "state",
            "streams",
            "time zone",
            times.heading("looked at"),
            "libraries",
            "reason",
        ],
        [
            [
                agent.name,
                agent.state,
                f"{used.get(agent.name, 0)} of {agent.max_streams}",
                agent.time_zone,
                times.cell(agent.checked_at),
                ", ".join(agent.libraries) or "-",
                "; ".join(agent.reasons),
            ]
            for agent in agents
        ],
        names=["MediaAgent", "libraries"],
        least=["looked at", "time zone", "libraries"],
    )


@app.command()
def show(
    ctx: typer.Context, name: Name, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """One MediaAgent: state, streams, and each data path with its state and reason."""
    terms = terms_of(ctx, home, as_json)
    with terms.live() as live:
        agents, used = live.estate().media_agents, live.streams_in_use()
    found_name(name, (agent.name for agent in agents), "MediaAgent")
    agent = next(agent for agent in agents if agent.name == name)
    if terms.as_json:
        write_json(_document(agent, used.get(name, 0)))
        return
    write_facts(
        [
            ("MediaAgent", agent.name),
            ("state", agent.state),
            ("streams", f"{used.get(name, 0)} of {agent.max_streams} at work"),
            ("time zone", agent.time_zone),
            ("looked at", terms.times().named(agent.checked_at)),
        ]
    )
    say("")
    write_table(
        ["library", "state", "place", "reason"],
        [[path.library, path.state, path.url, path.reason] for path in agent.paths],
        names=["library", "place"],
    )


def _document(agent: LiveMediaAgent, used: int) -> dict[str, Any]:
    from engine.catalog.live_documents import iso

    return {
        "media_agent": agent.name,
        "state": agent.state,
        "reasons": list(agent.reasons),
        "streams_in_use": used,
        "max_streams": agent.max_streams,
        "time_zone": agent.time_zone,
        "checked_at": iso(agent.checked_at),
        "paths": [
            {
                "library": path.library,
                "url": path.url,
                "state": path.state,
                "reason": path.reason,
            }
            for path in agent.paths
        ],
    }
