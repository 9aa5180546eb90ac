"""The console in a pty that counts: the short form of `bench.console`, without its times."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_quiet_console_sends_nothing_and_a_busy_one_a_few_kilobytes(tmp_path):
    result = tmp_path / "numbers.json"

    run = subprocess.run(
        [sys.executable, "-m", "bench.console", "--short", "--json", result],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    numbers = json.loads(result.read_text()) if result.exists() else {}
    assert numbers, run.stderr
    assert numbers["idle_bytes_per_second"] == 0
    assert 0 < numbers["jobs_bytes_per_second"] <= 3000
