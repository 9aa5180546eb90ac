"""`auxtui theme-check`: whether the themes can be read, by measure and not by taste."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auxtui.cli.output import say, write_json
from auxtui.cli.terms import JsonOption, terms_of
from engine.model.errors import EXIT_FAILED, UsageError
from engine.model.names import shown

if TYPE_CHECKING:
    from textual.theme import Theme

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def theme_check(
    ctx: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE.toml",
            help="Theme files; none: those of auxtui and your own.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the contrast of themes, and what the colour-blind see of them.

    Exit code 0: every text can be read on every ground, and well differs from not well. 1: not so.
    """
    from auxtui import themes

    found, wrong = _read(files or [])
    checked = [_checked(theme) for theme in found]
    if terms_of(ctx, None, as_json).as_json:
        write_json({"themes": checked, "wrong": wrong})
    else:
        for one in checked:
            _show(one)
        for text in wrong:
            say(f"wrong: {text}")
        say(f"wanted: contrast {themes.LEAST_CONTRAST} or more, distance {themes.LEAST_DISTANCE:g}")
    if wrong or any(one["weak"] or one["alike"] for one in checked):
        raise typer.Exit(EXIT_FAILED)


def _read(files: list[str]) -> tuple[list[Theme], list[str]]:
    import os

    from auxtui import themes
    from auxtui.profile import config_dir

    if not files:
        return themes.load_themes((themes.own_folder(), config_dir(os.environ) / "themes"))
    found: list[Theme] = []
    wrong: list[str] = []
    for name in files:
        try:
            found.append(themes.theme_from_toml(Path(name).read_text("utf-8"), Path(name).stem))
        except (UsageError, UnicodeDecodeError) as err:
            wrong.append(str(err))
        except OSError as err:
            wrong.append(f"cannot read {shown(name)}: {err.strerror}")
    return found, wrong


def _checked(theme: Theme) -> dict[str, Any]:
    from auxtui import themes

    return {
        "name": theme.name,
        "weak": [
            {"text": text, "ground": ground, "contrast": round(ratio, 2)}
            for text, ground, ratio in themes.weak_pairs(theme)
        ],
        "alike": [
            {"deficiency": name, "distance": round(distance, 1)}
            for name, distance in themes.close_states(theme)
        ],
    }


def _show(one: dict[str, Any]) -> None:
    if not one["weak"] and not one["alike"]:
        say(f"{one['name']}: good")
        return
    say(f"{one['name']}:")
    for pair in one["weak"]:
        say(f"  {pair['text']} on {pair['ground']}: contrast {pair['contrast']}")
    for pair in one["alike"]:
        say(f"  well and not well with {pair['deficiency']}: distance {pair['distance']}")
