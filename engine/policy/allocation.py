"""Which backup job a free stream takes next, and over which MediaAgent.

Scalable: streams pull from a queue that is refilled in batches. Work of the same priority goes oldest
first, with one exception that keeps streams from idling at the end: what is so large that it would
be left over alone when the rest is done begins at once. Where several MediaAgents or libraries are
free, the one with the most work waiting for it is served first.

Not scalable: a fixed map of streams, made once at the start.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

LARGE_SHARE = 0.5  # of the time left: an order that takes a stream for so long begins at once


class QueuedOrder(NamedTuple):
    """A backup job that waits for a stream."""

    key: tuple[int, int]
    """Backup job and source copy."""
    size_bytes: int
    priority: int
    """0 (first) to 9 (last)."""
    media_agents: frozenset[str]
    """Those that reach the source and every destination."""
    libraries: frozenset[str]
    """Destinations: each needs a writer for as long as the order runs."""
    source_library: str = ""
    """Takes a reader where readers are limited; empty: a landing directory."""
    subclient: str = ""
    """`client/subclient`, for its windows."""


class Assignment(NamedTuple):
    """What a free stream does now."""

    order: QueuedOrder
    media_agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Free:
    """What is not in use at this moment, and what must not be used."""

    streams: Mapping[str, int]
    """Free streams of each MediaAgent."""
    writers: Mapping[str, int]
    """Free writers of each library; one that is not named is not limited."""
    readers: Mapping[str, int] = field(default_factory=dict)
    """Free readers of each limited source library."""
    closed_agents: Collection[str] = frozenset()
    """MediaAgents in an operation window, or offline."""
    closed_subclients: Collection[str] = frozenset()
    """Subclients in an operation window."""
    closed_libraries: Collection[str] = frozenset()
    """Offline or full."""
    libraries: frozenset[str] | None = None
    """Only orders for exactly these destinations; None: any."""


@dataclass(frozen=True, slots=True)
class _Lane:
    """Waiting orders that need the same resources at the same priority: any may stand for any."""

    in_order: dict[tuple[int, int], QueuedOrder] = field(default_factory=dict)
    """Oldest first, as they came."""
    by_size: list[QueuedOrder] = field(default_factory=list)
    """Smallest first, the older of equals later; may still hold what was taken."""


_LaneKey = tuple[int, frozenset[str], frozenset[str], str]


class WorkQueue:
    """The queue that streams pull from: refilled in batches, emptied by priority, age and size.

    Args:
        streams: streams of each MediaAgent when nothing runs.
        writers: writers of each library when nothing runs.
    """

    def __init__(self, *, streams: Mapping[str, int], writers: Mapping[str, int]) -> None:
        self._streams = dict(streams)
        self._writers = dict(writers)
        self._lanes: dict[_LaneKey, _Lane] = {}
        self._bytes: dict[_LaneKey, int] = {}
        self._place: dict[tuple[int, int], int] = {}
        self._offers = 0
        self._pool: dict[tuple[int, int], QueuedOrder] = {}
        self._pool_by_size: list[QueuedOrder] = []
        self._pool_lanes: dict[_LaneKey, dict[tuple[int, int], None]] = {}

    def __len__(self) -> int:
        """Orders that wait."""
        return sum(len(lane.in_order) for lane in self._lanes.values())

    @property
    def waiting_bytes(self) -> int:
        """Bytes of all orders that are not taken yet, in the queue or only offered."""
        return sum(self._bytes.values())

    @property
    def offered(self) -> int:
        """Orders that a refill can add."""
        return len(self._pool)

    def offer(self, orders: Iterable[QueuedOrder]) -> int:
        """Takes note of the orders of a plan, best first; those it knows already are passed over.

        Returns:
            How many are new.
        """
        before = self._offers
        for order in orders:
            if order.key in self._place:
                continue
            self._place[order.key] = self._offers
            self._offers += 1
            self._pool[order.key] = order
            lane = _lane_of(order)
            self._pool_lanes.setdefault(lane, {})[order.key] = None
            self._bytes[lane] = self._bytes.get(lane, 0) + order.size_bytes
        self._pool_by_size = sorted(self._pool.values(), key=self._rank)
        return self._offers - before

    def waiting(self) -> Iterator[QueuedOrder]:
        """The orders that wait in the queue; not those that a refill would add."""
        for lane in self._lanes.values():
            yield from lane.in_order.values()

    def left(self) -> Iterator[QueuedOrder]:
        """Every order that is not taken yet, in the queue or only offered."""
        yield from self.waiting()
        yield from self._pool.values()

    def routes(self) -> set[tuple[frozenset[str], frozenset[str]]]:
        """The MediaAgents and libraries of the orders that are not taken yet."""
        return {(key[1], key[2]) for key in (*self._lanes, *self._pool_lanes)}

    def offers(self, free: Free) -> bool:
        """True when a refill would bring an order for what is free."""
        return any(self._fits(key, free) for key in self._pool_lanes)

    def needs_refill(self, jobs_to_process: int) -> bool:
        """True when fewer than half of a batch wait, so that no stream ever waits for the refill."""
        return bool(self._pool) and len(self) < max(1, jobs_to_process // 2)

    def refill(self, jobs_to_process: int) -> int:
        """Adds what was offered, up to a batch: large ones, some for every stream, then the oldest.

        Returns:
            How many were added.
        """
        room = min(jobs_to_process - len(self), len(self._pool))
        before = len(self._pool)
        self._add_large(room)
        # No lane may run dry while others fill the batch: its MediaAgents would idle.
        spare = min(2 * sum(self._streams.values()), max(1, room // max(1, len(self._pool_lanes))))
        for lane in list(self._pool_lanes):
            waiting = len(self._lanes[lane].in_order) if lane in self._lanes else 0
            left = room - (before - len(self._pool))
            for key in list(islice(self._pool_lanes[lane], max(0, min(spare - waiting, left)))):
                self._add(key)
        for key in list(islice(self._pool, max(0, room - (before - len(self._pool))))):
            self._add(key)
        for filled in self._lanes.values():
            filled.by_size[:] = sorted(filled.in_order.values(), key=self._rank)
        return before - len(self._pool)

    def _add_large(self, room: int) -> None:
        """Adds what would take a stream for a large part of the time that everything takes."""
        large = LARGE_SHARE * self.waiting_bytes / max(1, sum(self._streams.values()))
        while self._pool_by_size and room > 0:
            largest = self._pool_by_size[-1]
            if largest.key in self._pool:
                if largest.size_bytes < large:
                    return
                self._add(largest.key)
                room -= 1
            self._pool_by_size.pop()

    def _add(self, key: tuple[int, int]) -> None:
        order = self._pool.pop(key)
        lane_key = _lane_of(order)
        waiting = self._pool_lanes[lane_key]
        del waiting[key]
        if not waiting:
            del self._pool_lanes[lane_key]
        lane = self._lanes.setdefault(lane_key, _Lane())
        lane.in_order[key] = order

    def forget(self, key: tuple[int, int]) -> None:
        """Lets an order that failed be offered again."""
        self._place.pop(key, None)

    def take(self, free: Free) -> Assignment | None:
        """The next order for a free stream, and the MediaAgent that runs it; None when nothing fits."""
        fitting = [key for key in self._lanes if self._fits(key, free)]
        for priority in sorted({key[0] for key in fitting}):
            lanes = [key for key in fitting if key[0] == priority]
            chosen = self._choose(lanes, free)
            if chosen is not None:
                key, order = chosen
                agent = self._agent(key, free)
                self._remove(key, order)
                return Assignment(order, agent)
        return None

    def _fits(self, key: _LaneKey, free: Free) -> bool:
        _, agents, libraries, source = key
        return (
            (free.libraries is None or free.libraries == libraries)
            and any(free.streams.get(a, 0) > 0 and a not in free.closed_agents for a in agents)
            and all(free.writers.get(name, 1) > 0 for name in libraries)
            and not any(name in free.closed_libraries for name in libraries)
            and source not in free.closed_libraries
            and free.readers.get(source, 1) > 0
        )

    def _pressures(self, key: _LaneKey) -> tuple[float, ...]:
        """Bytes that wait per stream or writer of each thing that a lane needs, the scarcest first."""
        _, agents, libraries, _ = key
        # Only work that can run nowhere else counts against a set of MediaAgents.
        bound = sum(size for other, size in self._bytes.items() if other[1] <= agents)
        pressures = [bound / max(1, sum(self._streams.get(agent, 0) for agent in agents))]
        for library in libraries:
            if library in self._writers:
                size = sum(size for other, size in self._bytes.items() if library in other[2])
                pressures.append(size / max(1, self._writers[library]))
        return tuple(sorted(pressures, reverse=True))

    def _rank(self, order: QueuedOrder) -> tuple[int, int]:
        """Larger ones last, and among equals those that came first."""
        return order.size_bytes, -self._place.get(order.key, self._offers)

    def _choose(self, lanes: Sequence[_LaneKey], free: Free) -> tuple[_LaneKey, QueuedOrder] | None:
        """What would be left over alone at the end, else the oldest where most work waits."""
        closed = free.closed_subclients
        largest = [
            (order, key) for key in lanes if (order := self._largest(self._lanes[key], closed))
        ]
        if not largest:
            return None
        pressures = {key: self._pressures(key) for _, key in largest}
        order, key = max(largest, key=lambda pair: self._rank(pair[0]))
        if order.size_bytes >= LARGE_SHARE * max(pressures.values())[0]:
            return key, order
        # Among lanes that need the same scarce thing, the one that needs other things besides.
        key = max(pressures, key=lambda lane: pressures[lane])
        lane = self._lanes[key]
        return key, next(o for o in lane.in_order.values() if o.subclient not in closed)

    def _largest(self, lane: _Lane, closed: Collection[str]) -> QueuedOrder | None:
        while lane.by_size and lane.by_size[-1].key not in lane.in_order:
            lane.by_size.pop()
        for order in reversed(lane.by_size):
            if order.key in lane.in_order and order.subclient not in closed:
                return order
        return None

    def _remove(self, key: _LaneKey, order: QueuedOrder) -> None:
        lane = self._lanes[key]
        del lane.in_order[order.key]
        self._bytes[key] -= order.size_bytes
        if not lane.in_order:
            del self._lanes[key]
        if key not in self._lanes and key not in self._pool_lanes:
            del self._bytes[key]

    def _agent(self, key: _LaneKey, free: Free) -> str:
        """The MediaAgent that others need least; among equals the one with most streams free."""

        def claim(agent: str) -> tuple[float, int, str]:
            only_here = sum(
                size
                for other, size in self._bytes.items()
                if agent in other[1] and other[1] < key[1]
            )
            streams = self._streams.get(agent, 0)
            return only_here / max(1, streams), -free.streams[agent], agent

        usable = (a for a in key[1] if free.streams.get(a, 0) > 0 and a not in free.closed_agents)
        return min(usable, key=claim)


def _lane_of(order: QueuedOrder) -> _LaneKey:
    return order.priority, order.media_agents, order.libraries, order.source_library


def static_map(orders: Sequence[QueuedOrder], streams: int) -> list[list[QueuedOrder]]:
    """The fixed map of the non-scalable mode: each order, in turn, to the stream with the least bytes.

    Args:
        orders: the fixed list of the run, in order.
        streams: 1 or more.
    """
    mapped: list[list[QueuedOrder]] = [[] for _ in range(streams)]
    loads = [0] * streams
    for order in orders:
        least = min(range(streams), key=lambda number: (loads[number], len(mapped[number]), number))
        mapped[least].append(order)
        loads[least] += order.size_bytes
    return mapped
