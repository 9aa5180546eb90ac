"""Restore of what auxtui itself backed up: as of a backup job, from every archive that holds some of it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from sqlmodel import Session

from engine.archive.index import DELETED, DEVICE, FIFO, FILE, IndexEntry
from engine.archive.index_file import IndexFile
from engine.catalog.values import JobValue
from engine.library.interface import Library
from engine.model.entries import Entry
from engine.model.errors import (
    EXIT_FAILED,
    AuxError,
    Cancelled,
    LibraryOffline,
    ManifestError,
    SourceCorrupt,
    UnsafeName,
)
from engine.model.names import RelPath, shown
from engine.model.states import JobState, Phase, Severity
from engine.operations.asked_paths import asked, wanted_of
from engine.operations.backup_base import available_copies, obtain_index
from engine.operations.context import AttemptEnd, JobContext
from engine.operations.jobcopies import Located
from engine.operations.planning import Scope
from engine.operations.probing import probe_libraries
from engine.operations.restore import Restore, RestoreError, scope_of
from engine.transfer.archive_frames import Archive, CopyOpener, FrameCache
from engine.transfer.archived import ArchivedJob, metadata_of, restorable
from engine.transfer.pool import in_thread
from engine.transfer.restoring import KEPT_AT_MOST, RESTORE_STREAMS, RestoreResult, restore_job
from engine.transfer.target import RestoreTarget

MAX_NOTES = 100  # of copies that could not give something


class Survey(NamedTuple):
    """What a first reading of the whole index finds; every further one costs as much again."""

    holders: frozenset[int]
    """Backup jobs that hold bytes of what is wanted."""
    nodes: tuple[IndexEntry, ...]
    """Wanted named pipes and devices."""
    unsure: int
    """How much of what is wanted changed, or could not be read, while it was backed up."""
    listed: tuple[Entry, ...] | None
    """All that can be restored, wanted or not, so that nobody reads it again; None: too much to keep."""


class ContentRestore(Restore):
    """One run of a restore of backed-up content."""

    def __init__(self, context: JobContext, job: JobValue) -> None:
        super().__init__(context, job)
        self._notes: list[RestoreError] = []
        self._noted: set[tuple[str, int, str]] = set()
        self._lock = threading.Lock()
        self._unsure = 0
        self._damaged: dict[tuple[str, int], AuxError] = {}
        """By copy and backup job the first damage that was read."""
        copy = job.options.get("copy")
        self._named = None if copy is None else str(copy)

    async def attempt(self) -> AttemptEnd:
        """Reads what is wanted, and no more than the frames that hold it."""
        context = self.context
        backup_job_id = int(self.job.options["backup_job_id"])
        scope = await context.store.read(lambda s: scope_of(s, self.job))
        found = await self._surveyed(scope, backup_job_id)
        if found is None:
            return _failed(f"no copy can give the index of backup job {backup_job_id}")
        index, survey = found
        self._unsure = survey.unsure
        self._total_bytes = index.end.size_bytes
        await context.update(
            phase=Phase.RESTORE,
            backup_jobs_total=1,
            bytes_total=self._total_bytes,
            streams=RESTORE_STREAMS,
            streams_limited_by="",
        )
        follower = asyncio.create_task(self._follow())
        try:
            return await self._from_archives(scope, index, survey)
        except Cancelled:
            return AttemptEnd(kind="cancelled", reason=context.cancel.reason)
        finally:
            follower.cancel()
            await self._tell_notes()

    async def _surveyed(self, scope: Scope, backup_job_id: int) -> tuple[IndexFile, Survey] | None:
        """The index, every part of it proved; one that is damaged here is fetched anew."""
        home, wanted = self.context.home, wanted_of(self.job.options) or _every
        for _ in range(2):
            index = await obtain_index(self.context, scope, backup_job_id, named=self._named)
            if index is None:
                return None
            try:
                survey = await in_thread(partial(_survey, index, wanted), self.context.cancel)
                return index, survey
            except (ManifestError, UnsafeName) as err:
                index.close()
                home.index(backup_job_id).unlink(missing_ok=True)
                await self.context.event("index.damaged", err.message, Severity.WARNING)
        return None

    async def _from_archives(self, scope: Scope, index: IndexFile, survey: Survey) -> AttemptEnd:
        archives = await self._archives(scope, index)
        header = await self.context.store.read(partial(self._header, scope))
        reader = ArchivedJob(header, index, archives, survey.listed)
        try:
            locked = await in_thread(
                partial(reader.why_locked, survey.holders), self.context.cancel
            )
            if locked is not None:
                return await self._locked(locked)
            result = await self._into_target(reader, survey)
        except (ManifestError, LibraryOffline) as err:
            return _failed(err.message)
        finally:
            reader.close()
        return await self._end(result)

    async def _locked(self, error: AuxError) -> AttemptEnd:
        """Nothing is written for an archive that only a key opens: with the key all of it comes."""
        self.errors = [RestoreError("", b"", error)]
        await self.context.update(backup_jobs_failed=1, errors=1)
        return _failed(f"{error.message}: nothing was written; {error.hint}")

    async def _into_target(self, reader: ArchivedJob, survey: Survey) -> RestoreResult:
        options, context = self.job.options, self.context
        result = await restore_job(
            reader,
            os.fsencode(options["to"]),
            cancel=context.cancel,
            throttle=context.throttle,
            progress=self._progress,
            only=wanted_of(options),
            overwrite=bool(options.get("overwrite")),
            goes_on=self._has_begun,
            begin=self._begin,
            beside=partial(_make_nodes, survey.nodes),
            keeps_rests=self._named is not None,
        )
        for warning in result.warnings[:MAX_NOTES]:
            await context.event("restore.warning", warning, Severity.WARNING)
        return result

    async def _end(self, result: RestoreResult) -> AttemptEnd:
        if result.refused:
            return await self._refused(result, "")
        self._written_bytes += result.size_bytes
        restored = result.files or result.directories or result.links or result.rests
        if not restored and not result.failed:
            return self._nothing_matches(asked(self.job.options))
        failed = len(result.failed)
        count = result.files + result.links
        note = f"restored {count} {'file or link' if count == 1 else 'files and links'}"
        if self._notes:
            note += ", some from another copy than the first"
        if self._unsure:
            note += (
                f"; {self._unsure} of them changed or could not be read while they were backed up"
            )
        await self.context.event(
            "restore.done",
            f"{note} to {shown(self.job.options['to'])}",
            Severity.WARNING if self._unsure else Severity.INFO,
        )
        if not failed:
            await self.context.update(
                backup_jobs_done=1,
                bytes_done=self._written_bytes,
                bytes_total=self._written_bytes,
                description=note,
            )
            return AttemptEnd(
                kind="ended", state=JobState.COMPLETED, bytes_done=self._written_bytes
            )
        self.errors = [RestoreError("", one.path, result.told(one)) for one in result.failed]
        await self.context.update(backup_jobs_failed=1, errors=failed)
        state = JobState.COMPLETED_WITH_ERRORS if restored else JobState.FAILED
        return AttemptEnd(
            kind="ended", state=state, reason=self.errors[0].error.message, exit_code=EXIT_FAILED
        )

    async def _archives(self, scope: Scope, index: IndexFile) -> dict[int, Archive]:
        """The archives that hold the bytes, each on the copies that can give it."""
        libraries, _ = await probe_libraries(self.context, scope)
        cache = FrameCache()
        found: dict[int, Archive] = {}
        for job_id in index.end.jobs:
            copies = await self.context.store.read(partial(self._copies, scope, job_id))
            openers = [CopyOpener(one.copy.name, partial(_open, one, libraries)) for one in copies]
            own = await obtain_index(self.context, scope, job_id, named=self._named)
            if own is None:
                continue
            try:
                found[job_id] = await in_thread(
                    partial(Archive, own, openers, cache, self._note), self.context.cancel
                )
            finally:
                own.close()
        return found

    def _copies(self, scope: Scope, job_id: int, session: Session) -> list[Located]:
        named = self._named
        return [
            one
            for one in available_copies(session, self.context, scope, job_id, named=named)
            if named is None or one.copy.name == named
        ]

    def _header(self, scope: Scope, session: Session) -> Any:
        backup_job_id = int(self.job.options["backup_job_id"])
        copies = available_copies(session, self.context, scope, backup_job_id, named=self._named)
        return copies[0].source.header

    def _note(self, copy: str, job_id: int, error: AuxError) -> None:
        """Called from the threads that read."""
        with self._lock:
            if isinstance(error, (SourceCorrupt, ManifestError)):
                self._damaged.setdefault((copy, job_id), error)
            key = (copy, job_id, error.message)
            if key not in self._noted and len(self._notes) < MAX_NOTES:
                self._noted.add(key)
                self._notes.append(RestoreError(copy, b"", error))

    async def _tell_notes(self) -> None:
        if self._damaged:
            await self._remember_damage()
        for note in self._notes:
            await self.context.event(
                "restore.fallback",
                f"copy {note.copy_name} cannot give a part: {note.error.message}",
                Severity.WARNING,
            )

    async def _remember_damage(self) -> None:
        scope = await self.context.store.read(lambda s: scope_of(s, self.job))
        libraries, _ = await probe_libraries(self.context, scope)
        for (name, job_id), error in self._damaged.items():
            for one in await self.context.store.read(partial(self._copies, scope, job_id)):
                library = libraries.get(one.copy.library_id or 0)
                if one.copy.name == name and library is not None:
                    await self._remember(one, library, [error])


def _open(one: Located, libraries: dict[int, Library]) -> Any:
    return one.opened_from(libraries).open_original()


def _survey(index: IndexFile, wanted: Callable[[RelPath], bool]) -> Survey:
    """Reads every part.

    Raises:
        ManifestError: one is damaged.
        UnsafeName: a path that must not be followed.
    """
    holders: set[int] = set()
    nodes: list[IndexEntry] = []
    unsure = 0
    listed: list[Entry] | None = [] if index.end.entries <= KEPT_AT_MOST else None
    for entry in index.entries():
        if listed is not None and (found := restorable(entry)) is not None:
            listed.append(found)
        if entry.kind == DELETED or not wanted(RelPath(entry.path)):
            continue
        unsure += entry.unsure
        if entry.kind == FILE and entry.size:
            holders.add(entry.job)
        elif entry.kind in (FIFO, DEVICE):
            nodes.append(entry)
    index.frames()
    kept = None if listed is None else tuple(listed)
    return Survey(frozenset(holders), tuple(nodes), unsure, kept)


def _make_nodes(nodes: Sequence[IndexEntry], target: RestoreTarget) -> None:
    """Named pipes and devices, which hold no bytes."""
    for entry in nodes:
        target.make_node(RelPath(entry.path), _kind_of(entry), entry.device, metadata_of(entry))


def _kind_of(entry: IndexEntry) -> int:
    if entry.kind == FIFO:
        return 0o010000
    return 0o060000 if entry.size else 0o020000


def _every(_path: RelPath) -> bool:
    return True


def _failed(reason: str) -> AttemptEnd:
    return AttemptEnd(kind="ended", state=JobState.FAILED, reason=reason, exit_code=EXIT_FAILED)
