"""The two ends of an order: where a backup job is read, and how each of its copies is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlmodel import Session

from engine.catalog import config, decisions, ledger
from engine.catalog.values import BackupJobValue, SubclientValue
from engine.library.interface import JobWriter, Library, Place
from engine.library.line import jobs_at_once
from engine.library.locking import locked_until
from engine.model.encoding import Encoding, encoding_from_text
from engine.model.entries import encoded_header
from engine.model.errors import LibraryOffline
from engine.operations.context import JobContext
from engine.operations.planning import Scope
from engine.operations.probing import Reached
from engine.operations.proving import proven
from engine.operations.room import Pair
from engine.operations.sources import Source
from engine.policy.plan import PlannedOrder
from engine.policy.retention import RetentionRules, lock_end
from engine.policy.zones import zone_of
from engine.transfer.cancel import CancelToken
from engine.transfer.orders import OrderDestination, TransferOrder
from engine.transfer.throttle import Throttle


class OrderEnds:
    """What is known of sources and destinations, and makes transfer orders of it.

    Args:
        context: of the job.
        scope: configuration of the policy.
        reached: libraries by id, through each of their data paths.
        throttles: limits of copies.
    """

    def __init__(
        self,
        context: JobContext,
        scope: Scope,
        reached: Mapping[int, Reached],
        throttles: Mapping[int, Throttle],
    ) -> None:
        self._context = context
        self._scope = scope
        self._reached = reached
        self._throttles = throttles
        self.libraries: dict[int, Library] = {
            library_id: one.best
            for library_id, one in reached.items()
            if not isinstance(one.best, LibraryOffline)
        }
        """Those that are online, by id."""
        self.replacing: set[Pair] = set()
        """Pairs that are copied again, in place of what is there."""
        self._encodings: dict[int, dict[int, str]] = {}
        """Of source copies: the encoding of each backup job that is not as it was."""
        self._subclients: dict[int, SubclientValue] = {}

    def look(self, session: Session, copy_ids: Sequence[int], source_ids: Sequence[int]) -> None:
        """Reads what the catalog says of copies to be written and of those that are read."""
        self._subclients = {value.id: value for value in config.subclients(session)}
        self.replacing |= decisions.decided(session, copy_ids, "recopy")
        for copy_id in source_ids:
            self._encodings[copy_id] = ledger.encodings(session, copy_id)

    def subclient_of(self, job: BackupJobValue) -> SubclientValue:
        """What a backup job protects."""
        return self._subclients[job.subclient_id]

    def encoding_of(self, copy_id: int, backup_job_id: int) -> Encoding:
        """How a backup job is encoded on a source copy."""
        return encoding_from_text(self._encodings.get(copy_id, {}).get(backup_job_id, ""))

    def order(
        self,
        planned: PlannedOrder,
        job: BackupJobValue,
        destinations: Sequence[OrderDestination],
        *,
        media_agent: str,
        cancel: CancelToken,
    ) -> TransferOrder:
        """One read of a backup job for all these destinations."""
        source = self.source(planned.source_copy_id, job, media_agent)
        is_alike = all(dest.encoding == source.encoding for dest in destinations)
        as_stored = is_alike or source.encoding.is_plain
        return TransferOrder(
            backup_job_id=job.id,
            header=source.header,
            size_bytes=job.size_bytes,
            open_source=source.open_as_stored if as_stored else source.open_original,
            destinations=tuple(destinations),
            remember=source.remember if source.is_landing else None,
            cancel=cancel,
            at_once=max(map(jobs_at_once, self._libraries_of(planned))),
        )

    def _libraries_of(self, planned: PlannedOrder) -> list[Library | None]:
        copies = (planned.source_copy_id, *planned.copy_ids)
        ids = [self._scope.copies[copy_id].library_id for copy_id in copies]
        return [self.libraries.get(one) if one is not None else None for one in ids]

    def destination(
        self, planned: PlannedOrder, copy_id: int, job: BackupJobValue, media_agent: str
    ) -> OrderDestination:
        """One copy that an order writes, through the MediaAgent of its lane."""
        copy = self._scope.copies[copy_id]
        rules = RetentionRules(worm=copy.worm, retain_s=copy.retain_s)
        end = lock_end(rules, job.completed_at)
        library = locked_until(
            self._through(self._scope.library_id(copy_id), media_agent),
            None if end is None else end.astimezone(zone_of(self._scope.time_zone)),
        )
        source = self.source(planned.source_copy_id, job, media_agent)
        place = Place(self._scope.policy.name, copy.name)
        replace = (copy_id, job.id) in self.replacing
        encodes = not copy.encoding.is_plain and copy.encoding != source.encoding
        header = encoded_header(source.header, copy.encoding)

        def open_writer() -> JobWriter:
            key = source.key_of(copy.encoding, encodes=encodes)
            writer = library.write_job(
                place,
                header,
                source_key=key,
                checkpoint=self._context.cancel.raise_if_cancelled,
                replace=replace,
            )
            return proven(writer, copy, self._context.cancel)

        return OrderDestination(
            copy_id=copy_id,
            copy_name=copy.name,
            library=library.name,
            open_writer=open_writer,
            reflink=copy.reflink,
            throttle=self._throttles.get(copy_id),
            encoding=copy.encoding,
            encodes=encodes,
        )

    def _through(self, library_id: int, media_agent: str) -> Library:
        """A library as a MediaAgent reaches it."""
        found = self._reached[library_id].by_agent.get(media_agent)
        if found is None or isinstance(found, LibraryOffline):
            return self.libraries[library_id]
        return found

    def source(self, copy_id: int, job: BackupJobValue, media_agent: str = "") -> Source:
        """A backup job as it is read from a copy."""
        subclient = self._subclients[job.subclient_id]
        library_id = self._scope.copies[copy_id].library_id
        return Source(
            home=self._context.home,
            scope=self._scope,
            copy_id=copy_id,
            backup_job=job,
            subclient=subclient,
            client=subclient.client,
            library=(
                self._through(library_id, media_agent) if library_id in self.libraries else None
            ),
            encoding=self.encoding_of(copy_id, job.id),
        )
