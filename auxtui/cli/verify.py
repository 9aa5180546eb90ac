"""`auxtui verify`: reads copies and compares every byte with its digest."""

from __future__ import annotations

from typing import Annotated

import typer

from auxtui.cli.completing import copy_names
from auxtui.cli.running import WaitOption, run_job
from auxtui.cli.terms import HereOption, HomeOption, JsonOption, terms_of, whoami
from auxtui.cli.words import policy_and_copy
from engine.model.errors import UsageError

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def verify(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="POLICY[/COPY]", help="What.", autocompletion=copy_names),
    ],
    new: Annotated[
        bool, typer.Option("--new", help="Never verified; what it does by itself.")
    ] = False,
    expired: Annotated[
        bool, typer.Option("--expired", help="Verified longer ago than the copy's verify_expires.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="All, also those that failed before.")
    ] = False,
    due: Annotated[
        bool, typer.Option("--due", help="What the copies' own rules want tonight.")
    ] = False,
    priority: Annotated[
        int, typer.Option("--priority", min=0, max=9, help="0 (first) to 9 (last).")
    ] = 5,
    throttle: Annotated[
        str | None,
        typer.Option("--throttle", metavar="RATE", help="e.g. 50MiB/s.", show_default=False),
    ] = None,
    wait: WaitOption = False,
    here: HereOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read job copies from their media and compare every byte with its digest."""
    from engine.control import frontdoor
    from engine.policy.durations import parse_rate

    terms = terms_of(ctx, home, as_json)
    asked = {"new": new, "expired": expired, "all": everything, "due": due}
    chosen = [word for word, is_asked in asked.items() if is_asked]
    if len(chosen) > 1:
        raise UsageError(f"--{' and --'.join(chosen)} exclude each other", hint="give one of them")
    policy, copy = policy_and_copy(name)
    rate_bps = None if throttle is None else parse_rate(throttle)

    def start() -> int:
        return frontdoor.run_verification(
            terms.home,
            policy,
            copy or None,
            chosen[0] if chosen else "new",
            by=whoami(),
            priority=priority,
            throttle_bps=rate_bps,
        )

    run_job(terms, start, wait=wait, here=here)
