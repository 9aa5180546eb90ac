"""A page as a session: its files are written, its commands are run in their order, as they stand.

Only places are moved: `/mnt` and `/srv` are below a directory of the test.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from auxtui.cli.main import main

_STEP = re.compile(
    r"<!-- (file|session|not run|recipe)(?:: ([^>]*?))? -->\n```(\w+)\n(.*?)^```",
    re.DOTALL | re.MULTILINE,
)
_EXIT = re.compile(r"\s+# exit (\d+)$")


@dataclass(frozen=True)
class Command:
    """A line of a page and what it must exit with."""

    line: str
    exit_code: int
    in_home: bool = False


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass
class Session:
    """The steps of one page, in their order."""

    steps: list[tuple[str, str] | Command] = field(default_factory=list)


def session_of(page: Path) -> Session:
    """The files and commands of a page."""
    session = Session()
    for kind, detail, _, text in _STEP.findall(page.read_text(encoding="utf-8")):
        if kind == "file":
            session.steps.append((detail, text))
        elif kind == "session":
            session.steps += [
                command_of(line, detail) for line in text.splitlines() if line.strip()
            ]
    return session


def command_of(line: str, detail: str) -> Command:
    wanted = _EXIT.search(line)
    return Command(
        _EXIT.sub("", line), int(wanted[1]) if wanted else 0, in_home=detail == "in the home"
    )


class Host:
    """A host where the commands of a page can be run: `/mnt`, `/srv` and a home of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        for name in ("mnt/vault", "mnt/shelf", "srv/dumps", "work"):
            (root / name).mkdir(parents=True)

    def write(self, name: str, text: str) -> None:
        """Writes a file of the page; what waits for minutes waits for nothing."""
        moved = self._moved(text).replace('settle = "5m"', 'settle = "0s"')
        (self.root / "work" / name).write_text(moved)

    def run(self, command: Command) -> Done:
        """Runs a command line of the page: our own program in this process, which is quicker."""
        line = self._moved(command.line)
        where = self.home if command.in_home else self.root / "work"
        environment = {"HOME": str(self.root), "AUXTUI_HOME": str(self.home)}
        if line.startswith("auxtui ") and not set(line) & set("|&;<>$`*"):
            return _run_here(shlex.split(line)[1:], where, environment)
        return run_in_shell(line, where, environment)

    def _moved(self, text: str) -> str:
        return re.sub(r"(?<![\w.])/(mnt|srv)/", rf"{self.root}/\1/", text)


def run_in_shell(line: str, where: Path, environment: dict[str, str]) -> Done:
    """Runs a command line as an administrator would."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-uc", line],
        cwd=where,
        env={"PATH": path, "LC_ALL": "C.UTF-8", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def _run_here(arguments: list[str], where: Path, environment: dict[str, str]) -> Done:
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(where)
        for name, value in environment.items():
            patch.setenv(name, value)
        code = main(arguments)
    return Done(code, out.getvalue(), err.getvalue())
