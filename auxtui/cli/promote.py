"""`auxtui promote`: makes a synchronous copy the primary."""

from __future__ import annotations

import typer

from auxtui.cli.deciding import CopyName, named_copy
from auxtui.cli.output import say, tell, write_json
from auxtui.cli.terms import HomeOption, JsonOption, terms_of, whoami

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def promote(
    ctx: typer.Context, name: CopyName, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Make a synchronous copy the primary; the old primary becomes a synchronous copy of it."""
    from engine.control import frontdoor

    terms = terms_of(ctx, home, as_json)
    policy, copy = named_copy(name)
    answer = frontdoor.promote(terms.home, policy, copy, by=whoami())
    if terms.as_json:
        write_json({"policy": policy, **answer})
        return
    say(f"{copy} is the primary copy of {policy}; {answer['was']} is a synchronous copy of it")
    if answer["note"]:
        tell(str(answer["note"]))
    tell("the site file says otherwise now: write it anew with `auxtui export`")
