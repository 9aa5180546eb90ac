"""`auxtui mark-bad`: a job copy that is not to be trusted."""

from __future__ import annotations

import typer

from auxtui.cli.deciding import BackupJobs, CopyName, decide
from auxtui.cli.terms import HomeOption, JsonOption, terms_of

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def mark_bad(
    ctx: typer.Context,
    name: CopyName,
    backup_jobs: BackupJobs,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Mark these job copies bad: they are no source for anything any more."""
    decide(terms_of(ctx, home, as_json), name, backup_jobs, "bad", "marked bad on")
