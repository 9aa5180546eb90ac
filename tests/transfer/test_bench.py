"""The comparison with other programs runs; what it measures is for people to read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bench import report

ROOT = Path(__file__).parents[2]


def test_the_short_comparison_runs_and_can_be_drawn(tmp_path, monkeypatch):
    results, page, picture = tmp_path / "results", tmp_path / "page.md", tmp_path / "p.svg"

    module = [sys.executable, "-m", "bench.copy", "--short", "--dir", tmp_path, "--save", results]
    run = subprocess.run(
        [*module, "one-warm", "small-warm", "fan-out", "verify"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    kept = {path.stem: json.loads(path.read_text()) for path in results.iterdir()}
    assert set(kept) == {"one-warm", "small-warm", "fan-out", "verify"}
    for one in kept.values():
        assert "auxtui" in {row["program"] for row in one["rows"]}
        assert all(row["seconds"] > 0 for row in one["rows"])
        assert one["host"]["cores"] > 0
    assert list(tmp_path.iterdir()) == [results]

    monkeypatch.setattr(sys, "argv", ["report", str(results), str(page), str(picture)])
    report.main()

    assert "times as fast as" in page.read_text()
    assert "(p.svg)" in page.read_text()
    assert picture.read_text().count("<rect") > len(kept)


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
