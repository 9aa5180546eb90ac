"""The program `auxtui`: the console without arguments, else one command."""

from __future__ import annotations

import sys


def main() -> int:
    """Entry point of the installed program."""
    from auxtui.cli.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
