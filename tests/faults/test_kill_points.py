"""Killed at each call that changes something, before and after it.

Two means: `staging` counts calls of the `os` module over all threads in their true order; strace
counts every system call, those of SQLite and of buffered files too, but each thread by itself.
"""

from __future__ import annotations

import pytest

from tests.faults.estate import Estate
from tests.faults.pristine import Pristine
from tests.faults.tracing import requires_strace, traced

SYSTEM_CALLS = (
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "syncfs",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
)
PARTS = 8  # of the exhaustive rounds, so that several workers share them
POINTS = (
    ("write", 1),
    ("pwrite64", 9),
    ("pwrite64", 60),
    ("pwrite64", 140),
    ("fsync", 4),
    ("fsync", 11),
    ("fdatasync", 3),
    ("fdatasync", 12),
    ("unlinkat", 5),
    ("renameat2", 1),
)


def changing_calls(pristine: Pristine) -> list[str]:
    """The calls below the root of the estate of a run that nothing disturbs, in order."""
    estate = pristine.estate
    log = estate.root / "calls"
    assert estate.finish(count_log=str(log), below=str(estate.root)) == []
    return [line.split()[1] for line in log.read_text().splitlines()]


def kill_round(pristine: Pristine, *, nth: int, after: bool) -> bool:
    """Kills the service at its n-th changing call, starts it again; False when it had fewer."""
    pristine.restore()
    estate = pristine.estate
    estate.start(kill={"nth": nth, "after": after}, below=str(estate.root))
    is_hit = estate.until_settled_or_dead()
    assert_nothing_lost(estate, f"killed {'after' if after else 'before'} call {nth}")
    return is_hit


def traced_kill_round(pristine: Pristine, call: str, nth: int) -> bool:
    """Kills the service at the n-th system call of a thread; False when none had so many."""
    pristine.restore()
    estate = pristine.estate
    with traced(estate, f"{call}:signal=KILL:when={nth}"):
        is_hit = estate.until_settled_or_dead()
    assert_nothing_lost(estate, f"killed at {call} {nth}")
    return is_hit


def assert_nothing_lost(estate: Estate, where: str) -> None:
    """All is well after the kill, and once more after the end of the job."""
    assert estate.oracle.examine(is_finished=False) == [], where
    assert estate.finish() == [], f"finished after {where}"
    states = [(job["state"], job["reason"]) for job in estate.jobs()]
    assert states == [("completed", "")], where


@pytest.mark.parametrize("half", [0, 1])
def test_killed_at_points_spread_over_a_job(estate: Estate, half: int) -> None:
    pristine = Pristine(estate)
    calls = len(changing_calls(pristine))

    hits = sum(
        kill_round(pristine, nth=1 + number * calls // 12, after=bool(number % 2))
        for number in range(half, 12, 2)
    )

    assert hits >= 4  # a busy host syncs in other groups, with fewer calls


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("after", [False, True])
def test_killed_at_every_call(estate: Estate, after: bool, part: int) -> None:
    pristine = Pristine(estate)
    points = range(1 + part, len(changing_calls(pristine)) + 1, PARTS)

    hits = sum(kill_round(pristine, nth=nth, after=after) for nth in points)

    assert hits >= len(points) * 0.9  # the order of threads differs a little from run to run


@requires_strace
def test_killed_at_system_calls_spread_over_a_job(estate: Estate) -> None:
    pristine = Pristine(estate)

    hits = sum(traced_kill_round(pristine, call, nth) for call, nth in POINTS)

    assert hits >= 6


@requires_strace
@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("call", SYSTEM_CALLS)
def test_killed_at_every_system_call(estate: Estate, call: str) -> None:
    pristine = Pristine(estate)
    nth = 1

    while traced_kill_round(pristine, call, nth):
        nth += 1

    assert nth > 1 or call in ("rename", "renameat", "unlink")  # this system may not use them
