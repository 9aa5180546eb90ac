"""`auxtui theme-check` measures themes: ours are good, and what is wrong with another is said."""

from __future__ import annotations

import json

import pytest

from auxtui.cli.main import main

WEAK = (
    '[colors]\nprimary = "#4FA3FF"\nforeground = "#FFFFFF"\nbackground = "#000000"\n'
    '[variables]\ntone-muted = "#222222"\ntone-ok = "#9AA800"\ntone-bad = "#D08A00"\n'
)


@pytest.fixture(autouse=True)
def _no_themes_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_our_own_themes_are_good(capsys):
    assert main(["theme-check"]) == 0

    said = capsys.readouterr().out
    assert all(f"{name}: good" in said for name in ("dark", "light", "contrast", "safe", "mono"))


def test_a_weak_theme_is_told_with_its_numbers(tmp_path, capsys):
    file = tmp_path / "mine.toml"
    file.write_text(WEAK)

    assert main(["theme-check", str(file), "--json"]) == 1

    found = json.loads(capsys.readouterr().out)["themes"][0]
    assert {"text": "tone-muted", "ground": "background", "contrast": 1.32} in found["weak"]
    assert "deuteranopia" in [pair["deficiency"] for pair in found["alike"]]


def test_what_is_no_theme_is_said(tmp_path, capsys):
    assert main(["theme-check", str(tmp_path / "none.toml")]) == 1
    assert "cannot read" in capsys.readouterr().out
