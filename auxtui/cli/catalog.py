"""`auxtui catalog ...`: looks after the catalog."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from auxtui.cli.findings import exit_code_of, show_findings
from auxtui.cli.output import say, write_json
from auxtui.cli.rebuild import rebuild
from auxtui.cli.terms import HomeOption, JsonOption, terms_of

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help="Check the catalog, back it up, or rebuild it.",
)

app.command()(rebuild)


@app.command()
def check(ctx: typer.Context, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Look for damage and contradictions; changes nothing."""
    from engine.catalog.checking import check_catalog

    terms = terms_of(ctx, home, as_json)
    found = check_catalog(terms.home)
    show_findings(found, as_json=terms.as_json, well="the catalog is well")
    raise typer.Exit(exit_code_of(found))


@app.command()
def backup(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A name that is not taken.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the catalog to a file, also while the service runs."""
    from engine.catalog.checking import backup_catalog

    terms = terms_of(ctx, home, as_json)
    target = Path(os.path.abspath(file))
    backup_catalog(terms.home, target)
    size_bytes = target.stat().st_size
    if terms.as_json:
        write_json({"file": str(target), "bytes": size_bytes})
    else:
        say(f"the catalog is copied to {target}")
