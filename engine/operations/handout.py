"""Which backup job a lane copies next: pulled from a queue, or from a list that was made at the start."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

from engine.operations.routing import MOST_STREAMS, Lane, Routes, idle_streams
from engine.policy.allocation import Free, QueuedOrder, WorkQueue, static_map
from engine.policy.streams import StreamNumber


class HandOut(Protocol):
    """Keeps the orders that wait."""

    def offer(self, orders: Sequence[QueuedOrder]) -> None:
        """Takes note of orders, best first."""
        ...

    def lanes(self, closed_agents: Collection[str]) -> list[Lane]:
        """The lanes that have work and whose MediaAgent may be used."""
        ...

    def wanted(self, lane: Lane) -> int:
        """As many streams as a lane can use."""
        ...

    def take(self, lane: Lane, closed_agents: Collection[str]) -> QueuedOrder | None:
        """The next order of a lane; None when it has none."""
        ...

    def give_back(self, order: QueuedOrder, lane: Lane) -> None:
        """An order that a lane took and did not do."""
        ...

    def soon(self) -> Iterator[QueuedOrder]:
        """The orders that are taken next, in no order: a batch."""
        ...

    def left(self) -> Iterator[QueuedOrder]:
        """Every order that is not taken."""
        ...


class ScalableWork:
    """Lanes pull from one queue that is refilled in batches; orders may join at any time.

    Args:
        routes: of the run.
        jobs_to_process: backup jobs of a batch.
    """

    def __init__(self, routes: Routes, jobs_to_process: int) -> None:
        self._routes = routes
        self._queue = WorkQueue(streams=routes.streams, writers=routes.writers)
        self._batch = jobs_to_process
        self._lanes: dict[tuple[str, frozenset[str]], Lane] = {}

    def offer(self, orders: Sequence[QueuedOrder]) -> None:
        """See `HandOut`."""
        self._queue.offer(orders)

    def lanes(self, closed_agents: Collection[str]) -> list[Lane]:
        """See `HandOut`."""
        found = [
            self._lane(agent, libraries)
            for agents, libraries in self._queue.routes()
            for agent in self._routes.agents(sorted(libraries))  # the default one gets part 0
            if agent in agents and agent not in closed_agents
        ]
        return sorted(set(found), key=lambda lane: lane.part)

    def _lane(self, agent: str, libraries: frozenset[str]) -> Lane:
        known = self._lanes
        return known.setdefault((agent, libraries), Lane(agent, libraries, len(known)))

    def wanted(self, lane: Lane) -> int:
        """See `HandOut`."""
        return MOST_STREAMS

    def take(self, lane: Lane, closed_agents: Collection[str]) -> QueuedOrder | None:
        """See `HandOut`."""
        if lane.media_agent in closed_agents:
            return None
        queue = self._queue
        free = Free(streams={lane.media_agent: 1}, writers={}, libraries=lane.libraries)
        if queue.needs_refill(self._batch):
            queue.refill(self._batch)
        taken = queue.take(free)
        while taken is None and queue.offers(free):  # the batch is full of work for other lanes
            queue.refill(len(queue) + self._batch)
            taken = queue.take(free)
        return None if taken is None else taken.order

    def give_back(self, order: QueuedOrder, lane: Lane) -> None:
        """See `HandOut`."""
        self._queue.forget(order.key)
        self._queue.offer([order])

    def soon(self) -> Iterator[QueuedOrder]:
        """See `HandOut`."""
        return self._queue.waiting()

    def left(self) -> Iterator[QueuedOrder]:
        """See `HandOut`."""
        return self._queue.left()


class StaticWork:
    """A list for every stream, made at the start; each is a lane of one stream.

    Args:
        routes: of the run.
        of_work: as many streams as the run can use.
    """

    def __init__(self, routes: Routes, of_work: StreamNumber) -> None:
        self._routes = routes
        self._of_work = of_work
        self._lists: dict[Lane, deque[QueuedOrder]] = {}

    def offer(self, orders: Sequence[QueuedOrder]) -> None:
        """See `HandOut`; once."""
        by_agent: dict[str, list[QueuedOrder]] = {}
        for order in orders:
            by_agent.setdefault(self._agent_of(order), []).append(order)
        for agent, mine in by_agent.items():
            libraries = frozenset().union(*(order.libraries for order in mine))
            streams = idle_streams(self._routes, [Lane(agent, libraries, 0)], self._of_work).streams
            for part in static_map(mine, max(1, streams)):
                if part:
                    self._lists[Lane(agent, libraries, len(self._lists))] = deque(part)

    def _agent_of(self, order: QueuedOrder) -> str:
        """The MediaAgent of the default data path, else the next one."""
        paths = self._routes.agents(sorted(order.libraries))
        return next(agent for agent in paths if agent in order.media_agents)

    def lanes(self, closed_agents: Collection[str]) -> list[Lane]:
        """See `HandOut`."""
        return [
            lane
            for lane, orders in self._lists.items()
            if orders and lane.media_agent not in closed_agents
        ]

    def wanted(self, lane: Lane) -> int:
        """See `HandOut`."""
        return 1

    def take(self, lane: Lane, closed_agents: Collection[str]) -> QueuedOrder | None:
        """See `HandOut`."""
        orders = self._lists[lane]
        return orders.popleft() if orders and lane.media_agent not in closed_agents else None

    def give_back(self, order: QueuedOrder, lane: Lane) -> None:
        """See `HandOut`; a list keeps what is its own."""
        self._lists[lane].appendleft(order)

    def soon(self) -> Iterator[QueuedOrder]:
        """See `HandOut`."""
        return self.left()

    def left(self) -> Iterator[QueuedOrder]:
        """See `HandOut`."""
        for orders in self._lists.values():
            yield from orders
