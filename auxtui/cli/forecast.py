"""`auxtui forecast`: when each copy will be caught up, and which have fallen behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from auxtui import format as fmt
from auxtui.cli.completing import policy_names
from auxtui.cli.output import say, write_json, write_table
from auxtui.cli.terms import HomeOption, JsonOption, terms_of
from auxtui.cli.words import found_name, name_of

if TYPE_CHECKING:
    from engine.catalog.home import Home
    from engine.catalog.watch_values import CopyStanding

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def forecast(
    ctx: typer.Context,
    policy: Annotated[
        str | None,
        typer.Argument(
            metavar="[POLICY]",
            help="A storage policy; else all.",
            autocompletion=policy_names,
            show_default=False,
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """When copies will be caught up, from their rates, what keeps coming and the open hours."""
    terms = terms_of(ctx, home, as_json)
    found = _measured(terms.home, name_of(policy, "policy"))
    if terms.as_json:
        from engine.catalog.live_documents import standing_document

        write_json({"forecasts": [standing_document(*each) for each in found]})
        return
    if not found:
        say("there is no active secondary copy")
        return
    times = terms.times()
    write_table(
        [
            "copy",
            "to copy",
            "size",
            times.heading("oldest due"),
            "rate",
            "comes",
            times.heading("forecast"),
        ],
        [
            [
                f"{name}/{copy}",
                standing.owed_jobs,
                fmt.size(standing.owed_bytes),
                times.cell(standing.oldest_due_at),
                fmt.rate(standing.rate_bps),
                fmt.rate(standing.income_bps),
                standing.forecast,
            ]
            for name, copy, standing in found
        ],
        numbers=["to copy", "size", "rate", "comes"],
        names=["copy"],
        least=["comes", "rate", "oldest due"],
    )
    for name, copy, standing in found:
        for reason in standing.behind_reasons:
            say(f"{name}/{copy} has fallen behind: {reason}")


def _measured(home: Home, policy: str) -> list[tuple[str, str, CopyStanding]]:
    """Policy, copy and how it stands, measured now; of one policy, or all.

    Raises:
        NotFoundError: there is no such policy.
    """
    from engine.catalog import config
    from engine.catalog.opening import open_catalog
    from engine.model.clock import system_clock
    from engine.operations.standing import measure

    with open_catalog(home) as catalog, catalog.read() as session:
        names = {
            copy.id: (each.name, copy.name)
            for each in config.policies(session)
            for copy in config.copies(session, each.id)
        }
        if policy:
            found_name(policy, [each.name for each in config.policies(session)], "policy")
        measured = measure(session, system_clock())
    return [
        (*names[standing.copy_id], standing)
        for standing in measured
        if not policy or names[standing.copy_id][0] == policy
    ]
