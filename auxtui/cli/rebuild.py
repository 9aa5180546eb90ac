"""`auxtui catalog rebuild`: the ledger from the libraries alone."""

from __future__ import annotations

from typing import Annotated

import typer

from auxtui import format as fmt
from auxtui.cli.output import say, tell, write_json
from auxtui.cli.terms import HomeOption, JsonOption, terms_of
from auxtui.cli.words import name_of
from auxtui.inert import safe
from engine.model.errors import EXIT_FAILED, EXIT_OK


def rebuild(
    ctx: typer.Context,
    library: Annotated[
        list[str] | None,
        typer.Option(
            "--library", metavar="NAME", help="From this one; again for more.", show_default=False
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rebuild a fresh catalog from the manifests in libraries, after `auxtui apply`."""
    from engine.control import frontdoor

    terms = terms_of(ctx, home, as_json)
    names = [name_of(name, "library") for name in library or []]
    report = frontdoor.rebuild(terms.home, names)
    is_whole = not report["missing"] and not report["damaged"]
    if terms.as_json:
        write_json(report)
    else:
        jobs, copies = report["backup_jobs"], report["job_copies"]
        say(
            f"{fmt.count(jobs, 'backup job')} and {fmt.count(copies, 'job copy')} "
            f"rebuilt from {', '.join(report['libraries'])}"
        )
        for text in report["missing"]:
            tell(safe(f"not in the configuration: {text}; add it to the site file, rebuild again"))
        for text in report["damaged"]:
            tell(safe(f"damaged: {text}"))
        for text in report["not_known"]:
            tell(f"not known: {text}")
    raise typer.Exit(EXIT_OK if is_whole else EXIT_FAILED)
