from __future__ import annotations

import io

import pytest

from auxtui.cli.console import open_console
from auxtui.profile import terminal_profile
from auxtui.seeing import contrast
from auxtui.themes import (
    NO_COLOR,
    close_states,
    load_themes,
    own_folder,
    theme_from_toml,
    weak_pairs,
)
from engine.catalog.home import Home
from engine.model.errors import UsageError
from tests.console.driving import sees

OURS, WRONG = load_themes([own_folder()])
GOOD = '[colors]\nprimary = "#4FA3FF"\nforeground = "#FFFFFF"\nbackground = "#000000"\n'


def test_our_themes_load():
    assert WRONG == []
    assert {theme.name for theme in OURS} == {"dark", "light", "contrast", "safe", "mono"}


@pytest.mark.parametrize("theme", OURS, ids=lambda theme: theme.name)
def test_text_has_enough_contrast_on_every_ground(theme):
    assert weak_pairs(theme) == []


@pytest.mark.parametrize("theme", OURS, ids=lambda theme: theme.name)
def test_well_and_not_well_differ_for_the_colour_blind(theme):
    assert close_states(theme) == []


def test_a_red_and_green_pair_is_found():
    pair = '[variables]\ntone-ok = "#9AA800"\ntone-bad = "#D08A00"\ntone-warn = "#FFFFFF"\n'
    theme = theme_from_toml(GOOD + pair, "pair")

    assert "deuteranopia" in [name for name, _ in close_states(theme)]


def test_contrast_is_that_of_the_standard():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21.0)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


def test_weak_text_is_found():
    theme = theme_from_toml(GOOD + '[variables]\ntone-bad = "#222222"\n', "weak")

    assert ("tone-bad", "background") in {pair[:2] for pair in weak_pairs(theme)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colors = [", "theme mine"),
        ("colours = 1", "unknown key 'colours'"),
        (GOOD.replace("primary", "primry"), "unknown key 'primry'"),
        (GOOD.replace("#000000", "blackish!"), "is not a colour"),
        ("[colors]\nprimary = '#000000'", "has no foreground"),
    ],
)
def test_wrong_themes_are_refused_with_the_reason(text, message):
    with pytest.raises(UsageError, match=message):
        theme_from_toml(text, "mine")


async def test_user_themes_are_used_and_wrong_ones_said(home, make_console, tmp_path):
    folder = tmp_path / "themes"
    folder.mkdir()
    (folder / "mine.toml").write_text(GOOD)
    (folder / "bad.toml").write_text("colours = 1")
    app = make_console(home, theme="mine", theme_dirs=(folder,))
    async with app.run_test(size=(120, 30)) as pilot:
        await sees(pilot, "unknown key 'colours'")
        assert app.theme == "mine"


async def test_no_color_uses_only_the_colours_of_the_terminal(home, make_console):
    app = make_console(home, no_color=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "905")
        assert app.theme == NO_COLOR


async def test_no_color_of_the_environment_leaves_the_terminal_its_colours(
    home, make_console, monkeypatch
):
    monkeypatch.setenv("NO_COLOR", "1")
    app = make_console(home, no_color=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "905")
        styles = [
            segment.style
            for strip in app.screen._compositor.render_strips()
            for segment in strip
            if segment.style is not None
        ]

    assert {style.color.name for style in styles if style.color} <= {"default"}
    assert {style.bgcolor.name for style in styles if style.bgcolor} <= {"default"}


@pytest.mark.parametrize(
    ("environ", "glyphs"),
    [
        ({}, "unicode"),
        ({"LANG": "de_DE.UTF-8"}, "unicode"),
        ({"LANG": "C", "LC_CTYPE": "C.utf8"}, "unicode"),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "C"}, "ascii"),
        ({"LANG": "de_DE.ISO-8859-15"}, "ascii"),
        ({"LANG": "de_DE.UTF-8", "TERM": "linux"}, "block"),
        ({"LC_ALL": "C", "AUXTUI_GLYPHS": "block"}, "block"),
    ],
)
def test_signs_are_those_that_the_terminal_can_show(tmp_path, environ, glyphs):
    assert terminal_profile({"XDG_CONFIG_HOME": str(tmp_path), **environ}).glyphs == glyphs


def test_a_terminal_on_which_nothing_can_be_drawn_is_refused(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("TERM", "dumb")
    with pytest.raises(UsageError, match="TERM=dumb") as refused:
        open_console(Home(tmp_path), {})
    assert "auxtui watch" in refused.value.hint
