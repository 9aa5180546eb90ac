"""`auxtui apply`: makes the configuration as a site file says."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from auxtui.cli.output import say, tell, write_json
from auxtui.cli.terms import HomeOption, JsonOption, terms_of, whoami
from engine.model.errors import LibraryOffline
from engine.model.names import shown

if TYPE_CHECKING:
    from engine.site.diffing import Change

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_SIGNS = {"added": "+", "changed": "~", "removed": "-", "warning": "!"}


@app.command()
def apply(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE.toml", help="The site file; - reads it.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would change.", show_default=False)
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the configuration as a site file says: all of it or nothing."""
    from engine.control import frontdoor

    terms = terms_of(ctx, home, as_json)
    text, name = _read(file)
    changes = frontdoor.apply_text(terms.home, text, name, dry_run=dry_run, by=whoami())
    if terms.as_json:
        write_json({"changes": [change.document() for change in changes], "dry_run": dry_run})
        _refuse_offline(changes)
        return
    for change in changes:
        _show(change)
    if not changes:
        say("nothing to change")
    elif dry_run:
        tell("nothing was changed: --dry-run")
    _refuse_offline(changes)


def _refuse_offline(changes: list[Change]) -> None:
    """The configuration is made, and is no success: a library of it cannot be used."""
    names = [
        change.name for change in changes if change.change == "warning" and change.kind == "library"
    ]
    if names:
        one = len(names) == 1
        raise LibraryOffline(
            f"the configuration is applied, but {'library' if one else 'libraries'} "
            f"{', '.join(map(shown, names))} {'is' if one else 'are'} offline",
            hint="see to it as said, then apply the file again",
        )


def _read(file: str) -> tuple[str, str]:
    from engine.site.toml_text import decoded, read_toml_file

    if file == "-":
        return decoded(sys.stdin.buffer.read(), "<stdin>"), "<stdin>"
    return read_toml_file(file), file


def _show(change: Change) -> None:
    line = f"{_SIGNS[change.change]} {change.kind} {change.name}"
    for key, (before, after) in change.fields.items():
        line += "  " + (
            f"{key}={_value(after)}"
            if before is None
            else f"{key}: {_value(before)} -> {_value(after)}"
        )
    if change.change == "warning":
        tell(f"! {change.kind} {change.name}: {change.note}")
        return
    say(f"{line}  ({change.note})" if change.note else line)


def _value(value: object) -> str:
    """A value of the site file on one line: rows of a table apart by semicolons."""
    if isinstance(value, list):
        between = "; " if any(isinstance(each, dict) for each in value) else ","
        return between.join(_value(each) for each in value) or "none"
    if isinstance(value, dict):
        return ",".join(f"{name}={_value(each)}" for name, each in value.items()) or "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value is None else str(value)
