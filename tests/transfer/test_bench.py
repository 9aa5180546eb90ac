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


def test_four_streams_take_less_memory_than_promised(tmp_path):
    source = tmp_path / "landing" / "dump"
    source.mkdir(parents=True)
    (tmp_path / "target").mkdir()
    for number in range(6):
        with open(source / f"{number}", "wb") as file:
            file.truncate(40 * 1024 * 1024)
            file.write(b"not quite a hole")

    run = subprocess.run(
        [sys.executable, "-m", "bench.engine_copy", source, tmp_path / "target", "--streams", "4"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(run.stdout)["rss_bytes"] < 256 * 1024**2
