"""The quick way into the console asks for the same as the parser of the commands, or leaves it to it."""

from __future__ import annotations

import sys

import pytest

from auxtui.__main__ import main as quick
from auxtui.cli import console
from auxtui.cli.console import console_options
from auxtui.cli.main import main as parsed

PLAIN = [
    [],
    ["--home", "somewhere"],
    ["--home=some where"],
    ["--read-only", "--slow", "--no-mouse"],
    ["--mouse", "--glyphs", "ascii", "--theme=mono"],
]
LEFT_TO_THE_PARSER = [
    ["jobs"],
    ["--version"],
    ["--help"],
    ["-h"],
    ["--json"],
    ["--theme"],
    ["--home", "--slow"],
    ["--slow=yes"],
    ["--no-such-option"],
    ["--", "jobs"],
    ["--home", "somewhere", "doctor"],
]


@pytest.mark.parametrize("arguments", PLAIN, ids=" ".join)
def test_the_quick_way_and_the_parser_open_the_same_console(monkeypatch, arguments):
    opened = []
    monkeypatch.setattr(console, "open_console", lambda *given: opened.append(given) or 0)
    monkeypatch.setattr(sys, "argv", ["auxtui", *arguments])

    assert console_options(arguments) is not None
    assert quick() == 0
    assert parsed(arguments) == 0
    assert opened[0] == opened[1]


@pytest.mark.parametrize("arguments", LEFT_TO_THE_PARSER, ids=" ".join)
def test_anything_else_is_left_to_the_parser(arguments):
    assert console_options(arguments) is None
