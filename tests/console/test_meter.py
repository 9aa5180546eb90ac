"""The console in a pty that counts: what `bench.console` measures, without its times."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MEASURE = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from bench.console import _quiet, _run_twenty, idle_rate, jobs_rate
from tests.console.sample_catalog import make_catalog

home = Path(sys.argv[1])
catalog = make_catalog(home / "catalog.db", now=datetime.now(UTC))
_quiet(catalog)
for _ in range(5):  # a busy host draws late; a console that draws by itself is never quiet
    idle = idle_rate(home, 2.0)
    if not idle:
        break
_run_twenty(catalog)
print(json.dumps([idle, jobs_rate(home, 5.0)[0]]))
"""


def test_a_quiet_console_sends_nothing_and_a_busy_one_a_few_kilobytes(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    idle, jobs = json.loads(run.stdout)
    assert idle == 0
    assert 0 < jobs <= 3000
