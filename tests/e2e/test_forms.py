"""The console's forms as people use them: first steps, a repair, a restore of marked paths, a new copy."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.catalog.home import Home
from engine.control import frontdoor
from engine.control.lock import is_held
from engine.model.states import JobState
from tests.cell import Cell, content
from tests.e2e.terminal import Terminal

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")

TO_OFFSITE = ("Down", "Down", "Down", "Down", "Right", "Down", "Down")


@pytest.fixture
def terminal(request: pytest.FixtureRequest) -> Iterator[Terminal]:
    made = Terminal(re.sub(r"\W", "", request.node.name)[:40])
    yield made
    made.kill()


def job_of(screen: str, words: str) -> int:
    """The job that the status line names."""
    found = re.search(rf"job (\d+) {words}", screen)
    assert found, screen
    return int(found[1])


def copied(cell: Cell) -> None:
    """A CommCell with two backup jobs on its second copy."""
    cell.apply()
    cell.dump("one/etc/hosts", 2000)
    cell.dump("one/etc/ssl/key", 3000)
    cell.dump("one/base", 1_000_000)
    cell.dump("two", 500_000)
    cell.scan()
    assert cell.run().state is JobState.COMPLETED


def test_from_an_empty_home_to_the_first_copy_by_keyboard_alone(tmp_path: Path, terminal: Terminal):
    home = Home(tmp_path / "home")
    (tmp_path / "dumps").mkdir()
    (tmp_path / "dumps/monday.dump").write_bytes(content("monday", 300_000))
    try:
        terminal.open(home.path)
        terminal.sees("First steps", "1 Backups lie in", "2 Copies go to")
        terminal.write(f"{tmp_path}/dumps")
        terminal.keys("Tab")
        terminal.write("*.dump")
        terminal.keys("Tab")
        terminal.write("0s")
        terminal.keys("Tab")
        terminal.write(f"{tmp_path}/vault")
        terminal.keys("F2")
        terminal.sees("backups / Run Auxiliary Copy", "copies 1 backup job")
        terminal.keys("F2")

        screen = terminal.sees("has started; it goes on when this console ends")
        job = frontdoor.wait_for_job(home, job_of(screen, "has started"))
        assert job.state is JobState.COMPLETED
        there = list((tmp_path / "vault/backups/Copy_2").glob("*/data/monday.dump"))
        assert [path.read_bytes() for path in there] == [content("monday", 300_000)]
    finally:
        if is_held(home.service_lock):
            frontdoor.stop_service(home, by="test")


def test_a_damaged_job_copy_is_verified_and_repaired_by_one_key(cell: Cell, terminal: Terminal):
    copied(cell)
    (damaged,) = (cell.root / "vault/databases/offsite").glob("*/data/two")
    before = damaged.stat()
    with damaged.open("r+b") as file:
        file.write(b"\0\0\0")
    os.utime(damaged, ns=(before.st_atime_ns, before.st_mtime_ns))
    terminal.open(cell.home.path)
    terminal.sees("Storage Policies", "databases")
    terminal.keys(*TO_OFFSITE, "b")
    terminal.sees("2 backup jobs", "available")
    terminal.keys("*", "v")
    verified = terminal.sees("verifies backup jobs")
    cell.wait(job_of(verified, "verifies"))
    terminal.sees("bad", "esc unmarks")
    terminal.keys("Escape")
    terminal.until(lambda screen: "esc unmarks" not in screen, "unmarked")
    terminal.keys("/")
    terminal.write("digest")
    terminal.sees("1 backup job;")
    terminal.keys("Enter", "r")

    repaired = terminal.sees("repairs backup job")
    assert cell.wait(job_of(repaired, "repairs")).state is JobState.COMPLETED
    assert damaged.read_bytes() == content("two", 500_000)


def test_marked_paths_of_a_backup_job_are_restored_and_nothing_else(cell: Cell, terminal: Terminal):
    copied(cell)
    target = cell.root / "back"
    terminal.open(cell.home.path)
    terminal.sees("Storage Policies", "databases")
    terminal.keys(*TO_OFFSITE, "b")
    terminal.sees("2 backup jobs", "available")
    terminal.keys("/")
    terminal.write("one")
    terminal.sees("1 backup job;")
    terminal.keys("Enter", "b")
    terminal.sees("browse", "one/")
    terminal.keys("Right")
    terminal.sees("etc/", "base")
    terminal.keys("Down", "Space")
    terminal.sees("1 path: one/etc")
    terminal.keys("s")
    terminal.sees("To the directory", "1 path: one/etc of backup job")
    terminal.keys("C-u")
    terminal.until(
        lambda screen: bool(re.search(r"To the directory *$", screen, re.MULTILINE)), "emptied"
    )
    terminal.write(str(target))
    terminal.keys("F2")

    screen = terminal.sees("restores backup job")
    assert cell.wait(job_of(screen, "restores")).state is JobState.COMPLETED
    found = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
    assert found == ["one/etc/hosts", "one/etc/ssl/key"]
    assert (target / "one/etc/hosts").read_bytes() == content("one/etc/hosts", 2000)


def test_a_second_copy_is_made_by_a_form_and_filled(cell: Cell, terminal: Terminal):
    copied(cell)
    terminal.open(cell.home.path)
    terminal.sees("Storage Policies", "databases")
    terminal.keys("Down", "Down", "Down", "Down", "n")
    terminal.sees("New copy", "Copy_2", "still to fill in: Library")
    terminal.keys("Tab", "Tab", "Enter")
    terminal.sees("shelf", "vault")
    terminal.keys("Down", "Enter")
    terminal.until(lambda screen: "still to fill in: Library" not in screen, "chosen")
    terminal.keys("F2")
    terminal.sees("This will change", "databases/Copy_2", "library: shelf")
    terminal.keys("y")
    terminal.sees("copy Copy_2 is applied")
    terminal.keys("r")
    terminal.sees("all active copies (2)", "copies 2 backup jobs")
    terminal.keys("F2")

    screen = terminal.sees("has started")
    assert cell.wait(job_of(screen, "has started")).state is JobState.COMPLETED
    assert len(list((cell.root / "shelf/databases/Copy_2").glob("[0-9]*"))) == 2
