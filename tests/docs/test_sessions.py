"""Every command line of the README and the guide is run, in the order of the page."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from auxtui.actions import ACTIONS
from auxtui.profile import terminal_profile
from engine.model import errors
from engine.policy.schedule import parse_schedule
from engine.site.reading import read_site
from tests.cell import content
from tests.docs.recipes import DOCS, PAGES, ROOT, blocks
from tests.docs.sessions import Command, Host, session_of

GUIDE = DOCS / "guide.md"


def host_with_dumps(root: Path) -> Host:
    host = Host(root)
    for name in ("monday", "tuesday", "wednesday"):
        (host.root / f"srv/dumps/{name}.dump").write_bytes(content(name, 300_000))
    return host


def follow(host: Host, page: Path) -> dict[str, str]:
    """Follows a page; returns what each command printed."""
    said: dict[str, str] = {}
    for step in session_of(page).steps:
        if isinstance(step, tuple):
            host.write(*step)
            continue
        done = host.run(step)
        assert done.exit_code == step.exit_code, f"{step.line}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        said[step.line] = done.stdout
    return said


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> tuple[Host, dict[str, str]]:
    """A host on which the guide was followed from the first to the last line."""
    host = host_with_dumps(tmp_path_factory.mktemp("guide"))
    try:
        return host, follow(host, GUIDE)
    finally:
        host.run(Command("auxtui service stop", 0))


def test_the_quick_start_ends_with_proven_copies(tmp_path: Path) -> None:
    host = host_with_dumps(tmp_path)

    try:
        said = follow(host, ROOT / "README.md")
    finally:
        host.run(Command("auxtui service stop", 0))

    assert said["auxtui copies databases/offsite"].count("available") == 3
    copies = sorted((tmp_path / "mnt/vault/databases/offsite").glob("*/data/*.dump"))
    assert len(copies) == 3
    for copy in copies:
        subprocess.run(["cmp", copy, tmp_path / "srv/dumps" / copy.name], check=True)


def test_the_guide_can_be_followed(guide: tuple[Host, dict[str, str]]) -> None:
    host, said = guide
    assert said["auxtui apply site.toml"].strip() == "nothing to change"
    assert (
        "auxtui.service" in said["auxtui service unit"]
        or "[Service]" in said["auxtui service unit"]
    )
    ledger = json.loads(host.run(Command("auxtui copies databases/offsite --json", 0)).stdout)
    assert {line["state"] for line in ledger["job_copies"]} == {"available"}
    assert (host.root / "srv/back/monday.dump").read_bytes() == content("monday", 300_000)


def test_every_shell_block_is_run_or_says_why_not() -> None:
    marked = re.compile(r"<!-- (session|recipe|not run)[^>]*-->\n```sh\n")
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        free = {"make demo\n", "make test\n"}
        unmarked = [block for block in blocks(page, "sh") if block not in free]
        assert len(unmarked) == len(marked.findall(text)), page


def test_the_json_documents_have_the_keys_that_the_guide_names(
    guide: tuple[Host, dict[str, str]],
) -> None:
    host, _ = guide
    rows = re.findall(r"^\| `(auxtui [^`]*--json)` \| (.*) \|$", GUIDE.read_text(), re.MULTILINE)
    assert len(rows) == 11
    for line, described in rows:
        done = host.run(Command(line, 0))
        document = json.loads(done.stdout)
        first, *_ = described.split(": each with ")
        for key in re.findall(r"`(\w+)`", first):
            assert key in document, (line, key)


def test_the_exit_codes_are_those_of_the_errors() -> None:
    table = GUIDE.read_text().split("<!-- exit codes -->")[1].split("\n\n")[0]
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    constants = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    used = {
        value.exit_code
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.AuxError)
    }

    assert documented == constants
    assert used <= documented


def test_the_keys_are_those_of_the_actions() -> None:
    names = {"question_mark": "?", "slash": "/", "exclamation_mark": "!"}
    known = {
        (names.get(action.keys.split(",")[0], action.keys.split(",")[0]), action.label)
        for action in ACTIONS
    }
    table = GUIDE.read_text().split("<!-- keys -->")[1].split("\n\n")[0]
    documented = set(re.findall(r"^\| `([^`]+)` \| (.+?) \|$", table, re.MULTILINE))

    assert documented
    assert documented <= known


def test_the_configuration_of_the_console_is_understood(tmp_path: Path) -> None:
    (text,) = re.findall(r"<!-- config -->\n```toml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (tmp_path / "auxtui").mkdir()
    (tmp_path / "auxtui/config.toml").write_text(text)

    profile = terminal_profile({"XDG_CONFIG_HOME": str(tmp_path)})

    assert profile.keys == {"job.kill": "K"}
    assert set(profile.keys) <= {action.id for action in ACTIONS}


def test_every_table_of_the_site_file_that_the_guide_shows_can_be_applied() -> None:
    text = GUIDE.read_text()
    site = next(step[1] for step in session_of(GUIDE).steps if isinstance(step, tuple))
    more = re.findall(r"<!-- site file, continued -->\n```toml\n(.*?)```", text, re.DOTALL)
    assert more

    found = read_site("\n".join([site, *more]), "guide.md", implied_media_agent="here")

    assert set(found.schedules) == {"nightly"}
    assert set(found.windows) == {"office"}


def test_the_forms_of_schedules_are_understood() -> None:
    text = GUIDE.read_text().split("`when` is one of: ")[1].split("Times are")[0]
    forms, options = (re.findall(r"`([^`]+)`", part) for part in text.split("after it"))

    for form in forms:
        parse_schedule(form)
    for option in options:
        parse_schedule(f"daily at 22:00 {option}")
