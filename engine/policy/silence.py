"""What should have come and did not: silent subclients, runs that do nothing, sources that shrink.

Habit is the measure, from the past of the same thing; where there is too little past, nothing is
said.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from statistics import median

from engine.policy.durations import format_about, format_size
from engine.policy.zones import DAY_S

HOUR_S = 3_600
OCCASIONS = 10  # of the past that are looked at
LEAST_OCCASIONS = 4
LONGER = 1.2  # than ever among them, and an hour
LEAST_RUNS = 3
SMALL_SHARE = 0.01  # of the usual bytes: a run that ended at once
SHRUNK_SHARE = 0.5  # of the usual size
SHRUNK_LEAST_BYTES = 1 << 20  # below it sizes say nothing


def silence_of(times: Sequence[float], *, now: float) -> str:
    """Why a subclient is silent, a sentence; empty while it is not.

    Args:
        times: when its backup jobs were complete, seconds since the epoch, in any order.
        now: likewise.
    """
    longest = _longest_pause(sorted(times))
    if longest is None:
        return ""
    quiet = now - max(times)
    if quiet <= longest * LONGER + HOUR_S:
        return ""
    return (
        f"no backup job for {format_about(quiet)}; "
        f"until now there was none for at most {format_about(longest)}"
    )


def _longest_pause(times: Sequence[float]) -> float | None:
    """The longest pause among the last occasions; backup jobs less than an hour apart are one."""
    occasions: list[list[float]] = []
    for at in times:
        if occasions and at - occasions[-1][-1] < HOUR_S:
            occasions[-1].append(at)
        else:
            occasions.append([at])
    recent = occasions[-OCCASIONS - 1 :]
    if len(recent) > LEAST_OCCASIONS:
        return max(after[0] - before[-1] for before, after in itertools.pairwise(recent))
    if occasions and occasions[-1][-1] - occasions[-1][0] >= DAY_S:
        return HOUR_S  # they come all day long
    return None


def nothing_done(done_bytes: int, before: Sequence[int]) -> str:
    """Why a run that completed did suspiciously little, a sentence; empty when it did not.

    Args:
        done_bytes: what it did.
        before: what the last runs of the same schedule did, the newest first.
    """
    useful = [each for each in before if each > 0]
    if len(useful) < LEAST_RUNS or len(useful) * 2 < len(before):
        return ""
    usual = median(useful)
    if done_bytes > usual * SMALL_SHARE:
        return ""
    what = "nothing" if done_bytes == 0 else f"only {format_size(done_bytes)}"
    return f"it did {what}; usually it does about {format_size(int(usual))}"


def shrunk(size_bytes: int, before: Sequence[int]) -> str:
    """Why a new backup job is suspiciously small, a sentence; empty when it is not.

    Args:
        size_bytes: its size.
        before: sizes of the last ones of the same subclient and level, the newest first.
    """
    if len(before) < LEAST_RUNS:
        return ""
    usual = median(before)
    if usual < SHRUNK_LEAST_BYTES or size_bytes >= usual * SHRUNK_SHARE:
        return ""
    return f"{format_size(size_bytes)}, usually about {format_size(int(usual))}"
