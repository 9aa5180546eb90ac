"""`auxtui pick`: copies what the rules would leave."""

from __future__ import annotations

import typer

from auxtui.cli.deciding import BackupJobs, CopyName, decide
from auxtui.cli.terms import HomeOption, JsonOption, terms_of

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def pick(
    ctx: typer.Context,
    name: CopyName,
    backup_jobs: BackupJobs,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy these backup jobs in the next run, whatever the rules say."""
    decide(terms_of(ctx, home, as_json), name, backup_jobs, "picked", "picked for")
