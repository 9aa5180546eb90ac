"""`auxtui keys`: every action of the console and its keys, with those of config.toml."""

from __future__ import annotations

import typer

from auxtui.cli.output import tell, write_json, write_table
from auxtui.cli.terms import JsonOption, terms_of
from engine.model.errors import EXIT_OK, EXIT_USAGE

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def keys(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Print the keys of the console that are in force, and what is wrong with those of config.toml."""
    from auxtui import actions, keymap
    from auxtui.profile import terminal_profile

    own = terminal_profile().keys
    actions.use_keys(own)
    faults = keymap.faults(actions.ACTIONS, own)
    if terms_of(ctx, None, as_json).as_json:
        write_json(
            {
                "keys": [
                    {
                        "action": action.id,
                        "keys": actions.keys_of(action),
                        "label": action.label,
                        "changed": action.id in own,
                        "on": sorted(action.kinds),
                    }
                    for action in actions.ACTIONS
                ],
                "faults": faults,
            }
        )
    else:
        write_table(
            ["action", "keys", "does", "on"],
            [
                [
                    action.id,
                    actions.keys_text(action) + (" (yours)" if action.id in own else ""),
                    action.label,
                    ", ".join(sorted(action.kinds)) if len(action.kinds) < 6 else "",
                ]
                for action in actions.ACTIONS
            ],
            names=["action", "keys", "does", "on"],
            least=["on"],
        )
        for fault in faults:
            tell(f"! [keys] {fault}")
    raise typer.Exit(EXIT_USAGE if faults else EXIT_OK)
