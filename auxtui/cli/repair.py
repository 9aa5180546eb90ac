"""`auxtui repair`: makes a damaged job copy anew from any that is good."""

from __future__ import annotations

import typer

from auxtui.cli.deciding import BackupJobs, CopyName, named_copy
from auxtui.cli.running import WaitOption, run_job
from auxtui.cli.terms import HereOption, HomeOption, JsonOption, terms_of, whoami

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def repair(
    ctx: typer.Context,
    name: CopyName,
    backup_jobs: BackupJobs,
    wait: WaitOption = False,
    here: HereOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Repair these job copies: damaged chunks come from any copy that has them right."""
    from engine.control import frontdoor

    terms = terms_of(ctx, home, as_json)
    policy, copy = named_copy(name)

    def start() -> int:
        return frontdoor.repair(terms.home, policy, copy, backup_jobs, by=whoami())

    run_job(terms, start, wait=wait, here=here)
