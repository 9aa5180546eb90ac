"""`auxtui aging`: takes away what retention does not keep any more, or says what it would."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from auxtui import format as fmt
from auxtui.cli.output import say, tell, write_json
from auxtui.cli.running import WaitOption, run_job
from auxtui.cli.terms import HereOption, HomeOption, JsonOption, Terms, terms_of, whoami
from auxtui.cli.words import name_of
from auxtui.inert import safe
from engine.model.errors import UsageError

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def aging(
    ctx: typer.Context,
    policy: Annotated[
        str | None, typer.Option("--policy", help="Of this policy only.", show_default=False)
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what would go, and what keeps the rest.", show_default=False
        ),
    ] = False,
    confirm: Annotated[
        bool,
        typer.Option(
            "--confirm",
            help="The deletion fuse stopped it; this much shall go.",
            show_default=False,
        ),
    ] = False,
    release: Annotated[
        str | None,
        typer.Option(
            "--release",
            metavar="POLICY",
            help="Give up what copies of this policy wait for, where nothing else keeps it.",
            show_default=False,
        ),
    ] = None,
    wait: WaitOption = False,
    here: HereOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take away what retention does not keep any more."""
    from engine.control import frontdoor

    terms = terms_of(ctx, home, as_json)
    if sum((dry_run, confirm, release is not None)) > 1:
        raise UsageError(
            "--dry-run, --confirm and --release exclude each other", hint="give one of them"
        )
    if release is not None:
        _release(terms, name_of(release, "policy"))
        return
    chosen = name_of(policy, "policy") or None
    if dry_run:
        _show(terms, frontdoor.preview_aging(terms.home, policy=chosen))
        return

    def start() -> int:
        return frontdoor.run_aging(
            terms.home, dry_run=False, confirm=confirm, policy=chosen, by=whoami()
        )

    run_job(terms, start, wait=wait, here=here)


def _release(terms: Terms, policy: str) -> None:
    from engine.control import frontdoor

    released = frontdoor.release(terms.home, policy, by=whoami())
    if terms.as_json:
        write_json({"policy": policy, "released": released})
        return
    for one in released:
        text = f"backup job {one['backup_job_id']}: {one['copy']} will not get it"
        say(safe(f"{text}; {one['held_on']} may age it"))
    say(f"{fmt.count(len(released), 'job copy')} released")


def _show(terms: Terms, document: dict[str, Any]) -> None:
    if terms.as_json:
        write_json(document)
        return
    going = [one for one in document["job_copies"] if one["ages"]]
    for one in document["job_copies"]:
        word = "ages" if one["ages"] else "stays"
        where = f"{one['policy']}/{one['copy']}"
        what = f"{one['client']}/{one['subclient']} {one['level']}"
        job = f"{one['backup_job_id']:>8}  {where}  {what}  {fmt.size(one['bytes'])}"
        say(safe(f"{word:<5} {job}  {one['reason']}"))
    total = fmt.size(sum(one["bytes"] for one in going))
    stopped = [one for one in document["job_copies"] if one["stopped"]]
    more = ""
    if stopped:
        size = fmt.size(sum(one["bytes"] for one in stopped))
        more = f"; {len(stopped)} more, {size}, are stopped by the deletion fuse"
    say(f"{fmt.count(len(going), 'job copy')} would go, {total}{more}")
    for fuse in document["fuses"]:
        whose = f" for {fuse['subclient']}" if fuse["subclient"] else ""
        tell(safe(f"stopped on {fuse['policy']}/{fuse['copy']}{whose}: {fuse['reason']}"))
    if document["fuses"]:
        tell("if it is right: auxtui aging --confirm")
