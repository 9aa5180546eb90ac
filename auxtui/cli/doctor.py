"""`auxtui doctor`: what is wrong here, and what to do about it."""

from __future__ import annotations

import typer

from auxtui.cli.findings import exit_code_of, show_findings
from auxtui.cli.terms import HomeOption, JsonOption, terms_of

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def doctor(ctx: typer.Context, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """What is wrong here, and what to do about it; starts nothing, and tries every library out."""
    from auxtui.cli.examining import examine

    terms = terms_of(ctx, home, as_json)
    found = examine(terms.home)
    show_findings(found, as_json=terms.as_json, well="nothing needs attention")
    raise typer.Exit(exit_code_of(found))
