"""The restore operation: from any copy, by precedence with fallback, verified while reading."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import aiofiles.os
from sqlmodel import Session

from engine.catalog import ledger
from engine.catalog.values import CopyValue, JobValue
from engine.library.interface import Library
from engine.model.errors import (
    DAMAGED_HINT,
    EXIT_FAILED,
    EXIT_USAGE,
    AuxError,
    Cancelled,
    LibraryOffline,
    ManifestError,
    NotFoundError,
    SourceCorrupt,
    SourceError,
    SourceMissing,
    UsageError,
)
from engine.model.names import RelPath, shown
from engine.model.states import JobCopyState, JobState, Phase, Severity
from engine.operations.asked_paths import asked, once_more, wanted_of
from engine.operations.context import AttemptEnd, JobContext
from engine.operations.damage import record_damage
from engine.operations.job_errors import JobFault, write_faults
from engine.operations.jobcopies import Located, Locator, check_manifest
from engine.operations.planning import Scope, load_scope
from engine.operations.probing import probe_libraries
from engine.operations.progress import INTERVAL_S
from engine.operations.restore_request import BEGUN, candidates_of
from engine.operations.sources import Source
from engine.transfer.progress import ReadProgress
from engine.transfer.restoring import RESTORE_STREAMS, RestoreResult, restore_job

REFUSED_NAMED = 100  # of what stood in the way of a restore
_DAMAGE = (SourceCorrupt, ManifestError, NotFoundError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A copy that can give the backup job back."""

    located: Located

    @property
    def copy(self) -> CopyValue:
        """The copy."""
        return self.located.copy

    @property
    def source(self) -> Source:
        """Opens it; without its library."""
        return self.located.source


@dataclass(frozen=True, slots=True)
class RestoreError:
    """What one copy could not give, and why."""

    copy_name: str
    path: bytes
    """Empty: the whole backup job."""
    error: AuxError


class Restore:
    """One run of a restore."""

    def __init__(self, context: JobContext, job: JobValue) -> None:
        self.context = context
        self.job = job
        self.errors: list[RestoreError] = []
        self._progress = ReadProgress()
        self._written_bytes = 0
        self._restored = 0
        """Files and links."""
        self._total_bytes = 0
        self._has_begun = bool(job.options.get(BEGUN))

    async def attempt(self) -> AttemptEnd:
        """Reads from the first copy; what is damaged there comes from the next one, by name."""
        context = self.context
        scope, candidates = await context.store.read(self._candidates)
        libraries, offline = await probe_libraries(context, scope)
        self._total_bytes = candidates[0].source.backup_job.size_bytes
        await context.update(
            phase=Phase.RESTORE,
            backup_jobs_total=1,
            bytes_total=self._total_bytes,
            streams=RESTORE_STREAMS,
            streams_limited_by="",
        )
        follower = asyncio.create_task(self._follow())
        try:
            return await self._from_any(candidates, libraries, offline)
        except Cancelled:
            return AttemptEnd(kind="cancelled", reason=context.cancel.reason)
        finally:
            follower.cancel()

    async def _from_any(
        self,
        candidates: list[Candidate],
        libraries: dict[int, Library],
        offline: dict[int, LibraryOffline],
    ) -> AttemptEnd:
        globs = asked(self.job.options)
        wanted = wanted_of(self.job.options)
        for candidate in candidates:
            library_id = candidate.copy.library_id
            if not candidate.source.is_landing and library_id in offline:
                await self._passed_over(candidate, b"", offline[library_id])
                continue
            library = None if library_id is None else libraries.get(library_id)
            try:
                result = await self._restore(candidate, library, wanted)
            except (SourceError, ManifestError, LibraryOffline, NotFoundError) as err:
                await self._passed_over(candidate, b"", err)
                await self._remember(candidate.located, library, [err])
                continue
            if result.refused:
                return await self._refused(result, candidate.copy.name)
            self._written_bytes += result.size_bytes
            self._restored += result.files + result.links + result.rests
            restored = result.files or result.directories or result.links or self._written_bytes
            if globs and not (restored or result.failed):
                return self._nothing_matches(globs)
            if not result.failed:
                return await self._done(candidate)
            for failed in result.failed:
                await self._passed_over(candidate, failed.path, result.told(failed))
            await self._remember(
                candidate.located, library, [failed.error for failed in result.failed]
            )
            wanted = once_more(wanted_of(self.job.options), result.failed)
        reason = self.errors[-1].error.message if self.errors else "no copy could be read"
        await self.context.update(
            backup_jobs_failed=1,
            errors=len(self.errors),
            # What is right, not what was read.
            bytes_done=min(self._written_bytes, self._total_bytes),
        )
        state = JobState.COMPLETED_WITH_ERRORS if self._restored else JobState.FAILED
        return AttemptEnd(kind="ended", state=state, reason=reason, exit_code=1)

    async def _done(self, candidate: Candidate) -> AttemptEnd:
        note = f"restored from copy {candidate.copy.name}"
        if self.errors:
            note += f", after {len(self.errors)} damaged or unreadable on other copies"
        # What was asked for is there: a part of the backup job, or all of it, some of it read twice.
        written = min(self._written_bytes, self._total_bytes)
        await self.context.update(
            backup_jobs_done=1, bytes_done=written, bytes_total=written, description=note
        )
        await self.context.event("restore.done", f"{note} to {shown(self.job.options['to'])}")
        self.errors.clear()
        return AttemptEnd(kind="ended", state=JobState.COMPLETED, bytes_done=written)

    def _nothing_matches(self, globs: list[str]) -> AttemptEnd:
        return AttemptEnd(
            kind="ended",
            state=JobState.FAILED,
            reason=f"nothing in the backup job matches {shown(', '.join(globs))}: "
            "nothing was restored",
            exit_code=EXIT_FAILED,
        )

    async def _refused(self, result: RestoreResult, copy: str) -> AttemptEnd:
        first = ", ".join(shown(path) for path in result.refused[:3])
        note = "what was restored before stays" if self._has_begun else "nothing was written"
        more = f" and {len(result.refused) - 3} more" if len(result.refused) > 3 else ""
        advice = "restore elsewhere, or replace files (--overwrite)"
        if result.is_stuck:
            advice = "restore elsewhere, or move it away: no directory is replaced, nor by one"
        self.errors += [
            RestoreError(copy, path, UsageError("it is there already", hint=advice))
            for path in result.refused[:REFUSED_NAMED]
        ]
        await self.context.update(backup_jobs_failed=1, errors=len(self.errors))
        return AttemptEnd(
            kind="ended",
            state=JobState.FAILED,
            reason=f"refused: in {shown(self.job.options['to'])} there is already {first}{more}; "
            f"{note} ({advice})",
            exit_code=EXIT_USAGE,
        )

    async def _follow(self) -> None:
        """Tells the catalog twice a second how far it is."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            snapshot = self._progress.snapshot()
            await self.context.update(
                bytes_done=min(snapshot.bytes_done, self._total_bytes),
                bytes_per_second=int(snapshot.bytes_per_second),
            )

    async def conclude(self) -> None:
        """Writes why copies were not used, when none was good."""
        backup_job_id = int(self.job.options["backup_job_id"])
        await write_faults(
            self.context,
            [
                JobFault(backup_job_id, one.copy_name, one.error, shown(one.path))
                for one in self.errors
            ],
        )

    def _candidates(self, session: Session) -> tuple[Scope, list[Candidate]]:
        options = self.job.options
        backup_job = ledger.backup_job(session, int(options["backup_job_id"]))
        scope = scope_of(session, self.job)
        copies = candidates_of(session, scope.policy.id, backup_job.id, options.get("copy"))
        locator = Locator(session, self.context.home, scope)
        return scope, [Candidate(located=locator.find(copy.id, backup_job.id)) for copy in copies]

    async def _restore(
        self,
        candidate: Candidate,
        library: Library | None,
        wanted: Callable[[RelPath], bool] | None,
    ) -> RestoreResult:
        options = self.job.options
        source = candidate.source.reading_from(library)
        await aiofiles.os.wrap(check_manifest)(candidate.located, library)
        reader = await aiofiles.os.wrap(source.open_original)()
        try:
            result = await restore_job(
                reader,
                os.fsencode(options["to"]),
                cancel=self.context.cancel,
                throttle=self.context.throttle,
                progress=self._progress,
                only=wanted,
                overwrite=bool(options.get("overwrite")),
                goes_on=self._has_begun,
                begin=self._begin,
                keeps_rests=options.get("copy") is not None,
            )
        finally:
            reader.close()
        for warning in result.warnings:
            await self.context.event("restore.warning", warning, Severity.WARNING)
        return result

    async def _begin(self) -> None:
        """Remembers, before anything is written, that what lies in the target may be ours."""
        if not self._has_begun:
            self._has_begun = True
            await self.context.update(options={**self.job.options, BEGUN: True})

    async def _remember(
        self, one: Located, library: Library | None, errors: list[AuxError]
    ) -> None:
        """Damage that was read is told the ledger, unless its library just went away."""
        kinds = _DAMAGE if library is None else (*_DAMAGE, SourceMissing)
        found = [error for error in errors if isinstance(error, kinds)]
        if not found:
            return
        if library is not None:
            try:
                await aiofiles.os.wrap(library.probe)()
            except LibraryOffline:
                return
        for error in found:
            error.hint = error.hint or DAMAGED_HINT
        reason, before = found[0].message, one.line
        if len(found) > 1:
            reason = f"{len(found)} damaged files, the first {reason}"
        context, now = self.context, self.context.clock()

        def write(session: Session) -> None:
            line = ledger.job_copy(session, *one.pair)
            # A bad one keeps what was said of it; one that was copied since is another.
            if line and (line.state, line.copied_at) == (JobCopyState.AVAILABLE, before.copied_at):
                record_damage(session, one, reason, job_id=context.job_id, now=now)

        await context.store.write(write)

    async def _passed_over(self, candidate: Candidate, path: bytes, error: AuxError) -> None:
        self.errors.append(RestoreError(candidate.copy.name, path, error))
        what = shown(path) if path else "the whole backup job"
        await self.context.event(
            "restore.fallback",
            f"copy {candidate.copy.name} cannot give {what}: {error.message}",
            Severity.WARNING,
        )


def scope_of(session: Session, job: JobValue) -> Scope:
    """The configuration of a restore, with the identity files that it was given first."""
    scope = load_scope(session, job.policy)
    files = (*job.options.get("identity_files", []), *scope.identity_files)
    return replace(scope, identity_files=files)
