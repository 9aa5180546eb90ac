"""The keys that the guide names for the commonest tasks do them."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest

from auxtui.profile import set_terminal_profile

set_terminal_profile({})

from auxtui.app import ConsoleApp  # noqa: E402 - Textual reads the profile when it is imported
from auxtui.profile import Profile  # noqa: E402
from engine.catalog.home import Home  # noqa: E402
from tests.console.conftest import RecordingDoor  # noqa: E402
from tests.console.driving import sees  # noqa: E402
from tests.console.sample_catalog import NOW, make_catalog  # noqa: E402
from tests.docs.recipes import DOCS  # noqa: E402

SEEN = {
    "see all that is wrong, and what to do": ("mount or connect /mnt/vault",),
    "see when each copy is caught up": ("Forecast", "caught up Saturday 13:00"),
    "run an auxiliary copy of the first policy": ("job 907 has started",),
    "see how far a job is and when it ends": ("4.20 GiB of 10.0 GiB", "Time left"),
    "suspend a job": ("job 905: suspended",),
    "suspend every job": (": suspended",),
    "run an ended job again as it was": ("started job 909",),
    "see when a library is full": ("Full", "a day"),
    "see what alarms stand and who is told": ("library-offline", "oncall", "failed, missed"),
    "see why a MediaAgent must not copy now, and until when": ("must not run until 05:00:00",),
    "see the next five runs of a schedule": ("Sun 2026-03-15 22:00",),
    "disable a schedule": ("schedule nightly is disabled",),
    "switch all activity off for two hours": ("activity is off on the CommCell until 05:00:00",),
    "see why a backup job is not on a copy": ("backup job",),
}
NAMES = {"!": "exclamation_mark", "*": "asterisk", ":": "colon"}


def _tasks() -> list[tuple[str, list[str], int]]:
    table = (DOCS / "guide.md").read_text(encoding="utf-8").split("<!-- tasks -->")[1]
    rows = [line.split("|")[1:-1] for line in table.split("\n\n")[0].splitlines() if "`" in line]
    return [
        (task.strip(), keys.strip().strip("`").split(), int(number)) for task, keys, number in rows
    ]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_catalog(tmp_path_factory.mktemp("tasks") / "catalog.db").read_bytes()


def test_every_task_is_tried():
    assert {task for task, _, _ in _tasks()} == set(SEEN)


@pytest.mark.parametrize(("task", "keys", "number"), _tasks(), ids=lambda value: str(value)[:40])
async def test_the_keys_do_the_task(
    tmp_path: Path, catalog: bytes, task: str, keys: list[str], number: int
):
    (tmp_path / "catalog.db").write_bytes(catalog)
    app = ConsoleApp(
        Home(tmp_path),
        profile=Profile(refresh_s=0.05),
        door=RecordingDoor(),
        clock=lambda: NOW,
        zone=UTC,
        is_alive=lambda: True,
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await sees(pilot, "Storage Policies", "905")
        for key in keys:
            await pilot.press(NAMES.get(key, key))
            await pilot.pause(0.05)

        await sees(pilot, *SEEN[task])
    assert len(keys) == number
