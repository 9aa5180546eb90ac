"""Is there room for a backup job on a copy? Asked before it is begun, so that nothing fails in the middle."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import aiofiles.os

from engine.library.interface import Library, Place, Probe
from engine.library.space import keep_free_bytes
from engine.model.errors import AuxError, DestinationFull, LibraryOffline
from engine.operations.planning import Scope
from engine.policy.durations import format_size

Pair = tuple[int, int]
"""A copy id and a backup job id."""


_LOOK_S = 5.0


@dataclass(slots=True)
class _Look:
    """One look at a library."""

    probe: Probe
    at_s: float
    admitted_bytes: int
    """Promised when it was taken, and admitted since."""


class Room:
    """The free space of the libraries of one run, what is promised already left out.

    Args:
        scope: of the run.
        libraries: that can be used, by id.
        in_flight: bytes that are promised to pairs and not settled yet.
    """

    def __init__(
        self,
        scope: Scope,
        libraries: Mapping[int, Library],
        in_flight: Callable[[], Mapping[Pair, int]],
    ) -> None:
        self._scope = scope
        self._libraries = libraries
        self._in_flight = in_flight
        self._looks: dict[int, _Look] = {}
        """Of libraries on a line, by id: one look is for all orders of the next moments."""

    async def refusal(self, pair: Pair, size_bytes: int) -> AuxError | None:
        """Why a backup job cannot be begun on a copy: too little space, or gone; None: it can."""
        library_id = self._scope.library_id(pair[0])
        library = self._libraries[library_id]
        if self._takes_none(pair):
            size_bytes = 0
        if self._fits_by_the_last_look(library_id, size_bytes):
            return None
        try:
            probe = await aiofiles.os.wrap(library.probe)()
        except LibraryOffline as err:
            return err
        if probe.line is not None:
            self._looks[library_id] = _Look(probe, time.monotonic(), self._promised(library_id))
        if probe.free_bytes is None or probe.total_bytes is None:
            return None
        promised_to = {
            other: promised
            for other, promised in self._in_flight().items()
            if other != pair
            and self._scope.copies[other[0]].library_id == library_id
            and not self._takes_none(other)
        }
        keep = keep_free_bytes(probe.total_bytes)
        if probe.free_bytes - keep >= size_bytes + sum(promised_to.values()):
            return None
        try:
            needs = await self._left(pair, size_bytes)
            promised = sum([await self._left(*each) for each in promised_to.items()])
        except LibraryOffline as err:
            return err
        if probe.free_bytes - keep >= needs + promised:
            return None
        return DestinationFull(
            f"library {library.name} has no room for backup job {pair[1]}: "
            f"needs {format_size(needs)}, "
            f"{format_size(max(0, probe.free_bytes - keep - promised))} to use of "
            f"{format_size(probe.free_bytes)} free ({format_size(keep)} stay free)",
            hint="make room or extend the library; the run continues where it stopped",
        )

    def _takes_none(self, pair: Pair) -> bool:
        """True where blocks are to be shared; if they cannot be, the disk itself says that it is full."""
        return self._scope.copies[pair[0]].reflink

    def _fits_by_the_last_look(self, library_id: int, size_bytes: int) -> bool:
        """True where a look at a distant library says so that was just taken.

        All that was admitted since counts as written besides what was under way then.
        """
        look = self._looks.get(library_id)
        if look is None or time.monotonic() - look.at_s > _LOOK_S:
            return False
        look.admitted_bytes += size_bytes
        free, total = look.probe.free_bytes, look.probe.total_bytes
        if free is None or total is None:
            return True
        return free - keep_free_bytes(total) >= look.admitted_bytes

    def _promised(self, library_id: int) -> int:
        return sum(
            promised
            for pair, promised in self._in_flight().items()
            if self._scope.library_id(pair[0]) == library_id
        )

    async def _left(self, pair: Pair, size_bytes: int) -> int:
        """Bytes that a backup job still needs; what is there is left out."""
        copy = self._scope.copies[pair[0]]
        library = self._libraries[self._scope.library_id(pair[0])]
        place = Place(self._scope.policy.name, copy.name)
        occupied = await aiofiles.os.wrap(library.occupied_bytes)(place, pair[1])
        return max(0, size_bytes - occupied)
