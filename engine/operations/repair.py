"""The repair operation: a job copy is made anew, and takes the place of the bad one at once.

Good chunks come from the bad job copy, read and hashed again; the others from any copy that has
them right, the primary or another. Nothing is edited in place: until the exchange the bad one stays.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial
from typing import Any

import aiofiles.os
from sqlmodel import Session

from engine.catalog import jobs, ledger
from engine.catalog.values import JobItem, JobValue, StreamValue
from engine.library.interface import JobWriter, Library
from engine.library.locking import locked_until
from engine.model.entries import encoded_header
from engine.model.errors import (
    EXIT_FAILED,
    EXIT_TRY_LATER,
    AuxError,
    Cancelled,
    DestinationExists,
    LibraryOffline,
    SourceCorrupt,
    SourceError,
    UsageError,
)
from engine.model.states import (
    JobCopyState,
    JobState,
    Phase,
    Severity,
    StreamState,
    Verification,
)
from engine.operations.context import AttemptEnd, JobContext
from engine.operations.job_errors import JobFault, write_faults
from engine.operations.jobcopies import Located, Locator, copy_named
from engine.operations.planning import Scope, load_scope
from engine.operations.probing import probe_libraries
from engine.operations.progress import INTERVAL_S, seconds_left
from engine.operations.reencoding import Reencoding
from engine.operations.repair_sources import (
    Candidate,
    Case,
    best_first,
    entries_of,
    key_of,
    opened_candidate,
)
from engine.operations.seating import seated
from engine.policy.retention import RetentionRules, lock_end
from engine.policy.zones import zone_of
from engine.transfer.progress import ReadProgress
from engine.transfer.reading import READ_STREAMS
from engine.transfer.reading_back import ReadBack
from engine.transfer.repairing import Rebuild, Rebuilt

REPAIRED = "repaired"
_THERE = (JobCopyState.AVAILABLE, JobCopyState.BAD)


class Repair:
    """One run of a repair."""

    def __init__(self, context: JobContext, job: JobValue) -> None:
        self.context = context
        self.job = job
        self.done: dict[int, JobItem] = {}
        self.failures: dict[int, AuxError] = {}
        self._progress = ReadProgress()
        self._reused_bytes = 0
        self._reencoding: Reencoding | None = None
        self._time_zone = "UTC"

    async def attempt(self) -> AttemptEnd:
        """Repairs whatever this job has not repaired yet."""
        context = self.context
        scope, cases = await context.store.read(self._cases)
        self._time_zone = scope.time_zone
        libraries, _ = await probe_libraries(context, scope)
        self.failures = {
            int(backup_job_id): UsageError(message, hint=hint)
            for backup_job_id, (message, hint) in self.job.options.get("refused", {}).items()
        }
        await context.update(
            backup_jobs_total=len(self.done) + len(cases) + len(self.failures),
            bytes_total=sum(item.size_bytes for item in self.done.values())
            + sum(case.bad.line.size_bytes for case in cases),
            **self._counts(),
        )
        async with seated(
            context, scope, Phase.COPY, priority=self.job.priority, streams=READ_STREAMS
        ) as seat:
            follower = asyncio.create_task(self._follow())
            try:
                for case in cases:
                    if seat is None or context.cancel.is_cancelled:
                        break
                    await self._repair(case, libraries, max(1, seat.share.streams))
            finally:
                follower.cancel()
                await self._report(final=True)
        if context.cancel.is_cancelled:
            return AttemptEnd(kind="cancelled", reason=context.cancel.reason)
        return self._end()

    async def conclude(self) -> None:
        """Writes why some could not be repaired."""
        copy = self.job.copies[0]
        failed = sorted(self.failures.items())
        await write_faults(self.context, [JobFault(number, copy, why) for number, why in failed])

    def _cases(self, session: Session) -> tuple[Scope, list[Case]]:
        scope = load_scope(session, self.job.policy)
        items = jobs.items(session, self.context.job_id)
        self.done = {item.backup_job_id: item for item in items if item.outcome == REPAIRED}
        bad_copy = copy_named(scope, self.job.copies[0])
        locator = Locator(session, self.context.home, scope)
        cases = []
        for backup_job_id in self.job.options["backup_jobs"]:
            if backup_job_id not in self.done:
                lines = ledger.copies_of(session, backup_job_id)
                others = [
                    locator.located(line)
                    for line in lines
                    if line.copy_id != bad_copy.id and line.state in _THERE
                ]
                others.sort(key=best_first)
                cases.append(Case(locator.find(bad_copy.id, backup_job_id), tuple(others)))
        return scope, cases

    async def _repair(self, case: Case, libraries: dict[int, Library], streams: int) -> None:
        backup_job_id = case.bad.line.backup_job_id
        try:
            names, rebuilt = await self._rebuild(case, libraries, streams)
        except Cancelled:
            return
        except AuxError as err:
            self.failures[backup_job_id] = err
            text = f"backup job {backup_job_id} on copy {case.bad.copy.name} is not repaired: "
            await self.context.event("repair.failed", text + err.message, Severity.ERROR)
            return
        self._reused_bytes += rebuilt.reused_bytes
        await self._settle(case.bad, rebuilt)
        came = ", ".join(
            f"{count} chunks from {name}"
            for name, count in zip(names, rebuilt.taken, strict=True)
            if count
        )
        await self.context.event(
            "repair.done",
            f"backup job {backup_job_id} on copy {case.bad.copy.name} is repaired"
            + (f": {came}" if came else ""),
        )

    async def _rebuild(
        self, case: Case, libraries: dict[int, Library], streams: int
    ) -> tuple[list[str], Rebuilt]:
        """Makes the job copy anew from what can be opened; returns the sources and the result.

        From files that are encoded alike chunk by chunk; else all of it from one other copy.
        """
        candidates: list[Candidate] = []
        try:
            for one in (case.bad, *case.others):
                found = await opened_candidate(self.context, one, libraries)
                if found is not None:
                    candidates.append(found)
            try:
                return await self._from_alike(case.bad, candidates, libraries, streams)
            except SourceCorrupt as err:
                encoding = case.bad.source.encoding
                others = [one for one in candidates if one.is_trusted and one.encoding != encoding]
                if not others:
                    raise
                return await self._from_others(case.bad, others, libraries, streams, err)
        finally:
            for candidate in candidates:
                candidate.reader.close()

    async def _from_alike(
        self,
        bad: Located,
        candidates: list[Candidate],
        libraries: dict[int, Library],
        streams: int,
    ) -> tuple[list[str], Rebuilt]:
        encoding = bad.source.encoding
        alike = [one for one in candidates if one.encoding == encoding]
        header = encoded_header(bad.source.header, encoding)
        entries = await aiofiles.os.wrap(entries_of)(alike, bad)
        key = key_of(bad, encoding, entries)
        writer = await aiofiles.os.wrap(partial(self._open_writer, bad, libraries, key))()
        try:
            rebuild = Rebuild(
                entries,
                [one.reader for one in alike],
                writer,
                cancel=self.context.cancel,
                throttle=self.context.throttle,
                progress=self._progress,
            )
            rebuilt = await rebuild.run(header, streams)
        finally:
            await aiofiles.os.wrap(writer.close)()
        return [one.name for one in alike], rebuilt

    async def _from_others(
        self,
        bad: Located,
        others: list[Candidate],
        libraries: dict[int, Library],
        streams: int,
        why: SourceCorrupt,
    ) -> tuple[list[str], Rebuilt]:
        """Encodes the whole job copy anew, from the first copy that gives all of it."""
        encoding = bad.source.encoding
        encodes = not encoding.is_plain
        for other in others:
            source = other.source
            key = source.key_of(encoding, encodes=encodes)
            again = Reencoding(
                source,
                bad,
                partial(self._open_writer, bad, libraries, key),
                cancel=self.context.cancel,
                throttle=self.context.throttle,
            )
            self._reencoding = again
            try:
                return [other.name], await again.run(streams)
            except SourceError as err:
                what = f"nothing is taken from copy {other.name}: {err.message}"
                await self.context.event("repair.source", what, Severity.WARNING)
                why = SourceCorrupt(f"{why.message}; {err.message}", hint=err.hint or why.hint)
            finally:
                self._reencoding = None
        raise why

    def _open_writer(self, bad: Located, libraries: dict[int, Library], key: str) -> JobWriter:
        """Starts or resumes the new job copy, read back before it is published. Blocking.

        Raises:
            DestinationError, LibraryOffline: it cannot be started.
        """
        library = libraries.get(bad.copy.library_id or 0)
        if library is None:
            raise LibraryOffline(
                f"the library of copy {bad.copy.name} cannot be used now",
                hint="mount it; the repair then goes on",
            )
        rules = RetentionRules(worm=bad.copy.worm, retain_s=bad.copy.retain_s)
        end = lock_end(rules, bad.source.backup_job.completed_at)
        if end is not None:
            end = end.astimezone(zone_of(self._time_zone))
        open_writer = partial(
            locked_until(library, end).write_job,
            bad.place,
            encoded_header(bad.source.header, bad.source.encoding),
            source_key=key,
            checkpoint=self.context.cancel.raise_if_cancelled,
            replace=True,
        )
        cancel, throttle = self.context.cancel, self.context.throttle
        try:
            writer = open_writer()
        except DestinationExists:  # an earlier try, killed while it took its place, is there now
            writer = open_writer()
        return ReadBack(writer, cancel=cancel, throttle=throttle)

    async def _settle(self, bad: Located, rebuilt: Rebuilt) -> None:
        """The ledger says available and good; an operator's word that it is bad is done with."""
        now = self.context.clock()
        item = self._item(bad, now)

        def write(session: Session) -> None:
            ledger.set_state(
                session,
                *bad.pair,
                JobCopyState.AVAILABLE,
                now=now,
                manifest_digest=rebuilt.manifest_digest,
                chunks_done=bad.line.chunks or rebuilt.chunks,
                encoding=bad.source.encoding.text,
                bytes_done=bad.line.size_bytes,
                copied_at=bad.line.copied_at or now,
                verification=Verification.GOOD,
                verified_at=now,
                tries=0,
                decision="" if bad.line.decision == "bad" else bad.line.decision,
            )
            jobs.add_items(session, [item])

        await self.context.store.write(write)
        self.done[bad.line.backup_job_id] = item

    def _item(self, bad: Located, now: datetime) -> JobItem:
        return JobItem(
            job_id=self.context.job_id,
            backup_job_id=bad.line.backup_job_id,
            copy_id=bad.copy.id,
            outcome=REPAIRED,
            size_bytes=bad.line.size_bytes,
            ended_at=now,
        )

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S)
            await self._report(final=False)

    async def _report(self, *, final: bool) -> None:
        snapshot, job_id = self._progress.snapshot(), self.context.job_id
        again = self._reencoding
        done = sum(item.size_bytes for item in self.done.values())
        shown_bytes = (
            done if final else max(done, snapshot.bytes_done + (again.bytes_done if again else 0))
        )
        rate_bps = 0.0 if final else snapshot.bytes_per_second
        row = StreamValue(
            job_id=job_id,
            number=1,
            state=StreamState.COPYING,
            copies=self.job.copies[0],
            path=snapshot.path,
        )

        def write(session: Session) -> None:
            total = jobs.load_job(session, job_id).bytes_total
            jobs.update_job(
                session,
                job_id,
                bytes_done=min(shown_bytes, total),
                bytes_per_second=int(rate_bps),
                bytes_reused=self._reused_bytes,
                seconds_left=seconds_left(total - shown_bytes, rate_bps),
                **self._counts(),
            )
            jobs.replace_streams(session, job_id, [] if final else [row])

        await self.context.store.write(write)

    def _counts(self) -> dict[str, Any]:
        failed = len(self.failures)
        return {
            "backup_jobs_done": len(self.done),
            "backup_jobs_failed": failed,
            "errors": failed,
        }

    def _end(self) -> AttemptEnd:
        done = sum(item.size_bytes for item in self.done.values())
        if not self.failures:
            return AttemptEnd(kind="ended", state=JobState.COMPLETED, bytes_done=done)
        errors = list(self.failures.values())
        offline = all(isinstance(error, LibraryOffline) for error in errors)
        return AttemptEnd(
            kind="retry" if any(error.retryable for error in errors) else "ended",
            state=JobState.COMPLETED_WITH_ERRORS if self.done else JobState.FAILED,
            reason=errors[0].message,
            exit_code=EXIT_TRY_LATER if offline and not self.done else EXIT_FAILED,
            bytes_done=done,
        )
