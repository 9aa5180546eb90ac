"""Tables on a real terminal of 80 and of 120 columns: what counts is whole, the rest is named."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass

import pytest
from rich.cells import cell_len

from auxtui.cli.layout import NAME_MOST, lay_out, shortened
from tests.cell import Cell
from tests.cli.conftest import Program

RULES = """
[windows.office_hours]
on = ["media_agents.here"]
operations = ["restore"]
do_not_run = [{days = "mon-fri", from = "08:00", to = "18:00"}]

[schedules.weekly_for_the_vault]
operation = "auxcopy"
policy = "databases"
when = "weekly on sunday at 22:00"

[alerts.mail]
on = ["failed", "fallen-behind", "missed", "nothing-done"]
to = "smtp://localhost:25/?to=storage@example.org"
"""
LONG = "l" * 250 + ".dump"
COMMANDS = (
    "jobs",
    "copies databases",
    "copies databases/offsite",
    "copies databases/offsite --long",
    "schedule list",
    "window list",
    "alert list",
    "library list",
    "auxcopy databases --dry-run",
)
EACH = """
import sys
from auxtui.cli.main import main
for command in sys.argv[1].split(";"):
    print("$", command, flush=True)
    main(command.split())
    sys.stdout.flush()
"""
STYLE = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Screen:
    """What a command wrote to a terminal."""

    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def left_out(self) -> str:
        return next((line for line in self.lines if line.startswith("left out")), "")

    @property
    def table(self) -> list[str]:
        """Headings and rows, with the lines below a row, without what is said after it."""
        end = self.left_out or next(
            (line for line in self.lines if re.match(r"offsite: |primary: |no alarm", line)), ""
        )
        return list(self.lines[: self.lines.index(end)] if end else self.lines)


def screens(program: Program, width: int) -> dict[str, Screen]:
    """The commands in one process on a terminal of its own."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    environment = {**program.environment(), "TERM": "xterm"}
    with subprocess.Popen(
        [sys.executable, "-c", EACH, ";".join(COMMANDS)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    ):
        os.close(theirs)
        told = bytearray()
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            told += piece
    os.close(ours)
    text = STYLE.sub("", told.decode()).replace("\r\n", "\n")
    parts = text.split("$ ")[1:]
    return {
        command: Screen(tuple(lines))
        for command, *lines in (part.rstrip("\n").split("\n") for part in parts)
    }


@pytest.fixture(scope="module")
def estate(tmp_path_factory):
    cell = Cell(tmp_path_factory.mktemp("tables"))
    program = Program(cell)
    cell.dump("a.dump")
    cell.dump("b.dump")
    assert program.configure(RULES).code == 0
    assert program.within("scan").code == 0
    assert program.within("auxcopy", "databases", "--wait").code == 0
    assert program.within("mark-bad", "databases/offsite", "2").code == 0
    cell.dump(LONG)
    assert program.within("scan").code == 0
    yield program
    cell.close()


@pytest.fixture(scope="module", params=[80, 120])
def shown(request, estate):
    return request.param, screens(estate, request.param)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_table_is_wider_than_the_terminal_and_what_is_left_out_is_named(shown, command):
    width, by_command = shown
    screen = by_command[command]

    assert screen.table[0]
    assert [line for line in screen.table if len(line) > width] == []
    if screen.left_out:
        assert screen.left_out.endswith("--json or a wider terminal shows all")
        words = screen.left_out.removeprefix("left out at this width: ").split(";")[0]
        for heading in words.split(", "):
            assert heading not in re.split(r" {2,}", screen.table[0])


def test_ids_states_and_sizes_are_whole(shown):
    _, by_command = shown
    jobs = by_command["jobs"].text
    assert re.search(r"^ *\d+ +auxcopy +.*completed ", jobs, re.MULTILINE), jobs
    assert "195 KiB" in jobs
    copies = by_command["copies databases/offsite"].text
    assert re.search(r"^ *\d+ +offsite .*to be copied", copies, re.MULTILINE), copies
    assert "97.7 KiB" in copies
    policy = by_command["copies databases"].text
    assert policy.count("to be copied") == 1
    assert policy.count("available") == 4


def test_reasons_and_next_steps_can_be_read_in_one_piece(shown, estate):
    width, by_command = shown
    lines = estate.within("copies", "databases/offsite", "--json").document["job_copies"]
    reasons = [line["reason"] for line in lines if line["reason"]]
    steps = [line["next_step"] for line in lines if line["next_step"]]
    assert reasons
    assert steps
    for command in ("copies databases", "copies databases/offsite"):
        text = " ".join(" ".join(by_command[command].table).split())
        for each in (*reasons, *steps):
            assert each in text, (width, command)


def test_a_long_name_is_shortened_in_the_middle_and_widens_no_row(shown):
    _, by_command = shown
    for command in ("copies databases", "copies databases/offsite"):
        screen = by_command[command]
        assert re.search(r" l+\.\.\.l+\.dump", screen.text), screen.text
        assert LONG not in screen.text


def test_rules_keep_their_names_whole(shown):
    _, by_command = shown
    assert "weekly_for_the_vault" in by_command["schedule list"].text
    assert "databases" in by_command["schedule list"].text
    assert "office_hours" in by_command["window list"].text
    assert "vault" in by_command["library list"].text
    assert "online" in by_command["library list"].text
    assert "mail" in by_command["alert list"].text


def test_a_pipe_gets_every_column_and_every_name_whole(estate):
    said = estate("copies", "databases/offsite").out
    assert LONG in said
    assert "NEXT STEP" in said


def test_a_wide_character_counts_as_the_two_columns_that_it_takes():
    table = lay_out(["name", "size"], [["日本" * 40, "1 B"]], width=30, names=["name"])
    assert [cell_len(row) for row in table.rows] == [NAME_MOST + len("  1 B")]
    assert cell_len(shortened("日本語日本語", 9)) <= 9


def test_a_text_below_the_row_keeps_its_name_and_zone():
    headings = ["job", "forecast\nEurope/Berlin"]
    table = lay_out(headings, [["1", "caught up Thursday 11:01, " + "x" * 20]], width=25)
    assert table.headings == ("job",)
    assert table.rows[0].strip() == "1"
    assert table.rows[1].startswith("    forecast")
    assert "(Europe/Berlin):" in " ".join(table.rows)


def test_what_cannot_be_narrower_is_never_cut():
    table = lay_out(["job", "state"], [["123456789", "completed with errors"]], width=10)
    assert table.rows == ("123456789  completed with errors",)
