"""Opens the console: the terminal's profile first, because Textual reads it at its import."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from engine.catalog.home import Home
from engine.model.errors import UsageError


def open_console(home: Home, settings: Mapping[str, str | None]) -> int:
    """Runs the console until it is left.

    Args:
        home: whose CommCell.
        settings: environment variables of the profile, from the command line; None: not given.

    Raises:
        UsageError: there is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "the console needs a terminal",
            hint="auxtui --help lists the commands, auxtui jobs --json suits programs",
        )
    os.environ.update({name: value for name, value in settings.items() if value is not None})
    from auxtui.profile import set_terminal_profile

    profile = set_terminal_profile()
    from auxtui.app import run

    return run(home, profile)
