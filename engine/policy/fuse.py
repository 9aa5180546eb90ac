"""The deletion fuse: too much at once, or a source that shrank or vanished, and aging stops and asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.policy.durations import format_size

FUSE_PCT = 25  # of the job copies of a copy
FUSE_JOBS = 1000
MAX_FUSE_JOBS = 1_000_000
FEW = 10  # up to so many at once no share is looked at: of three job copies one is a third
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
    """
    if aging > limits.jobs:
        return f"{aging} of its {held} job copies would go at once, more than {limits.jobs}"
    if aging > FEW and aging * 100 > held * limits.pct:
        return f"{aging} of its {held} job copies would go at once, more than {limits.pct} %"
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
