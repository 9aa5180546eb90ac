"""The console as people use it: a real terminal, a real service, real files."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest

from engine.control import frontdoor
from engine.control.lock import is_held, read_holder
from engine.model.states import JobState, RequestKind
from tests.cell import Cell
from tests.e2e.terminal import Terminal

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")

TO_POLICY = ("Down", "Down", "Down", "Down")


@pytest.fixture
def terminal(request: pytest.FixtureRequest) -> Iterator[Terminal]:
    made = Terminal(re.sub(r"\W", "", request.node.name)[:40])
    yield made
    made.kill()


def percent(screen: str) -> int:
    """Progress of the job as the screen says it."""
    return max((int(number) for number in re.findall(r"(\d+)%", screen)), default=-1)


def lift_throttle(cell: Cell, job_id: int) -> None:
    """Lets a job that was slow enough to be watched end soon."""
    frontdoor.request(cell.home, RequestKind.THROTTLE, job_id, {"throttle_bps": 2**40}, by="test")


def test_an_auxiliary_copy_is_run_watched_suspended_left_and_found_completed(
    cell: Cell, terminal: Terminal
):
    cell.apply()
    for number in range(4):
        cell.dump(f"pg-{number}.dump", 20_000_000)

    terminal.open(cell.home.path)
    terminal.sees("Storage Policies", "databases")
    terminal.keys("c")
    terminal.sees("4 new backup jobs")

    terminal.keys(*TO_POLICY, "m")
    terminal.sees("All Tasks: databases", "Run Auxiliary Copy")
    terminal.keys("r")
    terminal.sees("all active copies (1)", "copies 4 backup jobs", "Streams")
    terminal.keys("F6", "F6", "F6")
    terminal.sees("Why, or why not", "not there yet")
    terminal.keys("F6", *["Tab"] * 7)
    terminal.write("1")
    terminal.keys("F2")
    started = terminal.sees("has started; it goes on when this console ends")
    job_id = int(re.findall(r"job (\d+) has started", started)[0])

    terminal.until(lambda screen: percent(screen) > 5, "progress")
    terminal.keys("2")
    terminal.sees("1 running")
    terminal.keys("s")
    cell.until(job_id, lambda job: job.state is JobState.SUSPENDED)
    held = terminal.sees(
        "1 suspended"
    )  # the totals: what is done to a job goes by what is shown of it
    assert percent(held) < 100

    terminal.keys("u")
    cell.until(job_id, lambda job: job.state is JobState.RUNNING)
    terminal.sees("1 running")
    terminal.keys("q")
    terminal.sees("LEFT 0", "1 job goes on in the service")
    terminal.kill()
    lift_throttle(cell, job_id)

    cell.wait(job_id)
    terminal.open(cell.home.path)
    terminal.sees("Storage Policies")
    terminal.keys("3")
    terminal.sees("Job history", "1 job; every outcome", "completed")
    terminal.keys("Enter", "F6")
    terminal.sees("4 of 4 done", "100%")
    cell.assert_copied()


def test_a_lost_terminal_stops_nothing(cell: Cell, terminal: Terminal):
    cell.apply()
    cell.dump("pg.dump", 60_000_000)
    cell.scan()
    job_id = cell.start(throttle_bps=1_000_000)
    terminal.open(cell.home.path)
    terminal.sees("running", str(job_id))
    before = read_holder(cell.home.service_lock)

    terminal.kill()

    lift_throttle(cell, job_id)
    job = cell.wait(job_id)
    assert job.state is JobState.COMPLETED
    assert is_held(cell.home.service_lock)
    assert read_holder(cell.home.service_lock) == before


def test_a_killed_service_is_said_and_started_again_by_one_key(cell: Cell, terminal: Terminal):
    cell.apply()
    cell.dump("pg.dump", 60_000_000)
    cell.scan()
    job_id = cell.start(throttle_bps=1_000_000)
    terminal.open(cell.home.path)
    terminal.sees("running", str(job_id))

    cell.kill9()
    terminal.sees("service down", "the service has died; 1 job stand")
    terminal.keys("S")

    terminal.sees("service up")
    lift_throttle(cell, job_id)
    assert cell.wait(job_id).state is JobState.COMPLETED
    terminal.sees("completed")


def test_a_small_terminal_becomes_usable_again(cell: Cell, terminal: Terminal):
    cell.apply()
    terminal.open(cell.home.path)
    terminal.sees("Storage Policies")

    terminal.resize(40, 10)
    terminal.sees("This terminal is 40 x 10")
    terminal.resize(120, 40)

    terminal.sees("Storage Policies", "Secondary copies", "databases / offsite")


def test_names_from_disks_do_nothing_to_the_terminal(cell: Cell, terminal: Terminal):
    cell.apply()
    cell.dump("[red]\x1b]0;owned\x07[bold]x.dump", 1000)
    cell.scan()
    job = cell.run()
    assert job.state is JobState.COMPLETED

    terminal.open(cell.home.path)
    terminal.sees("Storage Policies")
    terminal.resize(160, 40)
    terminal.keys(*TO_POLICY, "Right", "Down", "Down", "b")
    terminal.sees("1 backup job", "available")
    terminal.keys("w")
    terminal.sees("Available on", "[red]\\x1b]0;owned\\x07[bold]x.dump")
