"""The program `auxtui`: the console without arguments, else one command."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Entry point of the installed program."""
    from auxtui.cli.console import console_options

    options = console_options(sys.argv[1:])
    if options is None or "_AUXTUI_COMPLETE" in os.environ:  # a shell asks the parser for words
        from auxtui.cli.main import main as run

        return run()
    from auxtui.cli.console import console_settings, open_console
    from auxtui.cli.edge import guarded
    from engine.catalog.home import Home

    home = options.pop("home", None)
    return guarded(lambda: open_console(Home.find(home), console_settings(**options)), sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
