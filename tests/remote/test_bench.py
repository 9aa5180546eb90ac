"""The comparison of SFTP with other programs runs; what it measures is for people to read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.remote.sshd import sshd_program

ROOT = Path(__file__).parents[2]


def test_the_short_comparison_runs(tmp_path: Path) -> None:
    sshd_program()
    result = tmp_path / "rows.json"
    module = [sys.executable, "-m", "bench.remote", "--short", "--round-trip", "5"]

    run = subprocess.run(
        [*module, "--dir", str(tmp_path), "--json", str(result)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    rows = json.loads(result.read_text())
    assert {row["workload"] for row in rows} == {
        "one file of 8 MiB, 5 ms",
        "40 files, 5 ms",
        "40 backup jobs, 5 ms",
    }
    assert {"auxtui", "sftp"} <= {row["program"] for row in rows}
    assert max(row["rss_mib"] for row in rows if row["program"] == "auxtui") < 300
    assert list(tmp_path.iterdir()) == [result]
