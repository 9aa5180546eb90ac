"""`auxtui unpick`: leaves out what the rules, or a pick, would copy."""

from __future__ import annotations

from typing import Annotated

import typer

from auxtui.cli.deciding import BackupJobs, CopyName, decide
from auxtui.cli.terms import HomeOption, JsonOption, terms_of

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def unpick(
    ctx: typer.Context,
    name: CopyName,
    backup_jobs: BackupJobs,
    by_rules: Annotated[
        bool,
        typer.Option(
            "--by-rules", help="Forget what was decided: the rules decide.", show_default=False
        ),
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Do not copy these backup jobs, until they are picked or left to the rules again."""
    terms = terms_of(ctx, home, as_json)
    if by_rules:
        decide(terms, name, backup_jobs, "", "left to the rules of")
    else:
        decide(terms, name, backup_jobs, "do_not_copy", "not to be copied to")
