"""`auxtui retain`: keeps job copies beyond the retention of their copy."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from auxtui import format as fmt
from auxtui.cli.deciding import BackupJobs, CopyName, named_copy
from auxtui.cli.output import say, write_json
from auxtui.cli.terms import HomeOption, JsonOption, Terms, terms_of, whoami
from auxtui.moments import HINT, moment_of
from engine.model.errors import UsageError

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def retain(
    ctx: typer.Context,
    name: CopyName,
    backup_jobs: BackupJobs,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help=f"Until then: {HINT}.", show_default=False),
    ] = None,
    for_good: Annotated[
        bool, typer.Option("--for-good", help="Without end; what it does by itself.")
    ] = False,
    release: Annotated[
        bool, typer.Option("--release", help="No longer: the retention of the copy decides.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep these job copies beyond their retention, until a time or for good; or end that."""
    from engine.control import frontdoor

    terms = terms_of(ctx, home, as_json)
    if sum((until is not None, for_good, release)) > 1:
        raise UsageError(
            "--until, --for-good and --release exclude each other", hint="give one of them"
        )
    policy, copy = named_copy(name)
    end = None if until is None else _moment(terms, until)
    frontdoor.retain(terms.home, policy, copy, backup_jobs, by=whoami(), until=end, end=release)
    if terms.as_json:
        write_json(
            {
                "policy": policy,
                "copy": copy,
                "backup_jobs": backup_jobs,
                "retain_until": None if end is None else end.isoformat(),
                "released": release,
            }
        )
        return
    how = "no longer retained" if release else f"retained until {terms.times().named(end)}"
    how = "retained for good" if end is None and not release else how
    say(f"{fmt.count(len(backup_jobs), 'backup job')} {how} on {policy}/{copy}")


def _moment(terms: Terms, text: str) -> datetime:
    from engine.model.clock import system_clock

    now = system_clock()
    with terms.live() as live:
        end = moment_of(text, live.estate().time_zone, now)
    if end <= now:
        raise UsageError(f"{terms.times().named(end)} is past", hint="give a time that is to come")
    return end
