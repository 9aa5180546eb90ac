"""How running jobs share streams: none exceeds a limit, none idles while another hoards.

Every job gets one stream in order of priority before any gets a second; what is left goes round.
A job that gets none waits, or is interrupted when one of higher priority needs its last stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Claim(NamedTuple):
    """A job that can use streams now."""

    job_id: int
    priority: int
    """0 (first) to 9 (last)."""
    wanted: int
    """As many as it can use, at least 1."""
    resources: frozenset[str]
    """What each of its streams takes one of: MediaAgents of the host, writers of libraries."""


class Share(NamedTuple):
    """What a job gets, and why not more."""

    streams: int
    limited_by: str
    """The resource that is used up; empty when it got what it wanted."""


def share_streams(claims: Sequence[Claim], limits: Mapping[str, int]) -> dict[int, Share]:
    """Divides the streams among jobs.

    Args:
        claims: of all jobs that run or want to.
        limits: how many streams each resource allows in all; one that is not named has no limit.

    Returns:
        The share of each job; 0 streams: it must wait.
    """
    left = dict(limits)
    got = dict.fromkeys((claim.job_id for claim in claims), 0)
    blocked_by = dict.fromkeys(got, "")
    ranked = sorted(claims, key=lambda claim: (claim.priority, claim.job_id))
    while True:
        gave = False
        for claim in ranked:
            if got[claim.job_id] >= claim.wanted or blocked_by[claim.job_id]:
                continue
            spent = next((r for r in sorted(claim.resources) if left.get(r, 1) < 1), "")
            if spent:
                blocked_by[claim.job_id] = spent
                continue
            for resource in claim.resources & left.keys():
                left[resource] -= 1
            got[claim.job_id] += 1
            gave = True
        if not gave:
            return {job_id: Share(got[job_id], blocked_by[job_id]) for job_id in got}
