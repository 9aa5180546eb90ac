"""What is drawn on a screen, as text that can be kept: the signs, and how they look in one theme or in several."""

from __future__ import annotations

import asyncio
import string
from collections.abc import Mapping
from itertools import groupby

from rich.style import Style
from textual.pilot import Pilot
from textual.strip import Strip

from auxtui.app import ConsoleApp
from auxtui.seeing import contrast
from auxtui.themes import LEAST_CONTRAST
from tests.console.driving import still

THEMES = ("dark", "light", "contrast", "safe", "mono")
Cells = list[list[tuple[str, Style]]]


def in_front(app: ConsoleApp) -> list[Strip]:
    """What is looked at: the box of a dialog, whatever lies below it; else the whole screen."""
    strips = app.screen._compositor.render_strips()
    for box in app.screen.query("#box"):
        region = box.region
        lines = strips[region.y : region.bottom]
        return [strip.crop(region.x, region.right) for strip in lines]
    return strips


def cells(app: ConsoleApp) -> Cells:
    """Every cell of what is looked at with its style, line by line."""
    return [
        [(sign, segment.style or Style.null()) for segment in strip for sign in segment.text]
        for strip in in_front(app)
    ]


def drawn(by_theme: Mapping[str, Cells]) -> str:
    """The text, a letter for each look and how many cells have it, and what the letters are in each theme."""
    themes = tuple(by_theme)
    letters: dict[tuple[str, ...], str] = {}
    text, looks = [], []
    for y, line in enumerate(by_theme[themes[0]]):
        text.append("".join(sign for sign, _ in line).rstrip())
        row = ""
        for x in range(len(line)):
            look = tuple(_said(by_theme[theme][y][x][1]) for theme in themes)
            row += letters.setdefault(look, string.ascii_letters[len(letters)])
        looks.append(" ".join(f"{key}{len(list(run))}" for key, run in groupby(row)))
    legend = [
        f"{letter}: " + "; ".join(f"{theme} {one}" for theme, one in zip(themes, look, strict=True))
        for look, letter in letters.items()
    ]
    return "\n".join([*text, "", *looks, "", *legend])


def unreadable(by_theme: Mapping[str, Cells]) -> list[str]:
    """Words that have less contrast to their ground than text needs."""
    found = []
    for theme, lines in by_theme.items():
        for line in lines:
            for style, run in groupby(line, key=lambda cell: cell[1]):
                text = "".join(sign for sign, _ in run).strip()
                if not any(sign.isalnum() for sign in text) or not style.color or not style.bgcolor:
                    continue
                pair = [c.get_truecolor().hex for c in (style.color, style.bgcolor)]
                if contrast(*pair) < LEAST_CONTRAST:
                    found.append(f"{theme}: {text!r} {pair[0]} on {pair[1]}")
    return found


async def in_every_theme(pilot: Pilot[None]) -> dict[str, Cells]:
    """The cells of the screen in each theme; the first one is in force afterwards as it was before."""
    app = pilot.app
    assert isinstance(app, ConsoleApp)
    by_theme = {THEMES[0]: cells(app)}
    for theme in (*THEMES[1:], THEMES[0]):
        app.theme = theme
        restyled = asyncio.Event()
        app.call_next(restyled.set)  # behind what the theme has called for
        await restyled.wait()
        for widget in app.screen.query("*"):
            widget.refresh()
        if theme not in by_theme:
            await still(pilot)
            by_theme[theme] = cells(app)
    return by_theme


def _said(style: Style) -> str:
    """A style as it is kept: text on ground, and what else."""
    front, ground = (
        colour.get_truecolor().hex if colour is not None else "-"
        for colour in (style.color, style.bgcolor)
    )
    marks = [name for name in ("bold", "reverse", "underline", "dim") if getattr(style, name)]
    return " ".join([front, "on", ground, *marks])
