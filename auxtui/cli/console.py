"""Opens the console: the terminal's profile first, because Textual reads it at its import."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from engine.catalog.home import Home
from engine.model.errors import UsageError

SWITCH_S = 0.001  # so long a key waits at most for the thread that reads the catalog
_FLAGS = {
    "--read-only": ("read_only", True),
    "--slow": ("slow", True),
    "--mouse": ("mouse", True),
    "--no-mouse": ("mouse", False),
}
_VALUES = ("--home", "--glyphs", "--theme")


def console_options(arguments: Sequence[str]) -> dict[str, Any] | None:
    """The options of the console when nothing else is asked for.

    Most starts are this one, and the parser of the commands would take a sixth of them. What is not
    plain is left to it, errors too.

    Returns:
        By the names of `console_settings`, and `home`; None: ask the parser.
    """
    found: dict[str, Any] = {}
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        if word in _FLAGS:
            key, flag = _FLAGS[word]
            found[key] = flag
        elif name in _VALUES:
            given = value if equals else next(words, None)
            if given is None or (not equals and given.startswith("-")):
                return None
            found[name.removeprefix("--")] = given
        else:
            return None
    return found


def console_settings(
    *,
    read_only: bool = False,
    slow: bool = False,
    mouse: bool | None = None,
    glyphs: str | None = None,
    theme: str | None = None,
) -> dict[str, str | None]:
    """Options of the command line as environment variables of the profile; None: not given."""
    return {
        "AUXTUI_READ_ONLY": "1" if read_only else None,
        "AUXTUI_SLOW": "1" if slow else None,
        "AUXTUI_MOUSE": None if mouse is None else str(int(mouse)),
        "AUXTUI_GLYPHS": glyphs,
        "AUXTUI_THEME": theme,
    }


def open_console(home: Home, settings: Mapping[str, str | None]) -> int:
    """Runs the console until it is left.

    Args:
        home: whose CommCell.
        settings: environment variables of the profile, from the command line; None: not given.

    Raises:
        UsageError: there is no terminal.
    """
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if not (is_terminal or "TEXTUAL_DRIVER" in os.environ):  # that is `textual serve`
        raise UsageError(
            "the console needs a terminal",
            hint="auxtui --help lists the commands, auxtui jobs --json suits programs",
        )
    if os.environ.get("TERM") == "dumb":
        raise UsageError(
            "the console cannot draw on this terminal (TERM=dumb)",
            hint="auxtui jobs and auxtui watch print lines; where TERM is wrong, set it",
        )
    # Nothing of a start is garbage; the collector would walk through all of it several times.
    gc.disable()
    sys.setswitchinterval(SWITCH_S)
    os.environ.update({name: value for name, value in settings.items() if value is not None})
    from auxtui.profile import set_terminal_profile

    profile = set_terminal_profile()
    from auxtui.app import run

    return run(home, profile)
