"""`auxtui demo`: a small real CommCell to try auxtui on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auxtui.cli.terms import JsonOption, terms_of

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def demo(
    ctx: typer.Context,
    directory: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="Where to make it.")
    ] = Path("demo"),
    headless: Annotated[
        bool,
        typer.Option(
            "--headless", help="Wait for the end and print the result.", show_default=False
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a small real CommCell, run an auxiliary copy and show it in the console."""
    from auxtui.demo import run_demo

    terms = terms_of(ctx, None, as_json)
    raise typer.Exit(run_demo(str(directory), headless=headless, as_json=terms.as_json))
