"""Draws the pictures of the documentation from the running console on the demo's real data.

`make screenshots`; takes a minute and as much room as `make demo`, which is given back.
"""

from __future__ import annotations

import asyncio
import html
import os
import re
import sys
import tempfile
from pathlib import Path

from auxtui.profile import set_terminal_profile

PICTURES = Path(__file__).parent / "pictures"
sys.path.insert(0, str(Path(__file__).parents[1]))  # the sample catalog is among the tests
SIZE = (120, 28)
SAMPLES = {"trend": ("7", "f6", "f6"), "windows": ("4", "tab", "down", "W")}
SHOWN_AT_PERCENT = 35
CELL_WIDTH = 12.2  # of the pictures' own units
_FONT_FACES = re.compile(r"@font-face\s*\{.*?\}\s*", re.DOTALL)
"""The pictures name no other host: without these, the reader's own monospace font is used."""
_TEXT = re.compile(
    r'(<text class="[^"]*") x="([\d.]+)" y="([\d.]+)" textLength="[\d.]+"([^>]*)>([^<]*)</text>\s*'
)


async def draw(root: Path) -> None:
    """Runs the demo's slow job and takes the pictures while it is at work."""
    from textual.pilot import Pilot

    from auxtui.app import ConsoleApp
    from auxtui.demo.place import Place
    from engine.catalog.values import JobValue
    from engine.control import frontdoor
    from engine.policy.values import RunOptions

    home = Place(str(root)).home
    job_id = await asyncio.to_thread(
        frontdoor.run_auxcopy,
        home,
        "machines",
        RunOptions(throttle_bps=40 << 20),
        by="admin@store1",
    )

    def is_far_enough() -> bool:
        job: JobValue = frontdoor.load_job(home, job_id)
        return job.bytes_done * 100 > job.bytes_total * SHOWN_AT_PERCENT > 0

    async def shown(pilot: Pilot[None], *keys: str) -> str:
        await pilot.press(*keys)
        await pilot.pause(2.5)
        return pilot.app.export_screenshot(title="auxtui")

    app = ConsoleApp(home)
    async with app.run_test(size=SIZE) as pilot:
        while not await asyncio.to_thread(is_far_enough):
            await pilot.pause(0.1)
        save("console", await shown(pilot, *["down"] * 5))
        save("job", await shown(pilot, "2", "enter"))


async def draw_sample(folder: Path) -> None:
    """Takes the pictures of what needs weeks to come about, from a sample catalog and a fixed clock."""
    from datetime import UTC

    from auxtui.app import ConsoleApp
    from auxtui.profile import Profile
    from engine.catalog.home import Home
    from tests.console.sample_catalog import NOW, make_catalog

    make_catalog(folder / "catalog.db")
    app = ConsoleApp(
        Home(folder),
        profile=Profile(),
        clock=lambda: NOW,
        steady=lambda: 0.0,
        zone=UTC,
        is_alive=lambda: True,
    )
    async with app.run_test(size=SIZE) as pilot:
        while app.state.estate is None:
            await pilot.pause(0.1)
        for name, keys in SAMPLES.items():
            await pilot.press(*keys)
            await pilot.pause(2.5)
            save(name, app.export_screenshot(title="auxtui"))


def save(name: str, svg: str) -> None:
    """Writes one picture."""
    PICTURES.mkdir(exist_ok=True)
    drawn = _TEXT.sub(_without_margins, _FONT_FACES.sub("", svg))
    lines = [line.rstrip() for line in drawn.splitlines()]
    (PICTURES / f"{name}.svg").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _without_margins(match: re.Match[str]) -> str:
    """A text at the place of its first character: not every program keeps leading spaces."""
    start, x, y, rest, text = match.groups()
    if "textLength" not in match[0] or "clip-path" not in rest:
        return match[0]
    shown = text.replace("&#160;", "\u00a0")
    kept = shown.strip("\u00a0")
    if not kept:
        return ""
    at = float(x) + CELL_WIDTH * (len(shown) - len(shown.lstrip("\u00a0")))
    length = CELL_WIDTH * len(html.unescape(kept))
    inner = kept.replace("\u00a0", "&#160;")
    return f'{start} x="{at:.1f}" y="{y}" textLength="{length:.1f}"{rest}>{inner}</text>\n'


def main() -> None:
    """Makes a demo in a directory of its own, draws, stops its service."""
    for name in ("SSH_CONNECTION", "SSH_TTY", "NO_COLOR", "TEXTUAL_COLOR_SYSTEM"):
        os.environ.pop(name, None)
    set_terminal_profile()
    from auxtui.cli.output import tell
    from auxtui.demo.material import Material
    from auxtui.demo.place import Place
    from engine.control import frontdoor
    from engine.policy.values import RunOptions

    with tempfile.TemporaryDirectory(prefix="auxtui-") as directory:
        place = Place(str(Path(directory) / "demo"))
        place.prepare(Material(), tell)
        try:
            frontdoor.run_scan(place.home, None, by="admin@store1")
            first = frontdoor.run_auxcopy(place.home, "databases", RunOptions(), by="admin@store1")
            frontdoor.wait_for_job(place.home, first)
            asyncio.run(draw(place.root))
        finally:
            frontdoor.stop_service(place.home, by="admin@store1")
        asyncio.run(draw_sample(Path(directory)))


if __name__ == "__main__":
    main()
