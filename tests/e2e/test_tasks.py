"""The keys that the guide names for the commonest tasks do them, in a real terminal, on a service that copies."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from engine.control import frontdoor
from engine.model.states import JobState, RequestKind
from tests.cell import Cell
from tests.docs.recipes import DOCS
from tests.e2e.terminal import Terminal

ESTATE = """
[media_agents.there]
[schedules.nightly]
operation = "auxcopy"
policy = "databases"
when = "daily at 22:00"
time_zone = "UTC"
[alerts.oncall]
on = ["failed"]
to = "file:/nonexistent/oncall"
[policies.databases.copies.monthly]
kind = "selective"
library = "shelf"
select = "monthly"
"""
SMALL, LARGE = 1_000, 30_000_000
CRAWL = "100KiB/s"  # the large dump takes minutes, and is never waited for


@dataclass(frozen=True)
class Task:
    """What is on the screen when a task is done, and what is the case before it."""

    seen: str
    before: Callable[[Cell, int], None] | None = None


def resume(cell: Cell, job_id: int) -> None:
    """The job that was suspended by the task before runs again."""
    frontdoor.request(cell.home, RequestKind.RESUME, job_id, {}, by="test")
    cell.until(job_id, lambda job: job.state is JobState.RUNNING)


TASKS = {
    "see all that is wrong, and what to do": Task(
        r"What is wrong.*MediaAgent there is switched off"
    ),
    "see when each copy is caught up": Task(r"Forecast.*databases / offsite"),
    "run an auxiliary copy of the first policy": Task(r"job \d+ has started"),
    "see how far a job is and when it ends": Task(r"of 28\.6 MiB.*Time left"),
    "suspend a job": Task(r"job \d+: suspended"),
    "suspend every job": Task(r"jobs? [\d, ]+: suspended", resume),
    "run an ended job again as it was": Task(r"started job \d+"),
    "see when a library is full": Task(r"Full .*(not known yet|a day|never)"),
    "see what alarms stand and who is told": Task(r"Alarm .*oncall +failed"),
    "see why a MediaAgent must not copy now, and until when": Task(r"must not run until.*by test"),
    "see the next five runs of a schedule": Task(r"Next runs( .*22:00.*){5}"),
    "disable a schedule": Task(r"schedule nightly is disabled"),
    "switch all activity off for two hours": Task(r"activity is off on the CommCell until"),
    "see why a backup job is not on a copy": Task(r"backup job \d+ / on every copy.*monthly"),
}


def tasks() -> list[tuple[str, list[str], int]]:
    """The table of the guide: task, keys, and how many."""
    table = (DOCS / "guide.md").read_text(encoding="utf-8").split("<!-- tasks -->")[1]
    rows = [line.split("|")[1:-1] for line in table.split("\n\n")[0].splitlines() if "`" in line]
    return [
        (task.strip(), keys.strip().strip("`").split(), int(number)) for task, keys, number in rows
    ]


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal("tasks")
    yield made
    made.kill()


def test_the_table_of_the_guide_has_the_tasks_and_counts_their_keys() -> None:
    listed = tasks()

    assert [task for task, _, _ in listed] == list(TASKS)
    assert [len(keys) for _, keys, _ in listed] == [number for _, _, number in listed]


# Keys and screens of a real terminal keep no step with each other on a busy host: about one walk in twelve
# lost a key there, so it does not decide whether a change is good.
@pytest.mark.soak
@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_the_keys_of_the_guide_do_the_commonest_tasks(cell: Cell, terminal: Terminal) -> None:
    cell.apply(ESTATE, offsite=f'throttle = "{CRAWL}"')
    cell.dump("first.dump", SMALL)
    cell.scan()
    assert cell.run().state is JobState.COMPLETED
    cell.dump("second.dump", LARGE)
    cell.scan()
    until = datetime.now(UTC) + timedelta(days=2)
    frontdoor.switch_activity(cell.home, "media_agents.there", on=False, off_until=until, by="test")
    terminal.open(cell.home.path)

    job_id = 0
    for name, keys, number in tasks():
        task = TASKS[name]
        go_to_the_first_screen(terminal)
        if task.before is not None:
            task.before(cell, job_id)
        pressed = terminal.pressed

        terminal.press(*keys)

        screen = terminal.until(
            lambda text, seen=task.seen: re.search(seen, text, re.DOTALL) is not None,
            f"done by {' '.join(keys)}: {name}",
        )
        assert terminal.pressed - pressed == number, name
        if "has started" in screen and not job_id:
            job_id = int(re.findall(r"job (\d+) has started", screen)[0])
            cell.until(job_id, lambda job: job.bytes_done > 0)


def go_to_the_first_screen(terminal: Terminal) -> None:
    """Closes what is open and unmarks what is marked; the cursor is on the CommCell."""
    terminal.keys("Escape", "Escape")
    terminal.press("1")
    terminal.keys("Escape")
    terminal.press(
        "1", "g"
    )  # where an escape has become one with the next key, it was the first of them
    terminal.until(
        lambda text: " / " not in text.splitlines()[0] and "Storage Policies" in text,
        "the first screen",
    )
