"""What the guide says to do when a disk or the catalog is lost is done, line by line."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.docs.recipes import DOCS
from tests.docs.sessions import Command, Host, command_of, session_of
from tests.docs.test_sessions import host_with_dumps

GUIDE = DOCS / "guide.md"


def steps_of(loss: str) -> list[Command]:
    """The commands of one block that the session of the guide leaves out."""
    found = re.search(
        rf"<!-- not run: {loss} -->\n```sh\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE
    )
    assert found is not None
    return [command_of(line, "") for line in found[1].splitlines()]


def run(host: Host, *commands: Command) -> None:
    for command in commands:
        done = host.run(command)
        assert done.exit_code == command.exit_code, f"{command.line}\n{done.stdout}{done.stderr}"


def copied(root: Path) -> Host:
    host = host_with_dumps(root)
    site = next(step for step in session_of(GUIDE).steps if isinstance(step, tuple))
    host.write(*site)
    for line in ("apply site.toml", "scan", "auxcopy databases --wait"):
        run(host, Command(f"auxtui {line}", 0))
    return host


def test_a_dead_disk_and_then_a_lost_catalog(tmp_path: Path) -> None:
    host = copied(tmp_path)
    try:
        vault = host.root / "mnt/vault"
        shutil.rmtree(vault)
        vault.mkdir()
        run(host, *steps_of("a disk is lost"))
        assert len(list((vault / "databases/offsite").glob("[0-9]*"))) == 3

        run(host, *steps_of("a catalog is lost"))
        copies = host.run(Command("auxtui copies databases/offsite --json", 0)).stdout
        assert copies.count('"available"') == 3
    finally:
        host.run(Command("auxtui service stop", 0))
