"""Themes as TOML files: ours, and the user's. A wrong file is a message, never a crash."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from textual.color import Color, ColorParseError
from textual.theme import BUILTIN_THEMES, Theme

from auxtui.seeing import DEFICIENCIES, contrast, least_distance
from engine.model.errors import UsageError

COLORS = [
    "primary",
    "secondary",
    "warning",
    "error",
    "success",
    "accent",
    "foreground",
    "background",
    "surface",
    "panel",
    "boost",
]
VARIABLES = {
    "tone-ok": "success",
    "tone-run": "primary",
    "tone-warn": "warning",
    "tone-bad": "error",
    "tone-muted": "secondary",
    "tone-head": "foreground",
    "tone-key": "accent",
    "cursor-back": "primary",
    "cursor-text": "background",
}
"""Our own tokens, and the colour that stands in where a theme does not name them."""
GROUNDS = ("background", "surface", "panel")
LEAST_CONTRAST = 4.5  # WCAG AA for text
LEAST_DISTANCE = 18.0  # CIE76, between what is well and what is not, also for the colour-blind
STATES = ("tone-ok", "tone-warn", "tone-bad")
NO_COLOR = "no-color"
"""The theme for NO_COLOR."""


def theme_from_toml(text: str, name: str) -> Theme:
    """Reads one theme.

    Args:
        text: the file.
        name: of the file, for messages and where the theme names itself not.

    Raises:
        UsageError: not TOML, an unknown key, or not a colour.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as err:
        raise UsageError(f"theme {name}: {err}", hint="it must be TOML") from err
    _known(document, ("name", "dark", "colors", "variables"), name)
    colors = _colours(document.get("colors", {}), COLORS, name)
    variables = _colours(document.get("variables", {}), None, name)
    for needed in ("primary", "foreground", "background"):
        if needed not in colors:
            raise UsageError(f"theme {name}: [colors] has no {needed}", hint="give a colour")
    options: dict[str, Any] = {
        "name": str(document.get("name", name)),
        "dark": bool(document.get("dark", True)),
        "variables": _with_tokens(variables, colors),
        **colors,
    }
    return Theme(**options)


def load_themes(folders: Iterable[Path]) -> tuple[list[Theme], list[str]]:
    """All themes of the folders, later ones replacing earlier ones, and what was wrong."""
    found: dict[str, Theme] = {}
    wrong: list[str] = []
    for folder in folders:
        for path in sorted(folder.glob("*.toml")):
            try:
                theme = theme_from_toml(path.read_text(encoding="utf-8"), path.stem)
            except (UsageError, OSError, UnicodeDecodeError) as err:
                wrong.append(str(err))
                continue
            found[theme.name] = theme
    return list(found.values()), wrong


def own_folder() -> Path:
    """Where our themes are: in the package when it is installed, else in the source tree."""
    installed = Path(__file__).parent / "theme_files"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "themes"


def no_color_theme(*, dark: bool) -> Theme:
    """Only the terminal's own two colours; bold and reverse carry the rest. For NO_COLOR."""
    back, text = "ansi_default", "ansi_default"
    colors = dict.fromkeys(COLORS, text) | dict.fromkeys((*GROUNDS, "boost"), back)
    variables = BUILTIN_THEMES["ansi-dark"].variables | dict.fromkeys(VARIABLES, text)
    variables["cursor-style"] = "bold reverse"
    options: dict[str, Any] = {"variables": variables, **colors}
    return Theme(name=NO_COLOR, dark=dark, ansi=True, **options)


def weak_pairs(theme: Theme) -> list[tuple[str, str, float]]:
    """Text and ground of a theme with less contrast than text needs."""
    tokens = [name for name in VARIABLES if not name.startswith("cursor")]
    values = {**{k: getattr(theme, k) for k in COLORS}, **theme.variables}
    pairs = [*product(("foreground", *tokens), GROUNDS), ("cursor-text", "cursor-back")]
    measured = [
        (text, ground, contrast(values[text], values[ground]))
        for text, ground in pairs
        if values.get(text) and values.get(ground)
    ]
    return [pair for pair in measured if pair[2] < LEAST_CONTRAST]


def close_states(theme: Theme) -> list[tuple[str, float]]:
    """Deficiencies for which well, warning and bad of a theme look too much alike, and how far they are.

    A theme without hues has no such pair: words and signs say it there, as they do everywhere.
    """
    tones = [theme.variables[name] for name in STATES]
    if all(len(set(Color.parse(tone).rgb)) == 1 for tone in tones):
        return []
    measured = [(name, least_distance(tones, name)) for name in DEFICIENCIES]
    return [pair for pair in measured if pair[1] < LEAST_DISTANCE]


def _with_tokens(variables: Mapping[str, str], colors: Mapping[str, str]) -> dict[str, str]:
    fallback = colors["foreground"]
    return {key: colors.get(base, fallback) for key, base in VARIABLES.items()} | dict(variables)


def _known(document: Mapping[str, Any], names: Iterable[str], where: str) -> None:
    allowed = list(names)
    for key in document:
        if key not in allowed:
            raise UsageError(
                f"theme {where}: unknown key {key!r}", hint=f"known: {', '.join(allowed)}"
            )


def _colours(table: Any, names: Iterable[str] | None, where: str) -> dict[str, str]:
    if not isinstance(table, dict):
        raise UsageError(f"theme {where}: colors and variables must be tables")
    if names is not None:
        _known(table, names, where)
    for key, value in table.items():
        try:
            Color.parse(str(value))
        except ColorParseError as err:
            raise UsageError(
                f"theme {where}: {key} = {value!r} is not a colour", hint='write it as "#RRGGBB"'
            ) from err
    return {str(key): str(value) for key, value in table.items()}
