"""`auxtui restore`: a backup job back into a directory, verified while it is read."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Annotated

import typer

from auxtui.cli.running import WaitOption, run_job
from auxtui.cli.terms import HereOption, HomeOption, JsonOption, Terms, terms_of, whoami
from auxtui.cli.words import name_of
from auxtui.moments import past_moment_of
from engine.model.errors import UsageError
from engine.model.names import shown

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def restore(
    ctx: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="JOB|CLIENT/SUBCLIENT",
            help="A backup job, or a subclient that auxtui backs up: its newest backup.",
            show_default=False,
        ),
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
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="TIME",
            help="Of a subclient: as it was then, e.g. 2026-03-02, 2026-03-02T21:00; 18:00: the last.",
            show_default=False,
        ),
    ] = None,
    identity: Annotated[
        list[str] | None,
        typer.Option(
            "--identity",
            metavar="FILE",
            help="Keys that open an encrypted copy (age or ssh); again for more.",
            show_default=False,
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

    backup_job = _job_of(what)
    subclient = None if backup_job is not None else name_of(what, "subclient")
    if as_of is not None and subclient is None:
        raise UsageError(
            "--as-of goes with CLIENT/SUBCLIENT", hint="a backup job has a time of its own"
        )
    moment = None if as_of is None else _time_of(terms, as_of)

    def start() -> int:
        return frontdoor.run_restore(
            terms.home,
            backup_job,
            subclient=subclient,
            as_of=moment,
            to=to,
            copy=name_of(copy, "copy") or None,
            path_globs=path or [],
            identity_files=[os.path.abspath(file) for file in identity or []],
            overwrite=overwrite,
            by=whoami(),
        )

    run_job(terms, start, wait=wait, here=here)


def _job_of(what: str) -> int | None:
    """The backup job that is named; None: a subclient is.

    Raises:
        UsageError: it is neither.
    """
    if what.isascii() and what.isdigit() and 0 < int(what) < 2**63:
        return int(what)
    client, _, name = what.partition("/")
    if not client or not name or "/" in name:
        raise UsageError(
            f'"{shown(what)}" is neither a backup job nor CLIENT/SUBCLIENT',
            hint="e.g. 17, or web1/content",
        )
    return None


def _time_of(terms: Terms, text: str) -> datetime:
    from engine.model.clock import system_clock

    with terms.live() as live:
        return past_moment_of(text, live.estate().time_zone, system_clock())
