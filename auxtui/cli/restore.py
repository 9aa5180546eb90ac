"""`auxtui restore`: a backup job back into a directory, verified while it is read."""

from __future__ import annotations

from typing import Annotated

import typer

from auxtui.cli.output import say, write_json
from auxtui.cli.terms import HereOption, HomeOption, JsonOption, terms_of, whoami
from auxtui.cli.words import name_of
from engine.model.errors import UsageError

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def restore(
    ctx: typer.Context,
    backup_job: Annotated[
        int, typer.Argument(metavar="JOB", min=1, max=2**63 - 1, help="The backup job.")
    ],
    to: Annotated[str, typer.Option("--to", metavar="DIR", help="Where to put it.")],
    copy: Annotated[
        str | None,
        typer.Option("--copy", help="From this copy only; else by precedence.", show_default=False),
    ] = None,
    path: Annotated[
        list[str] | None,
        typer.Option(
            "--path", metavar="GLOB", help="Only these; again for more.", show_default=False
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace files that are there.", show_default=False),
    ] = False,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait", help="Wait for the end; its exit code is the job's.", show_default=False
        ),
    ] = False,
    here: HereOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Get a backup job back, from the copy of lowest precedence that can give it."""
    from auxtui.cli.waiting import wait_and_report
    from engine.control import frontdoor

    terms = terms_of(ctx, home, as_json)
    if here and not wait:
        raise UsageError("--here runs the job inside this command", hint="add --wait")

    def start() -> int:
        return frontdoor.run_restore(
            terms.home,
            backup_job,
            to=to,
            copy=name_of(copy, "copy") or None,
            path_globs=path or [],
            overwrite=overwrite,
            by=whoami(),
        )

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
