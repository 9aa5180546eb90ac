"""The streams of this host, shared by the running jobs; one owner, no locks: asyncio only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from engine.policy.sharing import Claim, Share, share_streams

Changed = Callable[[Share], None]


@dataclass(slots=True)
class Seat:
    """A job's place in the pool."""

    claim: Claim
    share: Share = field(default_factory=lambda: Share(0, ""))
    changed: Changed | None = None
    """Told whenever the share of a seated job changes, also to 0: it must give way."""
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class StreamPool:
    """Divides the streams anew whenever a job comes, goes, or changes its priority."""

    def __init__(self) -> None:
        self._seats: dict[int, Seat] = {}
        self._limits: dict[str, int] = {}

    def join(self, claim: Claim, limits: Mapping[str, int]) -> Seat:
        """Takes a place; its share may be 0 at first.

        Args:
            limits: of the claim's resources, as the configuration says now.
        """
        self._limits.update(limits)
        seat = Seat(claim)
        self._seats[claim.job_id] = seat
        self._divide()
        return seat

    def leave(self, job_id: int) -> None:
        """Gives a place back."""
        if self._seats.pop(job_id, None) is not None:
            self._divide()

    def set_priority(self, job_id: int, priority: int) -> None:
        """Another priority takes effect at once."""
        seat = self._seats.get(job_id)
        if seat is not None:
            seat.claim = seat.claim._replace(priority=priority)
            self._divide()

    def rivals(self, job_id: int) -> list[int]:
        """Other jobs that have streams of the same resources."""
        mine = self._seats[job_id].claim.resources
        return sorted(
            other
            for other, seat in self._seats.items()
            if other != job_id and seat.share.streams and seat.claim.resources & mine
        )

    def _divide(self) -> None:
        shares = share_streams([seat.claim for seat in self._seats.values()], self._limits)
        for job_id, seat in self._seats.items():
            if seat.share == shares[job_id]:
                continue
            seat.share = shares[job_id]
            seat.woken.set()
            if seat.changed is not None:
                seat.changed(seat.share)
