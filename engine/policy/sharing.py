"""How running jobs share streams: none exceeds a limit, none idles while another hoards.

Every job gets one stream in order of priority before any gets a second; what is left goes round.
A job that gets none waits, or is interrupted when one of higher priority needs its last stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Claim(NamedTuple):
    """A job that can use streams now, or a part of one that needs resources of its own."""

    job_id: int
    priority: int
    """0 (first) to 9 (last)."""
    wanted: int
    """As many as it can use, at least 1."""
    resources: frozenset[str]
    """What each of its streams takes one of: MediaAgents of the host, writers of libraries."""
    part: int = 0
    """Tells the parts of a job apart."""

    @property
    def key(self) -> tuple[int, int]:
        """Job and part."""
        return self.job_id, self.part


class Share(NamedTuple):
    """What a job gets, and why not more."""

    streams: int
    limited_by: str
    """The resource that is used up; empty when it got what it wanted."""


def share_streams(
    claims: Sequence[Claim], limits: Mapping[str, int]
) -> dict[tuple[int, int], Share]:
    """Divides the streams among jobs.

    Args:
        claims: of all jobs that run or want to.
        limits: how many streams each resource allows in all; one that is not named has no limit.

    Returns:
        The share of each claim by its key; 0 streams: it must wait.
    """
    left = dict(limits)
    got = dict.fromkeys((claim.key for claim in claims), 0)
    blocked_by = dict.fromkeys(got, "")
    ranked = sorted(claims, key=lambda claim: (claim.priority, claim.key))
    while True:
        gave = False
        for claim in ranked:
            if got[claim.key] >= claim.wanted or blocked_by[claim.key]:
                continue
            spent = next((r for r in sorted(claim.resources) if left.get(r, 1) < 1), "")
            if spent:
                blocked_by[claim.key] = spent
                continue
            for resource in claim.resources & left.keys():
                left[resource] -= 1
            got[claim.key] += 1
            gave = True
        if not gave:
            return {key: Share(got[key], blocked_by[key]) for key in got}
