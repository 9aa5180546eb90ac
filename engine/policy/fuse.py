"""The deletion fuse: too much at once, or a source that shrank or vanished, and aging stops and asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.policy.durations import format_size

FUSE_PCT = 25  # of the job copies of a copy
FUSE_JOBS = 1000
MAX_FUSE_JOBS = 1_000_000
FEW = 10  # up to so many at once cycles are counted: of two cycles one goes in every rotation
FEW_PCT = 50  # of so few cycles, even where a lower share of job copies is set
SHRANK_RATIO = 0.5
COMPARED = 5  # fulls before the newest one; with fewer than two nothing is known


class FuseLimits(NamedTuple):
    """From where on a copy's aging stops."""

    pct: int = FUSE_PCT
    """Share of its job copies, 1 to 100."""
    jobs: int = FUSE_JOBS
    """Number of its job copies."""


def too_many(aging: int, held: int, limits: FuseLimits) -> str:
    """Why this much is not aged at once; empty when it may be.

    Args:
        aging: job copies that would go.
        held: job copies that the copy has.
        limits: of the copy.
    """
    if aging > limits.jobs:
        return f"{aging} of its {held} job copies would go at once, more than {limits.jobs}"
    if aging > FEW and aging * 100 > held * limits.pct:
        return f"{aging} of its {held} job copies would go at once, more than {limits.pct} %"
    return ""


class HeldCopy(NamedTuple):
    """A job copy of one subclient on one copy, as the fuse sees it."""

    backup_job_id: int
    cycle: int
    completed_at: float
    """Seconds since the epoch."""
    is_good_full: bool


def too_much_of_subclient(
    aging: Sequence[HeldCopy], held: Sequence[HeldCopy], limits: FuseLimits
) -> str:
    """Why this much of a subclient is not aged off a copy by itself; empty when it may be.

    Args:
        aging: its job copies that would go.
        held: all that the copy has of it, those included.
        limits: of the copy.
    """
    if aging and len(aging) == len(held):
        return (
            "its only job copy would go"
            if len(held) == 1
            else f"all {len(held)} of its job copies would go"
        )
    going = {one.backup_job_id for one in aging}
    fulls = [one for one in held if one.is_good_full]
    newest = max(fulls, key=lambda one: (one.completed_at, one.backup_job_id), default=None)
    if newest is not None and newest.backup_job_id in going:
        return f"its newest full would go, backup job {newest.backup_job_id}"
    cycles = {one.cycle for one in held}
    stay = {one.cycle for one in held if one.backup_job_id not in going}
    gone = len(cycles - stay)
    if gone > 1 and gone * 100 > len(cycles) * max(limits.pct, FEW_PCT):
        return f"{gone} of its {len(cycles)} cycles would go at once"
    return ""


def shrank(sizes: Sequence[int]) -> str:
    """Why the newest backups of a subclient are not believed; empty when they look right.

    Args:
        sizes: bytes of its fulls, oldest first.
    """
    if len(sizes) < 3:
        return ""
    newest, before = sizes[-1], sizes[-1 - COMPARED : -1]
    if newest >= min(before) * SHRANK_RATIO:
        return ""
    return (
        f"its newest full has {format_size(newest)}, "
        f"and none of the {len(before)} before it had less than {format_size(min(before))}"
    )


def doubts(fulls: Mapping[str, Sequence[int]], offline: Mapping[str, str]) -> dict[str, str]:
    """Per subclient why nothing older of it is aged now.

    Args:
        fulls: bytes of the fulls of each subclient, oldest first.
        offline: subclients whose source cannot be seen, and why.
    """
    found = {name: why for name, sizes in fulls.items() if (why := shrank(sizes))}
    found.update({name: f"its source vanished: {why}" for name, why in offline.items()})
    return found
