"""The queue of transfer orders of one run: what is next, to which copies, and is there room for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import aiofiles.os

from engine.catalog import config, ledger
from engine.catalog.values import BackupJobValue, SubclientValue
from engine.library.interface import JobWriter, Library, Place
from engine.library.space import keep_free_bytes
from engine.model.errors import (
    AuxError,
    DestinationExists,
    DestinationFull,
    LibraryOffline,
    SourceCorrupt,
)
from engine.operations.context import JobContext
from engine.operations.gates import Closed, Gates
from engine.operations.planning import Scope
from engine.operations.sources import Source
from engine.policy.durations import format_size
from engine.policy.plan import Plan, PlannedOrder
from engine.policy.values import PlanLine, Verdict
from engine.transfer.orders import OrderDestination, TransferOrder
from engine.transfer.throttle import Throttle

Pair = tuple[int, int]


class OrderQueue:
    """Hands out one backup job at a time, to every copy that still needs it and can take it."""

    def __init__(
        self,
        *,
        context: JobContext,
        scope: Scope,
        plan: Plan,
        libraries: dict[int, Library],
        throttles: dict[int, Throttle],
        wanted: Callable[[PlanLine], bool],
        refuse: Callable[[Pair, AuxError], None],
        found: Callable[[Pair, int, bytes, int], Awaitable[None]],
    ) -> None:
        self.context = context
        self.scope = scope
        self.libraries = libraries
        self.throttles = throttles
        self._refuse = refuse
        self.held: list[Closed] = []
        """Why backup jobs were not taken now, though nothing is wrong with them."""
        self._gates = Gates((), ())
        self._found = found
        wanted_pairs = {
            (line.copy_id, line.backup_job_id)
            for line in plan.lines
            if line.verdict is Verdict.TAKEN and wanted(line)
        }
        self._orders: deque[PlannedOrder] = deque()
        self._pairs = wanted_pairs
        self._plan = plan
        self._dropped: dict[int, AuxError] = {}
        self._offline_sources: set[int] = set()
        self._source_copy: dict[Pair, int] = {}
        self._in_flight: dict[Pair, int] = {}
        """Bytes that are promised to a copy and not yet settled."""
        self._jobs: dict[int, BackupJobValue] = {}
        self._subclients: dict[int, SubclientValue] = {}
        self._clients: dict[int, str] = {}

    @property
    def is_empty(self) -> bool:
        """True when there is nothing to hand out."""
        return not self._orders

    async def open(self, offline: dict[int, LibraryOffline]) -> None:
        """Reads what the orders need, leaves out copies that are offline, and lets the ledger
        catch up with job copies that are on the media already."""
        for copy_id in {copy_id for copy_id, _ in self._pairs}:
            library_id = self.scope.copies[copy_id].library_id
            if library_id in offline:
                self._dropped[copy_id] = offline[library_id]
        for copy_id in self.scope.copies:
            if self.scope.copies[copy_id].library_id in offline:
                self._offline_sources.add(copy_id)
        self._orders = deque(
            order
            for order in self._plan.orders()
            if any((copy_id, order.backup_job_id) in self._pairs for copy_id in order.copy_ids)
        )
        ids = [order.backup_job_id for order in self._orders]

        def read(session: Any) -> None:
            self._jobs = ledger.backup_jobs(session, ids)
            self._gates = Gates.load(session, self.context.clock())
            self._subclients = {value.id: value for value in config.subclients(session)}
            self._clients = {value.id: value.name for value in config.clients(session)}

        await self.context.store.read(read)
        await self._catch_up()

    async def next_order(self) -> TransferOrder | None:
        """The next backup job with at least one copy to write; None when all are handed out."""
        while self._orders and not self.context.cancel.is_cancelled:
            planned = self._orders.popleft()
            closed = self._closed(planned)
            if closed is not None:
                self.held.append(closed)
                continue
            destinations = await self._destinations(planned)
            if not destinations:
                continue
            job = self._jobs[planned.backup_job_id]
            source = self._source(planned, job)
            for destination in destinations:
                pair = (destination.copy_id, job.id)
                self._in_flight[pair] = job.size_bytes
                self._source_copy[pair] = planned.source_copy_id
            return TransferOrder(
                backup_job_id=job.id,
                header=source.header,
                size_bytes=job.size_bytes,
                open_source=source.open,
                destinations=tuple(destinations),
                remember=source.remember if source.is_landing else None,
            )
        return None

    def _closed(self, planned: PlannedOrder) -> Closed | None:
        subclient = self._subclients[self._jobs[planned.backup_job_id].subclient_id]
        return self._gates.closed(subclient.client, subclient.name, self.context.clock())

    def ended(self, pair: Pair) -> None:
        """A pair has its outcome; its room on the destination is accounted by the disk again."""
        self._in_flight.pop(pair, None)

    def drop_out(self, copy_id: int, error: AuxError) -> None:
        """Nothing more is handed to this copy in this attempt."""
        self._dropped.setdefault(copy_id, error)

    def source_copy_of(self, pair: Pair) -> int:
        """The copy that a pair is read from."""
        return self._source_copy[pair]

    def source_offline(self, pair: Pair) -> bool:
        """True when it is the source of a pair that is offline, not its destination."""
        return self._source_copy.get(pair) in self._offline_sources

    async def _destinations(self, planned: PlannedOrder) -> list[OrderDestination]:
        destinations = []
        for copy_id in planned.copy_ids:
            pair = (copy_id, planned.backup_job_id)
            if pair not in self._pairs:
                continue
            error = self._dropped.get(copy_id) or await self._no_room(copy_id, planned)
            if error is not None:
                self._dropped.setdefault(copy_id, error)
                self._refuse(pair, error)
                continue
            destinations.append(self._destination(copy_id, planned))
        return destinations

    def _destination(self, copy_id: int, planned: PlannedOrder) -> OrderDestination:
        copy = self.scope.copies[copy_id]
        library = self.libraries[self.scope.library_id(copy_id)]
        source = self._source(planned, self._jobs[planned.backup_job_id])
        place = Place(self.scope.policy.name, copy.name)

        def open_writer() -> JobWriter:
            return library.write_job(place, source.header, source_key=source.key)

        return OrderDestination(
            copy_id=copy_id,
            copy_name=copy.name,
            library=library.name,
            open_writer=open_writer,
            throttle=self.throttles.get(copy_id),
        )

    def _source(self, planned: PlannedOrder, job: BackupJobValue) -> Source:
        return self._source_from(planned.source_copy_id, job)

    def _source_from(self, copy_id: int, job: BackupJobValue) -> Source:
        subclient = self._subclients[job.subclient_id]
        library_id = self.scope.copies[copy_id].library_id
        return Source(
            home=self.context.home,
            scope=self.scope,
            copy_id=copy_id,
            backup_job=job,
            subclient=subclient,
            client=self._clients[subclient.client_id],
            library=None if library_id is None else self.libraries.get(library_id),
        )

    async def _no_room(self, copy_id: int, planned: PlannedOrder) -> AuxError | None:
        """Says why a backup job cannot be started on a copy: too little space, or gone."""
        library_id = self.scope.library_id(copy_id)
        library = self.libraries[library_id]
        try:
            probe = await aiofiles.os.wrap(library.probe)()
        except LibraryOffline as err:
            return err
        if probe.free_bytes is None or probe.total_bytes is None:
            return None
        promised_to = {
            pair: size_bytes
            for pair, size_bytes in self._in_flight.items()
            if self.scope.copies[pair[0]].library_id == library_id
        }
        keep = keep_free_bytes(probe.total_bytes)
        if probe.free_bytes - keep >= planned.size_bytes + sum(promised_to.values()):
            return None
        try:
            needs, promised = await self._left_to_write(copy_id, planned, promised_to)
        except LibraryOffline as err:
            return err
        if probe.free_bytes - keep >= needs + promised:
            return None
        return DestinationFull(
            f"library {library.name} has no room for backup job {planned.backup_job_id}: "
            f"needs {format_size(needs)}, "
            f"{format_size(max(0, probe.free_bytes - keep - promised))} to use of "
            f"{format_size(probe.free_bytes)} free ({format_size(keep)} stay free)",
            hint="make room or extend the library; the run continues where it stopped",
        )

    async def _left_to_write(
        self, copy_id: int, planned: PlannedOrder, promised_to: dict[Pair, int]
    ) -> tuple[int, int]:
        """Bytes that a backup job and all that is promised still need, what is there left out."""

        async def left(pair: Pair, size_bytes: int) -> int:
            copy = self.scope.copies[pair[0]]
            library = self.libraries[self.scope.library_id(pair[0])]
            place = Place(self.scope.policy.name, copy.name)
            occupied = await aiofiles.os.wrap(library.occupied_bytes)(place, pair[1])
            return max(0, size_bytes - occupied)

        needs = await left((copy_id, planned.backup_job_id), planned.size_bytes)
        promised = [await left(pair, size_bytes) for pair, size_bytes in promised_to.items()]
        return needs, sum(promised)

    async def catch_up(self, pair: Pair) -> None:
        """Tells the ledger of a job copy that is on the media already, made durable and read whole.

        A crash may have come between the rename that published it and the sync that keeps it, so
        its publication is finished first; what is there may also be something else.
        """
        self._pairs.discard(pair)
        copy, job = self.scope.copies[pair[0]], self._jobs[pair[1]]
        library = self.libraries[self.scope.library_id(copy.id)]
        place = Place(self.scope.policy.name, copy.name)
        source = self._source_from(copy.source_copy_id or self.scope.primary.id, job)
        try:
            await aiofiles.os.wrap(_finish_publication)(library, place, source)
            digest, same, chunks = await aiofiles.os.wrap(_proof)(
                library, place, job, self.scope.commcell_id
            )
        except AuxError as err:
            self._refuse(pair, err)
            return
        if same:
            await self._found(pair, job.size_bytes, digest, chunks)
            return
        self._refuse(
            pair,
            SourceCorrupt(
                f"copy {place.copy} holds another backup job under the id {job.id}",
                hint="move that directory away, or rebuild the catalog from the library",
            ),
        )

    async def _catch_up(self) -> None:
        """Job copies that are on the media, published before a crash, are told to the ledger."""
        for copy_id in sorted({copy_id for copy_id, _ in self._pairs} - set(self._dropped)):
            copy = self.scope.copies[copy_id]
            library = self.libraries[self.scope.library_id(copy_id)]
            place = Place(self.scope.policy.name, copy.name)
            try:
                present = set(await aiofiles.os.wrap(library.published)(place))
            except AuxError as err:
                self.drop_out(copy_id, err)
                continue
            for pair in sorted(p for p in self._pairs if p[0] == copy_id and p[1] in present):
                await self.catch_up(pair)
        self._orders = deque(
            order
            for order in self._orders
            if any((copy_id, order.backup_job_id) in self._pairs for copy_id in order.copy_ids)
        )


def _finish_publication(library: Library, place: Place, source: Source) -> None:
    """Does what a crash may have left undone after the rename: syncs, and locks that stayed."""
    try:
        library.write_job(place, source.header, source_key=source.key).close()
    except DestinationExists:
        return


def _proof(
    library: Library, place: Place, job: BackupJobValue, commcell_id: str
) -> tuple[bytes, bool, int]:
    """Reads a published manifest whole: its digest, whether it is this backup job, its chunks."""
    reader = library.read_job(place, job.id)
    try:
        header = reader.header
        size_bytes = chunks = 0
        for entry in reader.entries():
            size_bytes += getattr(entry, "size", 0)
            chunks += len(getattr(entry, "chunks", ()))
    finally:
        reader.close()
    same = (
        header.commcell_id == commcell_id
        and header.backup_job_id == job.id
        and header.name == job.name
        and header.completed_at == job.completed_at.isoformat()
        and size_bytes == job.size_bytes
    )
    return library.manifest_digest(place, job.id), same, chunks
