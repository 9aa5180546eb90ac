"""`auxtui scan`: adopts what has settled in landing directories."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from auxtui.cli.completing import subclient_names
from auxtui.cli.output import say, tell, write_json
from auxtui.cli.terms import HomeOption, JsonOption, terms_of, whoami
from auxtui.cli.words import name_of
from engine.model.errors import EXIT_FAILED, EXIT_OK, EXIT_TRY_LATER

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def scan(
    ctx: typer.Context,
    subclient: Annotated[
        str | None,
        typer.Argument(
            metavar="[CLIENT/SUBCLIENT]",
            help="One landing subclient; else all.",
            autocompletion=subclient_names,
            show_default=False,
        ),
    ] = None,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept",
            help="Take the landing directory as it is now, also on another file system.",
            show_default=False,
        ),
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Adopt new backup jobs from landing directories."""
    from engine.control import frontdoor

    terms = terms_of(ctx, home, as_json)
    name_of(subclient, "subclient")
    found = frontdoor.run_scan(terms.home, subclient, by=whoami(), accept=accept)
    if terms.as_json:
        write_json(found)
    else:
        _show(found)
    raise typer.Exit(_exit_code(found))


def _exit_code(found: dict[str, Any]) -> int:
    if found.get("bad"):
        return EXIT_FAILED
    return EXIT_TRY_LATER if found.get("offline") else EXIT_OK


def _show(found: dict[str, Any]) -> None:
    for line in found.get("adopted", []):
        say(f"adopted  {line.get('subclient')}  {line.get('name')}  as backup job {_id_of(line)}")
    for kind in ("left", "bad", "offline"):
        for line in found.get(kind, []):
            name = f"  {line['name']}" if line.get("name") else ""
            tell(f"{kind}  {line.get('subclient')}{name}: {line.get('reason')}")
    if not found.get("adopted"):
        say("nothing new")


def _id_of(line: dict[str, Any]) -> object:
    return line.get("backup_job_id", line.get("id"))
