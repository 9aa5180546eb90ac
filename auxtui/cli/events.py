"""`auxtui events`: what happened, newest first."""

from __future__ import annotations

from typing import Annotated

import typer

from auxtui.cli.output import write_json, write_table
from auxtui.cli.terms import HomeOption, JsonOption, terms_of
from auxtui.cli.words import one_of
from engine.model.states import Severity

app = typer.Typer(rich_markup_mode=None, add_completion=False)

SHOWN = 100
_FROM = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}


@app.command()
def events(
    ctx: typer.Context,
    text: Annotated[
        str, typer.Argument(metavar="[TEXT]", help="Only what has this in it.", show_default=False)
    ] = "",
    job: Annotated[
        int | None, typer.Option("--job", min=1, help="Only of this job.", show_default=False)
    ] = None,
    severity: Annotated[
        str | None,
        typer.Option(
            "--severity", help="This and worse: info, warning, error.", show_default=False
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = SHOWN,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The event log, newest first: what happened, and who changed what."""
    terms = terms_of(ctx, home, as_json)
    least = Severity(one_of(severity, Severity, "severity")) if severity else Severity.INFO
    wanted = [each for each, rank in _FROM.items() if rank >= _FROM[least]]
    with terms.live() as live:
        found = live.events(job_id=job, severities=wanted, text=text, limit=limit)
    if terms.as_json:
        write_json(
            {
                "events": [
                    {
                        "at": each.at.isoformat(),
                        "severity": each.severity.value,
                        "code": each.code,
                        "job_id": each.job_id,
                        "message": each.message,
                    }
                    for each in found
                ]
            }
        )
        return
    times = terms.times()
    write_table(
        [times.heading("at"), "severity", "job", "event", "code"],
        [
            [times.cell(each.at), each.severity.value, each.job_id or "", each.message, each.code]
            for each in found
        ],
        numbers=["job"],
        least=["code", "severity", "job"],
    )
