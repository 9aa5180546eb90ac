"""What became of each backup job on each copy: the ledger, the record of the run, the failures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.catalog import decisions, jobs, ledger, upkeep
from engine.catalog.values import JobItem
from engine.model.errors import (
    AuxError,
    DestinationExists,
    DestinationFull,
    LibraryOffline,
    SourceChanged,
    SourceCorrupt,
    SourceError,
)
from engine.model.names import shown
from engine.model.states import LAST_FAILED, JobCopyState, Severity
from engine.operations.arrivals import Proof
from engine.operations.context import JobContext
from engine.operations.damage import find_located, record_damage
from engine.operations.ordering import OrderQueue
from engine.operations.room import Pair
from engine.transfer.orders import DestinationOutcome, OutcomeState, TransferResult


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one backup job did not reach one copy in this job."""

    copy_name: str
    error: AuxError
    path: bytes = b""


def is_worth_another(error: AuxError) -> bool:
    """Whether another attempt of the same run may get over an error: it is no fault of its source."""
    return error.retryable and not isinstance(error, SourceError)


class Settling:
    """Tells the catalog how every pair ended; remembers what failed until the job's end."""

    def __init__(self, context: JobContext) -> None:
        self.context = context
        self.names: dict[int, str] = {}
        self.read_back: frozenset[int] = frozenset()
        """Copies whose job copies were verified before they were published."""
        self.failures: dict[Pair, Failure] = {}
        self.done: dict[Pair, int] = {}
        """Copied by this job, also before a restart, with the bytes of each."""
        self.partial: dict[Pair, int] = {}
        """Journaled bytes of what this job left unfinished."""

    def refuse(self, pair: Pair, error: AuxError) -> None:
        """A pair that cannot be tried in this attempt, e.g. its library is offline or full."""
        self.failures[pair] = Failure(self.names[pair[0]], error)

    async def found(self, pair: Pair, size_bytes: int, proof: Proof) -> None:
        """A job copy that was published before the ledger knew: the media lead, the catalog lags."""
        await self._available(pair, size_bytes, proof, seconds=0.0)
        await self.context.event(
            "auxcopy.found",
            f"backup job {pair[1]} was on copy {self.names[pair[0]]} already; the ledger caught up",
        )

    async def settle(self, queue: OrderQueue, result: TransferResult) -> None:
        """Tells the ledger how one backup job ended on each of its destinations."""
        order = result.order
        for outcome in result.outcomes:
            pair = (outcome.copy_id, order.backup_job_id)
            queue.ended(pair, is_cut=outcome.state is OutcomeState.CANCELLED)
            if outcome.state == "published" and outcome.manifest_digest is not None:
                digest, encoding = outcome.manifest_digest, outcome.encoding
                proof = Proof(digest, result.original_chunks, encoding.text)
                size_bytes = result.original_bytes
                await self._available(pair, size_bytes, proof, seconds=result.seconds)
                await self._verified(pair)
                for warning in outcome.warnings:
                    await self.context.event("auxcopy.warning", warning, Severity.WARNING)
            elif isinstance(outcome.error, DestinationExists):
                await queue.catch_up(pair)  # killed between its manifest and its rename
                continue
            elif outcome.state == "failed":
                await self._failed(queue, pair, outcome)
            await self._partial(pair, outcome)

    async def _verified(self, pair: Pair) -> None:
        """What was read back before it was published is verified already."""
        now = self.context.clock()
        if pair[0] in self.read_back:
            await self.context.store.write(lambda s: upkeep.set_good(s, *pair, now))

    async def _available(
        self, pair: Pair, size_bytes: int, proof: Proof, *, seconds: float
    ) -> None:
        context, now = self.context, self.context.clock()
        item = JobItem(
            job_id=context.job_id,
            backup_job_id=pair[1],
            copy_id=pair[0],
            outcome="copied",
            reason="",
            size_bytes=size_bytes,
            seconds=seconds,
            ended_at=now,
        )

        def write(session: Any) -> None:
            ledger.mark_available(
                session,
                pair[0],
                pair[1],
                manifest_digest=proof.manifest_digest,
                chunks=proof.chunks,
                size_bytes=size_bytes,
                by_job=context.job_id,
                now=now,
                encoding=proof.encoding,
            )
            decisions.is_done(session, *pair, "recopy")
            jobs.add_items(session, [item])

        await context.store.write(write)
        # Only now: a plan that counts what is done must find it in the ledger, or what follows is
        # passed over for good.
        self.done[pair] = size_bytes
        self.partial.pop(pair, None)

    async def _failed(self, queue: OrderQueue, pair: Pair, outcome: DestinationOutcome) -> None:
        error = outcome.error or AuxError(f"backup job {pair[1]} failed without a reason")
        self.failures[pair] = Failure(outcome.copy_name, error, outcome.path)
        where = f" at {shown(outcome.path)}" if outcome.path else ""
        await self.context.event(
            "auxcopy.failed",
            f"backup job {pair[1]} did not reach copy {outcome.copy_name}{where}: {error.message}",
            # What may pass is tried again by itself; that it never passed, the end of the job says.
            Severity.WARNING if is_worth_another(error) else Severity.ERROR,
        )
        if isinstance(error, (DestinationFull, LibraryOffline)) and not queue.source_offline(pair):
            queue.drop_out(pair[0], error)
        if isinstance(error, (SourceChanged, SourceCorrupt)):
            await self._source_is_bad(queue.source_copy_of(pair), pair[1], error)

    async def _source_is_bad(
        self, source_copy_id: int, backup_job_id: int, error: SourceError
    ) -> None:
        """What was adopted or proved is no longer there: the source's own ledger line says so."""
        context, now = self.context, self.context.clock()

        def write(session: Any) -> None:
            if isinstance(error, SourceCorrupt):
                policy_id = ledger.backup_job(session, backup_job_id).policy_id
                one = find_located(session, context.home, policy_id, source_copy_id, backup_job_id)
                if one.line.state is JobCopyState.AVAILABLE:  # told once, however many copies read
                    record_damage(session, one, error.message, job_id=context.job_id, now=now)
                return
            ledger.set_state(
                session,
                source_copy_id,
                backup_job_id,
                JobCopyState.BAD,
                error.message,
                error.hint,
            )

        await context.store.write(write)

    async def _partial(self, pair: Pair, outcome: DestinationOutcome) -> None:
        """Keeps what an unfinished job copy has reached, with the reason why it stopped."""
        if outcome.state == "published":
            return
        self.partial[pair] = outcome.bytes_done
        partial = outcome.chunks_done > 0
        state = JobCopyState.PARTIALLY_COPIED if partial else JobCopyState.TO_BE_COPIED
        reason = outcome.error.message if outcome.error else self.context.cancel.reason
        hint = outcome.error.hint if outcome.error else "continues where it stopped"

        failed = outcome.state is OutcomeState.FAILED
        if failed:
            reason = f"{LAST_FAILED}{reason}"
            hint = hint or "see to it; the next run tries again"

        def write(session: Any) -> None:
            line = ledger.job_copy(session, *pair)
            tries = (line.tries if line else 0) + failed
            if line is not None and line.state in (JobCopyState.AVAILABLE, JobCopyState.BAD):
                # To be replaced: what is there stays as it is until then.
                ledger.set_state(session, *pair, line.state, reason, hint, tries=tries)
                return
            ledger.set_state(
                session,
                *pair,
                state,
                reason,
                hint,
                chunks_done=outcome.chunks_done,
                bytes_done=outcome.bytes_done,
                tries=tries,
            )

        await self.context.store.write(write)
