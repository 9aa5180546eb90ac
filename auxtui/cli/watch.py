"""`auxtui watch`: follows a job, one line per change; for screen readers, logs and slow lines."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from auxtui.cli.job import JobId
from auxtui.cli.output import say, tell
from auxtui.cli.terms import HomeOption, terms_of
from auxtui.cli.waiting import exit_code_of, follow, job_line
from engine.catalog.running_values import JobValue
from engine.model.errors import EXIT_TRY_LATER

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def watch(
    ctx: typer.Context,
    job_id: JobId,
    _plain: Annotated[
        bool,
        typer.Option("--plain", help="One line per change (always so here).", show_default=False),
    ] = True,
    home: HomeOption = None,
) -> None:
    """Follow a job until it ends, one line per change, nothing redrawn."""
    seen: list[str] = []

    def show(job: JobValue) -> None:
        line = job_line(job)
        if seen[-1:] != [line]:
            seen[:] = [line]
            say(line)
            sys.stdout.flush()

    try:
        job = follow(terms_of(ctx, home), job_id, show)
    except KeyboardInterrupt:
        tell(f"job {job_id} goes on without you")
        raise typer.Exit(EXIT_TRY_LATER) from None
    raise typer.Exit(exit_code_of(job))
