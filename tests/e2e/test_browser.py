"""The console without a terminal, as a server for browsers starts it: frames on a pipe."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.console.sample_catalog import make_catalog


def test_it_speaks_to_a_server_for_browsers_and_ends_with_it(tmp_path):
    make_catalog(tmp_path / "catalog.db")
    environment = {
        **os.environ,
        "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver",
        "COLUMNS": "100",
        "ROWS": "30",
    }

    with subprocess.Popen(
        [sys.executable, "-m", "auxtui", "--home", str(tmp_path)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as program:
        assert program.stdout is not None
        assert program.stdin is not None
        seen = b""
        wanted = (b"databases", b"Storage Policies", b"\x1b[30;")  # the last line of a screen of 30
        while any(text not in seen for text in wanted):
            part = os.read(program.stdout.fileno(), 65536)
            assert part, seen
            seen += part
        assert seen.startswith(b"__GANGLION__")
        program.stdin.close()
        program.terminate()
        program.stdout.read()
        program.wait(240)
