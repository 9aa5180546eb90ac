"""The main screens in every theme at two sizes: the text once, which cells look alike, and how in each theme.

After a wanted change: `pytest tests/console/test_theme_snapshots.py --snapshot-update`, then look at the difference.
"""

from __future__ import annotations

import string
from itertools import groupby

import pytest
from rich.style import Style

from auxtui.seeing import contrast
from auxtui.themes import LEAST_CONTRAST
from tests.console.driving import sees, still, until

THEMES = ("dark", "light", "contrast", "safe", "mono")
SCREENS = {
    "home": (["down"] * 4, ("Storage Policies", "905")),
    "job": (["2", "enter"], ("before the move", "General")),
    "dialog": ([*["down"] * 4, "r"], ("all active copies (2)", "3.00 GiB")),
}


def cells(app) -> list[list[tuple[str, Style]]]:
    """Every cell of the screen with its style, line by line."""
    return [
        [(sign, segment.style or Style.null()) for segment in strip for sign in segment.text]
        for strip in app.screen._compositor.render_strips()
    ]


def said(style: Style) -> str:
    """A style as it is kept: text on ground, and what else."""
    front, ground = (
        colour.get_truecolor().hex if colour is not None else "-"
        for colour in (style.color, style.bgcolor)
    )
    marks = [name for name in ("bold", "reverse", "underline", "dim") if getattr(style, name)]
    return " ".join([front, "on", ground, *marks])


def drawn(by_theme: dict[str, list[list[tuple[str, Style]]]]) -> str:
    """The screen: its text, a letter for each look, and what the letters are in each theme."""
    first = by_theme[THEMES[0]]
    letters: dict[tuple[str, ...], str] = {}
    text, looks = [], []
    for y, line in enumerate(first):
        text.append("".join(sign for sign, _ in line).rstrip())
        row = ""
        for x in range(len(line)):
            look = tuple(said(by_theme[theme][y][x][1]) for theme in THEMES)
            row += letters.setdefault(look, string.ascii_letters[len(letters)])
        looks.append(" ".join(f"{key}{len(list(run))}" for key, run in groupby(row)))
    legend = [
        f"{letter}: " + "; ".join(f"{theme} {one}" for theme, one in zip(THEMES, look, strict=True))
        for look, letter in letters.items()
    ]
    return "\n".join([*text, "", *looks, "", *legend])


def unreadable(by_theme: dict[str, list[list[tuple[str, Style]]]]) -> list[str]:
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


async def in_every_theme(pilot) -> dict[str, list[list[tuple[str, Style]]]]:
    """The cells of the screen in each theme."""
    app, by_theme = pilot.app, {}
    for theme in THEMES:
        app.theme = theme
        for widget in app.screen.query("*"):
            widget.refresh()
        await until(pilot, lambda: app.theme_variables["panel"] == app.get_theme(theme).panel)  # noqa: B023 - waited for here
        await still(pilot)
        by_theme[theme] = cells(app)
    return by_theme


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("name", SCREENS)
async def test_the_screen_looks_as_it_did_in_every_theme(snapshot, home, make_console, name, size):
    keys, texts = SCREENS[name]
    app = make_console(home)
    async with app.run_test(size=size) as pilot:
        await sees(pilot, "Storage Policies", "905")
        await pilot.press(*keys)
        await sees(pilot, *texts)
        for line in app.screen.query("#hints"):  # changes with every new task
            line.display = False
        await still(pilot)
        by_theme = await in_every_theme(pilot)

    assert unreadable(by_theme) == []
    assert drawn(by_theme) == snapshot


OTHERS = {
    "a list that is open": ([*["down"] * 4, "r", "enter"], ("3.00 GiB", "offsite")),
    "a question": (["2", "x"], ("Kill job 905?", "Yes")),
    "a menu": ([*["down"] * 4, "m"], ("All Tasks: databases", "Data Aging")),
    "the palette": (["ctrl+p"], ("Find a task", "Scan for")),
    "a filter form": ([*["down"] * 4, "right", "down", "down", "b", "F"], ("Backed up from",)),
    "alerts": (["8", "tab"], ("library-offline", "oncall")),
    "windows": (["4", "tab", "down", "W"], ("must not run until", "Fri 03-20")),
    "trend": (["7"], ("Forecast", "caught up")),
    "help": (["question_mark"], ("Left: the CommCell",)),
}


@pytest.mark.parametrize("name", OTHERS)
async def test_every_word_can_be_read_in_every_theme(home, make_console, name):
    keys, texts = OTHERS[name]
    app = make_console(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies", "905")
        await pilot.press(*keys)
        await sees(pilot, *texts)

        assert unreadable(await in_every_theme(pilot)) == []
