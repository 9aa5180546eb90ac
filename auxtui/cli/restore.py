"""`auxtui restore`: a backup job back into a directory, verified while it is read."""

from __future__ import annotations

from typing import Annotated

import typer

from auxtui.cli.running import WaitOption, run_job
from auxtui.cli.terms import HereOption, HomeOption, JsonOption, terms_of, whoami
from auxtui.cli.words import name_of

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
    wait: WaitOption = False,
    here: HereOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Get a backup job back, from the copy of lowest precedence that can give it."""
    from engine.control import frontdoor

    terms = terms_of(ctx, home, as_json)

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

    run_job(terms, start, wait=wait, here=here)
