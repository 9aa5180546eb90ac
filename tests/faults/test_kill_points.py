"""Killed at each call that changes something, before and after it."""

from __future__ import annotations

import pytest

from tests.faults.estate import Estate
from tests.faults.pristine import Pristine


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
    where = f"killed {'after' if after else 'before'} call {nth}"
    assert estate.oracle.examine(is_finished=False) == [], where
    assert estate.finish() == [], f"finished after {where}"
    states = [(job["state"], job["reason"]) for job in estate.jobs()]
    assert states[0] == ("completed", ""), f"{where}: {states}"
    return is_hit


@pytest.mark.parametrize("half", [0, 1])
def test_killed_at_points_spread_over_a_job(estate: Estate, half: int) -> None:
    pristine = Pristine(estate)
    calls = len(changing_calls(pristine))

    hits = sum(
        kill_round(pristine, nth=1 + number * calls // 12, after=bool(number % 2))
        for number in range(half, 12, 2)
    )

    assert hits >= 5


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("after", [False, True])
def test_killed_at_every_call(estate: Estate, after: bool) -> None:
    pristine = Pristine(estate)
    calls = len(changing_calls(pristine))

    hits = sum(kill_round(pristine, nth=nth, after=after) for nth in range(1, calls + 1))

    assert hits >= calls * 0.9  # the order of threads differs a little from run to run
