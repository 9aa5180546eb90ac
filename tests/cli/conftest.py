from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from auxtui.cli.main import main
from tests.cell import Cell

SITE = """
[commcell]
name = "test"
[media_agents.here]
[libraries.vault]
url = "{root}/vault"
[clients.db1.subclients.pg]
policy = "databases"
landing = "{root}/landing"
settle = "0s"
[policies.databases.copies.offsite]
kind = "synchronous"
library = "vault"
"""


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The JSON error on standard error."""
        return json.loads(self.err)


@dataclass
class Program:
    """The program for one home: within this process, or as a process of its own."""

    cell: Cell

    @property
    def site(self) -> Path:
        return self.cell.root / "site.toml"

    def environment(self) -> dict[str, str]:
        keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return {**keep, "AUXTUI_HOME": str(self.cell.home.path), "LANG": "C.UTF-8"}

    def __call__(self, *arguments: str) -> Said:
        """The program inside this process, with nothing but its own environment: many times as quick."""
        with (
            patch.dict(os.environ, self.environment(), clear=True),
            patch.object(sys, "stdin", io.StringIO()),
            redirect_stdout(io.StringIO()) as out,
            redirect_stderr(io.StringIO()) as err,
        ):
            code = main([*arguments])
        assert "Traceback" not in err.getvalue(), err.getvalue()
        return Said(code, out.getvalue(), err.getvalue())

    def as_process(self, *arguments: str, text: str = "") -> Said:
        """The real program, as a shell runs it."""
        done = subprocess.run(
            [sys.executable, "-m", "auxtui", *arguments],
            capture_output=True,
            text=True,
            input=text,
            env=self.environment(),
            timeout=240,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Said(done.returncode, done.stdout, done.stderr)

    def within(self, *arguments: str) -> Said:
        """The program inside this process, in the environment of the test."""
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = main(["--home", str(self.cell.home.path), *arguments])
        return Said(code, out.getvalue(), err.getvalue())

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The real program, which Ctrl+C reaches: also where the tests themselves run in the background."""
        return subprocess.Popen(
            [sys.executable, "-m", "auxtui", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(),
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - only a signal
        )

    def configure(self, extra: str = "") -> Said:
        self.site.write_text(SITE.format(root=self.cell.root) + extra)
        return self.within("apply", str(self.site))


@pytest.fixture
def auxtui(cell: Cell) -> Program:
    """The program on an empty home."""
    return Program(cell)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The program on a CommCell with three backup jobs, two of them copied by job 4; 5 is open."""
    cell = Cell(tmp_path_factory.mktemp("copied"))
    program = Program(cell)
    for name in ("a.dump", "b [bold]x.dump"):
        cell.dump(name)
    assert program.configure().code == 0
    assert program.within("scan").code == 0
    assert program.within("auxcopy", "databases", "--wait").code == 0
    cell.dump("late\x1b[2J.dump")
    assert program.within("scan").code == 0
    yield program
    cell.close()
