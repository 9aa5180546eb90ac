"""`auxtui backup`: backs up the content of a subclient."""

from __future__ import annotations

from typing import Annotated

import typer

from auxtui.cli.completing import subclient_names
from auxtui.cli.running import WaitOption, run_job
from auxtui.cli.terms import HereOption, HomeOption, JsonOption, terms_of, whoami
from auxtui.cli.words import name_of
from engine.model.errors import UsageError
from engine.model.states import Level

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def backup(
    ctx: typer.Context,
    subclient: Annotated[
        str,
        typer.Argument(
            metavar="CLIENT/SUBCLIENT",
            help="A subclient with `content`.",
            autocompletion=subclient_names,
            show_default=False,
        ),
    ],
    full: Annotated[bool, typer.Option("--full", help="All of it.", show_default=False)] = False,
    incremental: Annotated[
        bool,
        typer.Option(
            "--incremental",
            help="What is new or changed since the backup before; a full where there is none.",
            show_default=False,
        ),
    ] = False,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept",
            help="Believe what is found, however little is left of it.",
            show_default=False,
        ),
    ] = False,
    wait: WaitOption = False,
    here: HereOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Back up the content of a subclient."""
    from engine.control import frontdoor

    terms = terms_of(ctx, home, as_json)
    name_of(subclient, "subclient")
    if full and incremental:
        raise UsageError("--full and --incremental exclude each other", hint="give one of them")
    level = Level.FULL.value if full else Level.INCREMENTAL.value if incremental else None

    def start() -> int:
        return frontdoor.run_backup(terms.home, subclient, level=level, accept=accept, by=whoami())

    run_job(terms, start, wait=wait, here=here)
