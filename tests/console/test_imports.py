from __future__ import annotations

import subprocess
import sys

PAINT = """
import asyncio, sys
from pathlib import Path
from auxtui.profile import set_terminal_profile
set_terminal_profile()
assert "textual" not in sys.modules
from auxtui.app import ConsoleApp
from engine.catalog.home import Home

async def main():
    app = ConsoleApp(Home(Path(sys.argv[1])), is_alive=lambda: True)
    async with app.run_test(size=(80, 24)) as pilot:
        async with asyncio.timeout(30):
            while app.state.estate is None:
                await pilot.pause(0.02)
asyncio.run(main())
print([name for name in ("sqlmodel", "sqlalchemy", "pydantic", "alembic") if name in sys.modules])
"""


def test_first_paint_has_not_imported_the_heavy_engine(home):
    done = subprocess.run(
        [sys.executable, "-c", PAINT, str(home.path)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
