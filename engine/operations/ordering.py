"""The orders of one run: what is next for a lane, to which copies, and what becomes of those cut short."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import aiofiles.os
from sqlmodel import Session

from engine.catalog import ledger
from engine.catalog.values import BackupJobValue, SubclientValue
from engine.library.interface import Place
from engine.model.errors import AuxError, DestinationFull, LibraryOffline, UsageError
from engine.model.states import LAST_FAILED, JobCopyState
from engine.operations.arrivals import Proof, proof_of
from engine.operations.context import JobContext
from engine.operations.gates import Closed, Gates
from engine.operations.handout import HandOut
from engine.operations.orderends import OrderEnds
from engine.operations.planning import Scope
from engine.operations.probing import Reached
from engine.operations.room import Pair, Room
from engine.operations.routing import Lane, Routes
from engine.policy.allocation import QueuedOrder
from engine.policy.plan import PlannedOrder
from engine.transfer.cancel import CancelToken
from engine.transfer.orders import OrderDestination, TransferOrder
from engine.transfer.throttle import Throttle

Key = tuple[int, int]
"""Of an order: its backup job and the first of its copies."""


@dataclass(slots=True)
class Flight:
    """An order that a lane is at."""

    queued: QueuedOrder
    planned: PlannedOrder
    lane: Lane
    subclient: SubclientValue
    token: CancelToken = field(default_factory=CancelToken)
    left: set[Pair] = field(default_factory=set)
    """Pairs that have no outcome yet."""
    cut: list[int] = field(default_factory=list)
    """Copies that were cut short, to be gone on with."""


class OrderQueue:
    """Hands out one backup job at a time, to every copy that still needs it and can take it.

    Args:
        context: of the job.
        scope: configuration of the policy.
        routes: MediaAgents and what they reach.
        work: which order is next.
        reached: libraries by id, through each of their data paths.
        throttles: limits of copies.
        refuse: told of pairs that cannot be tried now.
        found: told of pairs that are on the media already.
    """

    def __init__(
        self,
        *,
        context: JobContext,
        scope: Scope,
        routes: Routes,
        work: HandOut,
        reached: Mapping[int, Reached],
        throttles: dict[int, Throttle],
        refuse: Callable[[Pair, AuxError], None],
        found: Callable[[Pair, int, Proof], Awaitable[None]],
    ) -> None:
        self.context = context
        self.scope = scope
        self.routes = routes
        self.version = 0
        """Changes whenever a lane that had nothing to do may have something."""
        self._work = work
        self._ends = OrderEnds(context, scope, reached, throttles)
        self._refuse = refuse
        self._found = found
        self._gates = Gates((), ())
        self._closed_agents: dict[str, Closed] = {}
        self._has_looked = False
        self._dropped: dict[int, AuxError] = {}
        self._offline_sources: set[int] = set()
        self._known: set[Pair] = set()
        self._planned: dict[Key, PlannedOrder] = {}
        self._aside: dict[Key, tuple[Flight, Closed]] = {}
        """Orders of subclients that must not be copied now."""
        self._flights: dict[Pair, Flight] = {}
        self._paused: set[Lane] = set()
        self._source_copy: dict[Pair, int] = {}
        self._jobs: dict[int, BackupJobValue] = {}
        self._room = Room(scope, self._ends.libraries, self._promised)
        self._taking = asyncio.Lock()
        for copy in scope.copies.values():
            one = None if copy.library_id is None else reached.get(copy.library_id)
            if one is not None and isinstance(one.best, LibraryOffline):
                self._dropped[copy.id] = one.best
                self._offline_sources.add(copy.id)

    async def offer(self, orders: Sequence[PlannedOrder]) -> bool:
        """Takes the orders of a plan, best first; True when there is one that it did not know.

        Job copies that are on the media already are told to the ledger, and are no orders.
        """
        copies = self.scope.copies  # one that was added since is for another run
        pairs = ((c, o.backup_job_id) for o in orders for c in o.copy_ids if c in copies)
        fresh = set(pairs) - self._known
        if not fresh:
            return False
        self._known |= fresh
        copy_ids = sorted({copy_id for copy_id, _ in fresh})
        source_ids = sorted({order.source_copy_id for order in orders})
        await self.context.store.read(lambda s: self._ends.look(s, copy_ids, source_ids))
        fresh -= await self._catch_up(fresh)
        queued: list[QueuedOrder] = []
        for order in orders:
            wanted = tuple(c for c in order.copy_ids if (c, order.backup_job_id) in fresh)
            if wanted:
                queued += self._queued(order._replace(copy_ids=wanted))
        self._work.offer(queued)
        self.version += 1
        return bool(queued)

    def lanes(self) -> list[Lane]:
        """The lanes that have work."""
        return self._work.lanes(self._closed_agents)

    def amount(self) -> tuple[int, int]:
        """Backup jobs, and their bytes, that wait or are under way."""
        sizes = [order.size_bytes for order in self._work.left()]
        sizes += [flight.queued.size_bytes for flight in self._flying()]
        return len(sizes), sum(sizes)

    async def look(self) -> None:
        """Looks at windows and activity: stops what must not run, lets run what may again."""
        now = self.context.clock()
        self._gates = await self.context.store.read(lambda s: Gates.load(s, now))
        closed: dict[str, Closed] = {}
        for agent in self.routes.streams:
            why = self._gates.closed_agent(agent, now)
            if why and (why.stops_running or not self._has_looked or agent in self._closed_agents):
                closed[agent] = why
        if closed.keys() != self._closed_agents.keys():
            self.version += 1
        self._closed_agents, self._has_looked = closed, True
        for flight in self._flying():
            stop = closed.get(flight.lane.media_agent) or self._closed(flight.subclient)
            if stop is not None and stop.stops_running:
                flight.token.cancel(stop.reason)
        for key, (flight, _) in list(self._aside.items()):
            if self._closed(flight.subclient) is None:
                del self._aside[key]
                self._give_back(flight.queued, flight.lane)

    @property
    def gates(self) -> Gates:
        """Windows and activity as they were when they were last looked at."""
        return self._gates

    def held(self) -> list[Closed]:
        """Why backup jobs were not taken, though nothing is wrong with them."""
        held = [closed for _, closed in self._aside.values()]
        for order in self._work.left():
            closed = (self._closed_agents.get(agent) for agent in sorted(order.media_agents))
            held += [next((one for one in closed if one), Closed("no stream for it", None))]
        return held

    def pause(self, lane: Lane, reason: str) -> None:
        """A lane stops at the next piece; its orders wait."""
        self._paused.add(lane)
        for flight in self._flying():
            if flight.lane == lane:
                flight.token.cancel(reason)

    def is_paused(self, lane: Lane) -> bool:
        """True when a lane was told to wait."""
        return lane in self._paused

    def resume(self, lane: Lane) -> None:
        """A lane may take orders again."""
        self._paused.discard(lane)

    async def next_order(self, lane: Lane) -> TransferOrder | None:
        """The next backup job for a lane, with at least one copy to write; None: there is none."""
        while not self.context.is_stopping and lane not in self._paused:
            async with self._taking:
                queued = self._work.take(lane, self._closed_agents)
                if queued is None:
                    return None
                job = await self._job(queued.key[0])
            planned = self._planned[queued.key]
            flight = Flight(queued, planned, lane, self._ends.subclient_of(job))
            closed = self._closed(flight.subclient)
            if closed is not None:
                self._aside[queued.key] = flight, closed
                continue
            destinations = await self._destinations(flight, job)
            if destinations:
                return self._ends.order(
                    planned, job, destinations, media_agent=lane.media_agent, cancel=flight.token
                )
        return None

    def ended(self, pair: Pair, *, is_cut: bool) -> None:
        """A pair has its outcome; its room on the destination is accounted by the disk again.

        Args:
            is_cut: it was stopped on its way, and is gone on with as soon as that is possible.
        """
        flight = self._flights.pop(pair)
        flight.left.discard(pair)
        if is_cut:
            flight.cut.append(pair[0])
        if flight.left or not flight.cut or self.context.is_stopping:
            return
        for queued in self._queued(flight.planned._replace(copy_ids=tuple(sorted(flight.cut)))):
            self._give_back(queued, flight.lane)

    def drop_out(self, copy_id: int, error: AuxError) -> None:
        """Nothing more is handed to this copy in this attempt."""
        self._dropped.setdefault(copy_id, error)

    def source_copy_of(self, pair: Pair) -> int:
        """The copy that a pair is read from."""
        return self._source_copy[pair]

    def source_offline(self, pair: Pair) -> bool:
        """True when it is the source of a pair that is offline, not its destination."""
        return self._source_copy.get(pair) in self._offline_sources

    async def catch_up(self, pair: Pair) -> None:
        """Tells the ledger of a job copy that is on the media already, made durable and read whole."""
        copy, job = self.scope.copies[pair[0]], await self._job(pair[1])
        library = self._ends.libraries[self.scope.library_id(copy.id)]
        place = Place(self.scope.policy.name, copy.name)
        source = self._ends.source(copy.source_copy_id or self.scope.primary.id, job)
        try:
            proof = await aiofiles.os.wrap(proof_of)(library, place, source, self.scope.commcell_id)
        except AuxError as err:
            self._refuse(pair, err)
            await self.context.store.write(partial(_note_why, pair=pair, error=err))
            return
        await self._found(pair, job.size_bytes, proof)

    async def _catch_up(self, pairs: set[Pair]) -> set[Pair]:
        """Job copies that are on the media, published before a crash, are told to the ledger."""
        there: set[Pair] = set()
        for copy_id in sorted({copy_id for copy_id, _ in pairs} - set(self._dropped)):
            library = self._ends.libraries[self.scope.library_id(copy_id)]
            place = Place(self.scope.policy.name, self.scope.copies[copy_id].name)
            try:
                present = set(await aiofiles.os.wrap(library.published)(place))
            except AuxError as err:
                self.drop_out(copy_id, err)
                continue
            mine = {pair for pair in pairs if pair[0] == copy_id and pair[1] in present}
            there |= mine - self._ends.replacing
        await self._load(job_id for _, job_id in there)
        for pair in sorted(there):
            await self.catch_up(pair)
        return there

    def _queued(self, order: PlannedOrder) -> Iterator[QueuedOrder]:
        """An order for each group of copies that one MediaAgent can write in one go."""
        for narrowed in self._by_reading(order):
            yield from self._routed(narrowed)

    def _by_reading(self, order: PlannedOrder) -> Iterator[PlannedOrder]:
        """What is encoded is read once as it is, for copies like it, and once decoded for others."""
        encoding = self._ends.encoding_of(order.source_copy_id, order.backup_job_id)
        if encoding.is_plain:
            yield order
            return
        alike = [c for c in order.copy_ids if self.scope.copies[c].encoding == encoding]
        others = [c for c in order.copy_ids if c not in alike]
        for copies in (alike, others):
            if copies:
                yield order._replace(copy_ids=tuple(copies))

    def _routed(self, order: PlannedOrder) -> Iterator[QueuedOrder]:
        source = self.scope.library_of(order.source_copy_id)
        libraries = self.scope.libraries
        groups = self.routes.split(
            source.name if source else "",
            [(copy, libraries[self.scope.library_id(copy)].name) for copy in order.copy_ids],
            closed=self._closed_agents,
        )
        for copies, names, agents in groups:
            key = (order.backup_job_id, copies[0])
            if not agents:
                self._refuse_unreachable(order, copies, source.name if source else "", names)
                continue
            self._planned[key] = order._replace(copy_ids=copies)
            yield QueuedOrder(
                key,
                order.size_bytes,
                order.priority,
                frozenset(agents),
                names,
                source.name if source else "",
            )

    def _refuse_unreachable(
        self, order: PlannedOrder, copies: tuple[int, ...], source: str, names: frozenset[str]
    ) -> None:
        lost = {
            library: reason
            for (library, agent), reason in self.routes.offline.items()
            if agent in self.routes.streams and library in {source, *names}
        }
        who = " or ".join(sorted(self.routes.streams))
        what = " and ".join(dict.fromkeys([*([source] if source else []), *sorted(names)]))
        for copy_id in copies:
            self._refuse(
                (copy_id, order.backup_job_id),
                LibraryOffline(
                    f"the data path of MediaAgent {who} to {what} is offline: {'; '.join(lost.values())}",
                    hint="mount or connect it, or run without a source MediaAgent",
                )
                if lost
                else UsageError(
                    f"MediaAgent {who} does not reach {what}",
                    hint="name it in media_agents of these libraries in the site file",
                ),
            )

    def _give_back(self, queued: QueuedOrder, lane: Lane) -> None:
        self._work.give_back(queued, lane)
        self.version += 1

    def _flying(self) -> list[Flight]:
        return list({id(flight): flight for flight in self._flights.values()}.values())

    def _promised(self) -> dict[Pair, int]:
        return {pair: flight.queued.size_bytes for pair, flight in self._flights.items()}

    def _closed(self, subclient: SubclientValue) -> Closed | None:
        return self._gates.closed(subclient.client, subclient.name, self.context.clock())

    async def _job(self, backup_job_id: int) -> BackupJobValue:
        """A backup job; read with the rest of its batch."""
        if backup_job_id not in self._jobs:
            await self._load([backup_job_id, *(order.key[0] for order in self._work.soon())])
        return self._jobs[backup_job_id]

    async def _load(self, ids: Iterator[int] | Sequence[int]) -> None:
        missing = set(ids) - self._jobs.keys()
        if missing:
            found = await self.context.store.read(lambda s: ledger.backup_jobs(s, missing))
            self._jobs.update(found)

    async def _destinations(self, flight: Flight, job: BackupJobValue) -> list[OrderDestination]:
        """The copies that can take a backup job; its room is promised before it is looked for."""
        source_copy_id, destinations = flight.planned.source_copy_id, []
        for copy_id in flight.planned.copy_ids:
            pair = (copy_id, job.id)
            flight.left.add(pair)
            self._flights[pair] = flight
            self._source_copy[pair] = source_copy_id
            error = self._dropped.get(copy_id) or await self._room.refusal(pair, job.size_bytes)
            if error is None:
                agent = flight.lane.media_agent
                destinations.append(self._ends.destination(flight.planned, copy_id, job, agent))
                continue
            del self._flights[pair]
            flight.left.discard(pair)
            if not isinstance(error, DestinationFull):  # what is smaller may have room
                self._dropped.setdefault(copy_id, error)
            self._refuse(pair, error)
        return destinations


def _note_why(session: Session, *, pair: Pair, error: AuxError) -> None:
    """What lies in the place of a job copy keeps it away at every run: the ledger says so."""
    line = ledger.job_copy(session, *pair)
    if line is not None and line.state in (
        JobCopyState.TO_BE_COPIED,
        JobCopyState.PARTIALLY_COPIED,
    ):
        reason = f"{LAST_FAILED}{error.message}"
        ledger.set_state(session, *pair, line.state, reason, error.hint)
