from __future__ import annotations

import subprocess
import sys

PAINT = """
import asyncio, sys
from pathlib import Path
from auxtui.__main__ import main
from auxtui.cli.console import console_options
from auxtui.profile import set_terminal_profile
assert console_options(["--home", sys.argv[1]]) == {"home": sys.argv[1]}
set_terminal_profile()
assert "textual" not in sys.modules
from auxtui.app import ConsoleApp
from engine.catalog.home import Home

ConsoleApp._warm_up = lambda self: None  # it comes by a timer, after the first screen

async def main():
    app = ConsoleApp(Home(Path(sys.argv[1])), is_alive=lambda: True)
    async with app.run_test(size=(80, 24)) as pilot:
        async with asyncio.timeout(120):
            while app.state.estate is None:
                await pilot.pause(0.02)
asyncio.run(main())
print([name for name in sys.argv[2:] if name in sys.modules])
"""
HEAVY = (
    *("sqlmodel", "sqlalchemy", "pydantic", "alembic", "typer", "plotext", "textual_plotext"),
    *("asyncssh", "aiobotocore", "botocore", "pyrage", "zstandard", "blake3", "prometheus_client"),
    *("engine.policy.values", "engine.catalog.values", "engine.catalog.config_values"),
    *("engine.model.entries", "auxtui.hands", "auxtui.screens.form"),
    *("textual.widgets._data_table", "textual.widgets._markdown"),
)


def test_the_first_paint_has_imported_nothing_heavy(home):
    done = subprocess.run(
        [sys.executable, "-c", PAINT, str(home.path), *HEAVY],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
