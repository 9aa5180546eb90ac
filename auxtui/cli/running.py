"""Starts a job and waits for it where that is asked; what verify, repair and aging share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from auxtui.cli.output import say, write_json
from auxtui.cli.terms import Terms
from engine.model.errors import UsageError

WaitOption = Annotated[
    bool,
    typer.Option(
        "--wait", help="Wait for the end; its exit code is the job's.", show_default=False
    ),
]


def run_job(terms: Terms, start: Callable[[], int], *, wait: bool, here: bool) -> None:
    """Starts a job; prints its id, or waits, prints its end and exits with its code.

    Args:
        terms: whose CommCell, and how to answer.
        start: starts it and returns its id.
        wait: wait for its end.
        here: with the service inside this program.

    Raises:
        UsageError: `here` without `wait`.
    """
    from auxtui.cli.waiting import wait_and_report

    if here and not wait:
        raise UsageError("--here runs the job inside this command", hint="add --wait")
    if here:
        from auxtui.cli.here import run_here

        raise typer.Exit(run_here(terms.home, lambda: wait_and_report(terms, start(), here=True)))
    job_id = start()
    if wait:
        raise typer.Exit(wait_and_report(terms, job_id))
    if terms.as_json:
        from engine.catalog.live_documents import job_document

        with terms.live() as live:
            write_json(job_document(live.job(job_id)))
    else:
        say(str(job_id))
