"""The comparison with other programs runs; what it measures is for people to read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_short_comparison_runs(tmp_path):
    result = tmp_path / "rows.json"

    run = subprocess.run(
        [sys.executable, "-m", "bench.copy", "--short", "--dir", tmp_path, "--json", result],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    rows = json.loads(result.read_text())
    assert {row["workload"] for row in rows} == {
        "one 8 MiB file",
        "4 files of 2 MiB",
        "200 files of 4 KiB",
    }
    assert {"auxtui (4)", "cp + sync"} <= {row["program"] for row in rows}
    assert all(row["seconds"] > 0 for row in rows)
    assert list(tmp_path.iterdir()) == [result]
