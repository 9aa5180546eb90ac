"""The data verification operation: every chunk of the chosen job copies is read and compared.

A job copy that is damaged becomes bad with what is damaged as the job's errors, and goes on to be
repaired; nothing is concluded from a library that is offline. How far each job copy was verified
is kept in the job's plan, so that a restart reads only what is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import aiofiles.os
from sqlmodel import Session

from engine.catalog import jobs, ledger, upkeep
from engine.catalog.values import JobItem, JobValue, StreamValue
from engine.library import layout
from engine.library.interface import JobReader, Library
from engine.model.errors import (
    EXIT_FAILED,
    EXIT_TRY_LATER,
    AuxError,
    Cancelled,
    LibraryOffline,
    ManifestError,
    NotFoundError,
    SourceError,
    UsageError,
)
from engine.model.names import shown
from engine.model.states import JobState, Phase, Severity, StreamState
from engine.operations.context import AttemptEnd, JobContext
from engine.operations.damage import next_step, record_damage
from engine.operations.job_errors import JobFault, write_faults
from engine.operations.jobcopies import Located, check_manifest
from engine.operations.planning import Scope, load_scope
from engine.operations.probing import probe_libraries
from engine.operations.progress import INTERVAL_S, seconds_left
from engine.operations.seating import seated
from engine.operations.streampool import Seat
from engine.operations.verifiable import chosen_job_copies, part_of, reason_of
from engine.transfer.progress import ReadProgress
from engine.transfer.reading import READ_STREAMS
from engine.transfer.verifying import DamagedChunk, Verifier

ERRORS_PER_JOB_COPY = 100  # a job copy that is all garbage must not fill the catalog
STRANGERS_NAMED = 3  # of one job copy
GOOD, FAILED, SKIPPED = "good", "failed", "skipped"


class DataVerification:
    """One run of data verification."""

    def __init__(self, context: JobContext, job: JobValue) -> None:
        self.context = context
        self.job = job
        self.done: dict[tuple[int, int], JobItem] = {}
        self.offline: dict[tuple[int, int], AuxError] = {}
        self._progress = ReadProgress()
        self._current_bytes = 0
        """Of the backup job that is looked at; what is read of an encoded copy is more or less."""
        self._read_before = 0
        self._reused_bytes = 0
        """Verified by an earlier attempt of this job."""
        self._mark: Callable[[], dict[str, Any]] = dict
        self._found: list[DamagedChunk] = []
        self._strangers = ""
        """The first job copy that has something beside its files, and what."""

    async def attempt(self) -> AttemptEnd:
        """Verifies whatever this job has not verified yet."""
        context = self.context
        scope, chosen, marks = await context.store.read(self._choose)
        libraries, offline = await probe_libraries(context, scope)
        self.offline = {
            one.pair: offline[one.copy.library_id]
            for one in chosen
            if one.copy.library_id in offline and not one.is_landing
        }
        reachable = [one for one in chosen if one.pair not in self.offline]
        settled_bytes = sum(item.size_bytes for item in self.done.values())
        await context.update(
            backup_jobs_total=len(self.done) + len(chosen),
            bytes_total=settled_bytes + sum(one.line.size_bytes for one in chosen),
            **self._counts(),
        )
        if reachable:
            async with seated(
                context, scope, Phase.VERIFY, priority=self.job.priority, streams=READ_STREAMS
            ) as seat:
                if seat is not None:
                    await self._verify_all(reachable, libraries, marks, seat)
        if context.cancel.is_cancelled:
            return AttemptEnd(kind="cancelled", reason=context.cancel.reason)
        return self._end()

    async def conclude(self) -> None:
        """Names the job copies that could not be looked at; damage was written as it was found."""
        scope = await self.context.store.read(lambda s: load_scope(s, self.job.policy))
        names = {copy.id: copy.name for copy in scope.copies.values()}
        await write_faults(
            self.context,
            [
                JobFault(backup_job_id, names.get(copy_id, ""), error)
                for (copy_id, backup_job_id), error in sorted(self.offline.items())
            ],
        )

    def _choose(self, session: Session) -> tuple[Scope, list[Located], dict[str, Any]]:
        """What is left to verify, and how far an earlier attempt was."""
        scope = load_scope(session, self.job.policy)
        items = jobs.items(session, self.context.job_id)
        self.done = {(item.copy_id, item.backup_job_id): item for item in items}
        chosen = chosen_job_copies(session, self.context, scope, self.job, self.context.clock())
        left = [one for one in chosen if one.pair not in self.done]
        marks = (jobs.load_plan(session, self.context.job_id) or {}).get("marks", {})
        return scope, left, marks

    async def _verify_all(
        self,
        chosen: list[Located],
        libraries: dict[int, Library],
        marks: dict[str, Any],
        seat: Seat,
    ) -> None:
        follower = asyncio.create_task(self._follow(seat))
        try:
            for one in chosen:
                if self.context.cancel.is_cancelled:
                    return
                await self._verify_one(one, libraries, marks, seat)
        finally:
            follower.cancel()
            await self._report(seat, final=True)

    async def _verify_one(
        self, one: Located, libraries: dict[int, Library], marks: dict[str, Any], seat: Seat
    ) -> None:
        """Verifies one job copy and tells the ledger; left to a later attempt when stopped."""
        self._found = []
        self._current_bytes = one.line.size_bytes
        self._read_before = self._progress.snapshot().bytes_done
        whole: AuxError | None = None
        try:
            await self._read(one, libraries, marks, max(1, seat.share.streams))
        except Cancelled:
            return
        except UsageError as err:
            await self._skip(one, err.message)
            return
        except (ManifestError, NotFoundError, SourceError) as err:
            whole = err
        except LibraryOffline as err:
            self.offline[one.pair] = err
            return
        finally:
            self._mark = dict
        if (whole or self._found) and not await self._is_online(one, libraries):
            return
        await self._settle(one, whole)

    async def _read(
        self, one: Located, libraries: dict[int, Library], marks: dict[str, Any], streams: int
    ) -> None:
        """Reads one job copy; damaged parts are noted as they are found.

        Raises:
            UsageError: there is nothing to compare it with.
            ManifestError, NotFoundError, SourceError: as a whole it is not there or damaged.
            LibraryOffline: nothing can be said.
            Cancelled: stopped.
        """
        source = one.opened_from(libraries)
        digest = await aiofiles.os.wrap(check_manifest)(one, source.library)
        reader: JobReader = await aiofiles.os.wrap(source.open)()
        key = f"{one.copy.id}:{one.line.backup_job_id}"
        mark = marks.get(key, {})
        verifier = Verifier(
            reader,
            cancel=self.context.cancel,
            throttle=self.context.throttle,
            progress=self._progress,
            start=int(mark["units"]) if mark.get("manifest") == digest else 0,
            found=self._found.append,
        )
        try:
            if not reader.has_digests:
                raise UsageError("it was never copied: there are no digests to compare it with")
            self._mark = lambda: {key: {"units": verifier.verified, "manifest": digest}}
            await verifier.run(streams)
            if verifier.strangers:
                await self._tell_strangers(one, verifier.strangers)
        finally:
            self._reused_bytes += verifier.skipped_bytes
            reader.close()

    async def _tell_strangers(self, one: Located, strangers: list[bytes]) -> None:
        """What somebody put beside the files of a job copy: a restore by hand would take it."""
        count = len(strangers)
        what = (
            f"{count} entries that no manifest lists"
            if count > 1
            else "an entry that no manifest lists"
        )
        text = (
            f"backup job {one.line.backup_job_id} on copy {one.copy.name} has {what}: "
            f"{', '.join(shown(path) for path in strangers[:STRANGERS_NAMED])}"
        )
        self._strangers = self._strangers or text
        await self.context.event(
            "verification.strangers",
            text,
            Severity.WARNING,
            about=f"{one.place.policy}/{one.place.copy}",
            hint="auxtui leaves it out of a restore, one by hand takes it: look at it, move it away",
        )

    async def _is_online(self, one: Located, libraries: dict[int, Library]) -> bool:
        """A library that went away under a reader looks like damage everywhere: asks its marker."""
        if one.is_landing or one.copy.library_id is None:
            return True
        try:
            await aiofiles.os.wrap(libraries[one.copy.library_id].probe)()
        except LibraryOffline as err:
            self.offline[one.pair] = err
            return False
        return True

    async def _settle(self, one: Located, whole: AuxError | None) -> None:
        """The result of one job copy: ledger, errors, record of the run, in one transaction."""
        context, now = self.context, self.context.clock()

        def write(session: Session) -> JobItem:
            line = ledger.job_copy(session, *one.pair)
            reason = reason_of(whole, self._found)
            item = self._item(one, reason, now)
            if line is None or (line.state, line.copied_at) != (one.line.state, one.line.copied_at):
                item = replace(item, outcome=SKIPPED, reason="it changed while it was verified")
            elif reason:
                self._write_damage(session, one, whole, now)
                record_damage(session, one, reason, job_id=context.job_id, now=now)
            else:
                upkeep.set_good(session, *one.pair, now)
                if line.decision == "bad":  # it was looked at: every byte of it is right
                    ledger.set_decision(session, *one.pair, "", line.decided_by, now)
            jobs.add_items(session, [item])
            return item

        item = await context.store.write(write)
        self.done[one.pair], self._current_bytes = item, 0

    async def _skip(self, one: Located, reason: str) -> None:
        item = replace(self._item(one, reason, self.context.clock()), outcome=SKIPPED)
        self.done[one.pair] = item
        await self.context.store.write(lambda s: jobs.add_items(s, [item]))

    def _item(self, one: Located, reason: str, now: datetime) -> JobItem:
        return JobItem(
            job_id=self.context.job_id,
            backup_job_id=one.line.backup_job_id,
            copy_id=one.copy.id,
            outcome=FAILED if reason else GOOD,
            reason=reason,
            size_bytes=one.line.size_bytes,
            ended_at=now,
        )

    def _write_damage(
        self, session: Session, one: Located, whole: AuxError | None, now: datetime
    ) -> None:
        manifest = layout.MANIFEST.decode()
        rows = []
        if whole is not None:
            rows.append((manifest if isinstance(whole, ManifestError) else "", whole))
        rows += [(part_of(damaged), damaged.error) for damaged in self._found]
        step = next_step(session, one)  # one advice, that of the ledger
        for path, error in rows[:ERRORS_PER_JOB_COPY]:
            jobs.add_error(
                session,
                self.context.job_id,
                backup_job_id=one.line.backup_job_id,
                copy_name=one.copy.name,
                path=path,
                error=error.message,
                hint=step,
                now=now,
            )

    async def _follow(self, seat: Seat) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S)
            await self._report(seat, final=False)

    async def _report(self, seat: Seat, *, final: bool) -> None:
        """Tells the catalog how far it is, and keeps what a restart need not read again."""
        snapshot, job_id = self._progress.snapshot(), self.context.job_id
        settled_bytes = sum(item.size_bytes for item in self.done.values())
        under_way = snapshot.bytes_done - self._read_before
        looked_at = settled_bytes + min(under_way, self._current_bytes)
        bytes_done = self._proven_bytes() if final else looked_at
        rate_bps = 0 if final else int(snapshot.bytes_per_second)
        marks, found = self._mark(), list(self._found)
        row = StreamValue(job_id=job_id, number=1, state=StreamState.COPYING, path=snapshot.path)

        def write(session: Session) -> None:
            total = jobs.load_job(session, job_id).bytes_total
            jobs.update_job(
                session,
                job_id,
                bytes_done=min(bytes_done, total),
                bytes_reused=self._reused_bytes,
                bytes_per_second=rate_bps,
                seconds_left=seconds_left(total - bytes_done, snapshot.bytes_per_second),
                streams=seat.share.streams,
                **self._counts(),
            )
            jobs.replace_streams(session, job_id, [] if final else [row])
            if marks and not found:  # damage is found again, and named, by the next attempt
                jobs.save_plan(session, job_id, {"marks": marks})

        await self.context.store.write(write)

    def _counts(self) -> dict[str, Any]:
        outcomes = [item.outcome for item in self.done.values()]
        failed = outcomes.count(FAILED)
        return {
            "backup_jobs_done": outcomes.count(GOOD),
            "backup_jobs_failed": failed + len(self.offline),
            "backup_jobs_skipped": outcomes.count(SKIPPED),
            "errors": failed + len(self.offline),
        }

    def _proven_bytes(self) -> int:
        """What was read and is right; while it runs, the progress counts what was looked at."""
        return sum(item.size_bytes for item in self.done.values() if item.outcome == GOOD)

    def _end(self) -> AttemptEnd:
        failed = [item for item in self.done.values() if item.outcome == FAILED]
        done = self._proven_bytes()
        if failed:
            what = f"{len(failed)} of {len(self.done)} job copies are damaged: {failed[0].reason}"
            return AttemptEnd(
                kind="ended",
                state=JobState.COMPLETED_WITH_ERRORS,
                reason=what,
                exit_code=EXIT_FAILED,
                bytes_done=done,
            )
        if self.offline:
            passes = any(error.retryable for error in self.offline.values())
            return AttemptEnd(
                kind="retry" if passes else "ended",
                state=JobState.COMPLETED_WITH_ERRORS if self.done else JobState.FAILED,
                reason=next(iter(self.offline.values())).message,
                exit_code=EXIT_FAILED if self.done else EXIT_TRY_LATER,
                bytes_done=done,
            )
        return AttemptEnd(
            kind="ended", state=JobState.COMPLETED, reason=self._strangers, bytes_done=done
        )
