"""The streams of this host, shared by the running jobs; one owner, no locks: asyncio only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from engine.policy.sharing import Claim, Share, share_streams

Changed = Callable[[Share], None]


@dataclass(slots=True)
class Seat:
    """A job's place in the pool, or that of one of its parts."""

    claim: Claim
    share: Share = field(default_factory=lambda: Share(0, ""))
    changed: Changed | None = None
    """Told whenever the share of a seated job changes, also to 0: it must give way."""
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class StreamPool:
    """Divides the streams anew whenever a job comes, goes, or changes its priority."""

    def __init__(self) -> None:
        self._seats: dict[tuple[int, int], Seat] = {}
        self._limits: dict[str, int] = {}
        self._priorities: dict[int, int] = {}
        """Of jobs whose priority was changed since they came."""

    def join(self, claim: Claim, limits: Mapping[str, int]) -> Seat:
        """Takes a place, or asks for another number of streams in it; its share may be 0 at first.

        Args:
            limits: of the claim's resources, as the configuration says now.
        """
        self._limits.update(limits)
        claim = claim._replace(priority=self._priorities.get(claim.job_id, claim.priority))
        seat = self._seats.setdefault(claim.key, Seat(claim))
        seat.claim = claim
        self._divide()
        return seat

    def leave(self, job_id: int, part: int | None = None) -> None:
        """Gives places back.

        Args:
            part: of the job; None: all that it has.
        """
        if part is None:
            self._priorities.pop(job_id, None)
        gone = [key for key in self._seats if key[0] == job_id and part in (None, key[1])]
        for key in gone:
            del self._seats[key]
        if gone:
            self._divide()

    def set_priority(self, job_id: int, priority: int) -> None:
        """Another priority takes effect at once."""
        for key, seat in self._seats.items():
            if key[0] == job_id:
                self._priorities[job_id] = priority
                seat.claim = seat.claim._replace(priority=priority)
        self._divide()

    def streams_of(self, job_id: int) -> int:
        """How many streams all parts of a job have together."""
        return sum(seat.share.streams for key, seat in self._seats.items() if key[0] == job_id)

    def limit_of(self, resource: str) -> int | None:
        """How many streams a resource allows in all; None: as many as wanted."""
        return self._limits.get(resource)

    def rivals(self, job_id: int, resource: str = "") -> list[int]:
        """Other jobs that have streams of the same resources, or of one of them."""
        mine: frozenset[str] = frozenset().union(
            *(seat.claim.resources for key, seat in self._seats.items() if key[0] == job_id)
        )
        wanted = {resource} if resource else mine
        return sorted(
            {
                other
                for (other, _), seat in self._seats.items()
                if other != job_id and seat.share.streams and seat.claim.resources & wanted
            }
        )

    def _divide(self) -> None:
        shares = share_streams([seat.claim for seat in self._seats.values()], self._limits)
        changed = [seat for key, seat in self._seats.items() if seat.share != shares[key]]
        for seat in changed:
            seat.share = shares[seat.claim.key]
            seat.woken.set()
        for seat in changed:
            if seat.changed is not None:
                seat.changed(seat.share)
