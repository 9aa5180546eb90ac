"""`auxtui prioritise`: the place of backup jobs in the next run to a copy."""

from __future__ import annotations

from typing import Annotated

import typer

from auxtui import format as fmt
from auxtui.cli.deciding import BackupJobs, CopyName, named_copy
from auxtui.cli.output import say, write_json
from auxtui.cli.terms import HomeOption, JsonOption, terms_of, whoami

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def prioritise(
    ctx: typer.Context,
    name: CopyName,
    backup_jobs: BackupJobs,
    priority: Annotated[
        int, typer.Option("--priority", min=0, max=9, help="0 first, 9 last; 5 is usual.")
    ],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy these backup jobs sooner or later than others in the next run."""
    from engine.control import frontdoor

    terms = terms_of(ctx, home, as_json)
    policy, copy = named_copy(name)
    frontdoor.prioritise(terms.home, policy, copy, backup_jobs, priority, by=whoami())
    if terms.as_json:
        document = {"policy": policy, "copy": copy, "backup_jobs": backup_jobs}
        write_json({**document, "priority": priority})
    else:
        number = fmt.count(len(backup_jobs), "backup job")
        say(f"{number} with priority {priority} for {policy}/{copy}")
