"""What the documents say, taken out of them so that it can be run."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *sorted(DOCS.glob("*.md")))

_RECIPE = re.compile(r"<!-- recipe: (\S+) -->\n```sh\n(.*?)```", re.DOTALL)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def recipes(page: Path) -> dict[str, str]:
    """The scripts of a page that are marked as recipes, by name."""
    return dict(_RECIPE.findall(page.read_text(encoding="utf-8")))


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [text for name, text in found if name == language]


def run_recipe(script: str, **variables: object) -> str:
    """Runs a recipe as it stands, with standard tools only; returns what it printed."""
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        **{name: str(value) for name, value in variables.items()},
    }
    done = subprocess.run(
        ["bash", "-uc", script],
        env=environment,
        capture_output=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    assert done.stderr == b"", done.stderr.decode("utf-8", "replace")
    return done.stdout.decode("utf-8", "backslashreplace")
