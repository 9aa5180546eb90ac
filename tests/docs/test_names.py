"""What the documents name exists: commands, options, files, links, errors, states."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from auxtui.cli.main import app
from engine.model.states import JobCopyState, JobState
from tests.docs.recipes import DOCS, PAGES, ROOT

FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
PROGRAM = typer.main.get_command(app)
COMMAND_LINES = re.compile(r"^(?:\$ )?(auxtui .*?)(?:\s+#.*| > .*)?$", re.MULTILINE)


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name in getattr(command, "commands", {}):
        yield from walk(command.commands[name], (*path, name))


COMMANDS = dict(walk(PROGRAM))
OPTIONS = {
    option
    for command in COMMANDS.values()
    for parameter in command.params
    for option in (*parameter.opts, *parameter.secondary_opts)
} | {"--help", "-h"}


def spans(page: Path) -> list[str]:
    return SPAN.findall(FENCE.sub("", page.read_text(encoding="utf-8")))


def command_lines(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    inline = [span for span in spans(page) if span.startswith("auxtui ")]
    fenced = [line for fence in FENCE.findall(text) for line in COMMAND_LINES.findall(fence)]
    return inline + fenced


def named(page: Path) -> Iterator[tuple[str, Any, list[str]]]:
    """Each command line of a page, with the command that it calls and the options that it gives."""
    for line in command_lines(page):
        words = line.split()[1:]
        options = [word.split("=")[0] for word in words if word.startswith("--")]
        path: tuple[str, ...] = ()
        for word in words:
            if (*path, word) in COMMANDS:
                path = (*path, word)
            elif not word.startswith("--"):
                break
        yield line, COMMANDS[path], options


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page: Path) -> None:
    for line, command, options in named(page):
        first = next((word for word in line.split()[1:] if not word.startswith("--")), None)
        is_placeholder = first is None or first.isupper() or first == "…"
        assert is_placeholder or command is not PROGRAM, f"no such command: {line}"
        own = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
        assert set(options) <= own, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_that_are_named_alone_exist(page: Path) -> None:
    alone = {span.split()[0] for span in spans(page) if span.startswith("--")}

    assert alone <= OPTIONS


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_states_are_those_of_the_program() -> None:
    text = (DOCS / "guide.md").read_text()
    jobs = text.split("States of a job: ")[1].split("\n\n")[0]
    copies = text.split("one backup job on one copy: *")[1].split("*")[0]

    assert {s for s in re.findall(r"`(\w+)`", jobs) if s in set(JobState)} == set(JobState)
    assert {name.replace(" ", "_") for name in copies.split(", ")} == set(JobCopyState)


def test_the_layers_are_those_of_the_house() -> None:
    text = (DOCS / "architecture.md").read_text()
    house = text.split("engine/      what")[1].split("```")[0]
    documented = re.findall(r"^  (\w+)/", house, re.MULTILINE)

    contract = (ROOT / ".importlinter").read_text().split("layers =")[1].split("\n\n")[0]
    assert documented == contract.split()


def test_the_tests_that_are_named_are_there() -> None:
    named_tests = {span for span in spans(DOCS / "faults.md") if span.startswith("tests/")}

    assert named_tests
    assert [name for name in sorted(named_tests) if not (ROOT / name).exists()] == []


def test_no_page_names_another_host() -> None:
    for page in [*PAGES, *sorted(DOCS.glob("pictures/*.svg"))]:
        hosts = set(re.findall(r"https?://([^/\s\"')]+)", page.read_text(encoding="utf-8")))
        stand_ins = {"host", "hc.example.org", "127.0.0.1:9464"}
        assert hosts <= {"www.w3.org", "www.textualize.io"} | stand_ins, page
