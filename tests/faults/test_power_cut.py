"""Power cuts: what was shown as available is on the disk, the rest is resumed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.services import PROJECT

pytestmark = pytest.mark.needs_root


def power_cuts(directory: Path, rounds: int, seed: int) -> list[str]:
    """Runs rounds in a mount namespace of their own; returns what each cut."""
    command = [sys.executable, "-m", "tests.faults.power_cut", str(directory / "power")]
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", *command, str(rounds), str(seed)],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return [line.partition(": ")[2] for line in done.stdout.splitlines()]


@pytest.fixture(autouse=True)
def _needs_root_and_loop_devices() -> None:
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: power cuts need root to mount an image")
    for tool in ("unshare", "mkfs.ext4", "mount", "umount", "sync"):
        if not shutil.which(tool):
            pytest.skip(f"NOT TESTED: power cuts need {tool}")
    if not Path("/dev/loop-control").exists():
        pytest.skip("NOT TESTED: power cuts need loop devices")


def test_power_cuts(tmp_path: Path, seed: int) -> None:
    cuts = power_cuts(tmp_path, 6, seed)

    assert cuts.count("after completed") >= 2
    assert len(cuts) == 6


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", range(4))
def test_many_power_cuts(tmp_path: Path, seed: int, part: int) -> None:
    assert len(power_cuts(tmp_path, 25, seed + part)) == 25
