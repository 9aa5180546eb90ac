"""The backup operation: content is read, compressed and published as a job copy of the primary.

A backup that is stopped begins anew: a half of it would be a mixture of two times. What is
published has the id of the job that made it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlmodel import Session

from engine.archive.packing import PackResult
from engine.catalog import config, jobs, ledger
from engine.catalog.values import JobItem, JobValue, SubclientValue
from engine.library.interface import Library, Place
from engine.model.entries import ManifestHeader
from engine.model.errors import (
    EXIT_FAILED,
    AuxError,
    Cancelled,
    DestinationError,
    LibraryOffline,
    ManifestError,
    SourceError,
)
from engine.model.names import shown
from engine.model.states import (
    FINAL_JOB_STATES,
    JobCopyState,
    JobState,
    Level,
    LibraryState,
    Operation,
    Phase,
    Severity,
)
from engine.operations.backup_base import Base, find_base
from engine.operations.backup_run import (
    BackupRun,
    Packed,
    Task,
    discard_partial,
    published_before,
)
from engine.operations.context import AttemptEnd, JobContext
from engine.operations.deciding import settle_policy
from engine.operations.planning import Scope, load_scope
from engine.operations.probing import probe_one
from engine.operations.progress import INTERVAL_S
from engine.policy.backup import Amount, LevelDecision, choose_level, shrunk
from engine.transfer.pool import in_thread
from engine.transfer.progress import ReadProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the catalog says of a backup before it begins."""

    scope: Scope
    subclient: SubclientValue
    newest_job_id: int
    newest_cycle: int


class Backup:
    """One backup of one subclient."""

    def __init__(self, context: JobContext, job: JobValue) -> None:
        self.context = context
        self.job = job
        self._progress = ReadProgress()
        self._errors: list[tuple[bytes, str]] = []

    async def attempt(self) -> AttemptEnd:
        """Reads everything that is to be backed up, from the beginning."""
        context = self.context
        setting = await context.store.read(self._setting)
        primary = setting.scope.primary
        value = setting.scope.libraries[setting.scope.library_id(primary.id)]
        library = await probe_one(context.store, context.clock, value, setting.scope.commcell_id)
        if isinstance(library, LibraryOffline):
            return self._of_storage(library)
        await context.update(
            phase=Phase.BACKUP,
            backup_jobs_total=1,
            bytes_total=setting.subclient.believed_bytes,
            streams=1,
            streams_limited_by="",
        )
        self._progress = ReadProgress()
        self._errors.clear()
        follower = asyncio.create_task(self._follow())
        try:
            return await self._back_up(
                setting, library, Place(setting.scope.policy.name, primary.name)
            )
        except Cancelled:
            return AttemptEnd(kind="cancelled", reason=context.cancel.reason)
        except (DestinationError, LibraryOffline) as err:
            return self._of_storage(err)
        except SourceError as err:
            return self._failed(err.message)
        finally:
            follower.cancel()

    async def conclude(self) -> None:
        """Names what is not in the backup as it should be."""
        now = self.context.clock()

        def write(session: Session) -> None:
            for path, why in self._errors:
                jobs.add_error(
                    session,
                    self.context.job_id,
                    backup_job_id=self.job.id,
                    copy_name="",
                    path=shown(b"/" + path),
                    error=why,
                    hint="",
                    now=now,
                )

        await self.context.store.write(write)

    def _setting(self, session: Session) -> Setting:
        subclient = config.content_subclient(session, str(self.job.options["subclient"]))
        policy = next(p for p in config.policies(session) if p.id == subclient.policy_id)
        made = ledger.backup_jobs_of(session, subclient.id)
        return Setting(
            scope=load_scope(session, policy.name),
            subclient=subclient,
            newest_job_id=max((one.id for one in made), default=0),
            newest_cycle=max((one.cycle for one in made), default=0),
        )

    async def _back_up(self, setting: Setting, library: Library, place: Place) -> AttemptEnd:
        context = self.context
        found = await in_thread(
            lambda: published_before(context.home, library, place, self.job.id), context.cancel
        )
        if found is not None:  # killed between its publication and the catalog
            await context.event("backup.found", "the backup was published before the crash")
            return await self._registered(setting, found)
        await self._sweep(library, place)
        base, decision = await self._level(setting)
        try:
            task = self._task(setting, library, place, base, decision)
            run = BackupRun(task, context.cancel, context.throttle, self._progress)
            return await self._run(setting, run, decision)
        except ManifestError as err:
            if base is None:
                raise
            # The index here is damaged: the next try fetches it from a copy, or makes a full.
            context.home.index(base.before.job_id).unlink(missing_ok=True)
            return self._again(err.message)
        finally:
            if base is not None:
                base.index.close()

    async def _sweep(self, library: Library, place: Place) -> None:
        """Removes what backups have left that were killed together with the service."""
        left = await in_thread(lambda: library.partial(place), self.context.cancel)

        def ended(session: Session) -> list[int]:
            return [
                job_id
                for job_id in left
                if (job := jobs.find_job(session, job_id)) is not None
                and job.operation == Operation.BACKUP
                and job.state in FINAL_JOB_STATES
            ]

        for job_id in await self.context.store.read(ended):
            await in_thread(partial(discard_partial, library, place, job_id), self.context.cancel)

    async def _level(self, setting: Setting) -> tuple[Base | None, LevelDecision]:
        context, subclient = self.context, setting.subclient
        asked = Level(str(self.job.options.get("level") or subclient.level))
        base = await find_base(context, setting.scope, subclient)
        decision = choose_level(
            asked,
            None if base is None else base.before,
            newest_job_id=setting.newest_job_id,
            content=subclient.content,
            exclude=subclient.exclude,
            one_file_system=subclient.one_file_system,
        )
        if decision.reason:
            await context.event("backup.full", f"a full backup: {decision.reason}")
        if decision.level is Level.FULL and base is not None:
            base.index.close()
            base = None
        return base, decision

    def _task(
        self,
        setting: Setting,
        library: Library,
        place: Place,
        base: Base | None,
        decision: LevelDecision,
    ) -> Task:
        return Task(
            home=self.context.home,
            job_id=self.job.id,
            commcell_id=setting.scope.commcell_id,
            commcell=setting.scope.commcell,
            subclient=setting.subclient,
            library=library,
            library_urls=tuple(value.url for value in setting.scope.libraries.values()),
            place=place,
            base=None if base is None else base.index,
            level=decision.level,
            cycle=setting.newest_cycle + 1 if base is None else base.before.cycle,
            clock=self.context.clock,
        )

    async def _run(self, setting: Setting, run: BackupRun, decision: LevelDecision) -> AttemptEnd:
        context = self.context
        try:
            result = await in_thread(run.pack, context.cancel)
            refused = self._refused(setting, result, run.amount)
            if refused:
                self._errors = [(problem.path, problem.why) for problem in result.problems]
                await self._doubt(setting, "backup.vanished", refused)
                return self._failed(refused)
            await context.update(phase=Phase.PUBLISH)
            packed = await in_thread(run.publish, context.cancel)
        finally:
            await in_thread(run.close, context.cancel)
        return await self._registered(setting, packed, result, decision)

    async def _doubt(self, setting: Setting, code: str, why: str) -> None:
        """Says that a source is not what it was; aging stops at such a subclient and asks."""
        subclient, now = setting.subclient, self.context.clock()
        await self.context.store.write(
            lambda s: config.set_subclient_state(s, subclient.id, LibraryState.OFFLINE, why, now)
        )
        await self.context.event(
            code,
            f"{subclient.full_name}: {why}; nothing older of it is aged",
            Severity.ERROR,
            about=subclient.full_name,
            hint="look at the source; if it is right so: "
            f"auxtui backup {subclient.full_name} --accept",
        )

    def _forget_indexes(self, job_ids: list[int]) -> None:
        """Lets go the indexes of backup jobs that no copy has any more."""
        for job_id in job_ids:
            self.context.home.index(job_id).unlink(missing_ok=True)

    def _refused(self, setting: Setting, result: PackResult, amount: Amount) -> str:
        """Why nothing is made of what was found; empty when it is a backup."""
        roots = len(setting.subclient.content)
        if len(result.missing_roots) >= roots:
            return "none of its content is there; absence never means deleted"
        accepted = bool(self.job.options.get("accept"))
        if not amount.files and setting.subclient.believed_files and not accepted:
            return (
                f"its content is empty, and had {setting.subclient.believed_files} files before; "
                "mount it, or accept that with --accept"
            )
        return ""

    async def _registered(
        self,
        setting: Setting,
        packed: Packed,
        result: PackResult | None = None,
        decision: LevelDecision | None = None,
    ) -> AttemptEnd:
        """Tells the catalog of what is published."""
        context, subclient = self.context, setting.subclient
        header, now = packed.header, context.clock()
        before = Amount(files=subclient.believed_files, size_bytes=subclient.believed_bytes)
        accepted = bool(self.job.options.get("accept"))
        doubt = "" if accepted else shrunk(packed.amount, before, subclient.shrunk_pct)

        def write(session: Session) -> list[int]:
            if self.job.id not in ledger.backup_jobs(session, [self.job.id]):
                _add_backup_job(session, setting, packed, now)
            if doubt:
                config.set_subclient_state(session, subclient.id, LibraryState.OFFLINE, doubt, now)
            else:
                amount = packed.amount
                config.believe(session, subclient.id, amount.files, amount.size_bytes, now)
            settle_policy(session, setting.scope.policy.name, now)
            return _on_no_copy(session, subclient.id)

        unneeded = await context.store.write(write)
        if doubt:
            await self._doubt(setting, "backup.shrunk", doubt)
        elif subclient.state == LibraryState.OFFLINE:
            await context.event(
                "backup.believed",
                f"what was found of {subclient.full_name} is believed again",
                about=subclient.full_name,
            )
        await in_thread(partial(self._forget_indexes, unneeded), context.cancel)
        return await self._end(setting, packed, header, result, decision, doubt)

    async def _end(
        self,
        setting: Setting,
        packed: Packed,
        header: ManifestHeader,
        result: PackResult | None,
        decision: LevelDecision | None,
        doubt: str,
    ) -> AttemptEnd:
        context = self.context
        words = [f"{header.level} backup, {packed.amount.files} files"]
        if result is not None:
            if header.level == Level.INCREMENTAL:
                words.append(f"{result.archived} new or changed, {result.deleted} deleted")
            words += [f"{count} {what} left out" for what, count in sorted(result.left_out.items())]
            self._errors = [(problem.path, problem.why) for problem in result.problems]
        if decision is not None and decision.reason:
            words.append(f"full because {decision.reason}")
        await context.update(
            backup_jobs_done=1,
            bytes_done=self._progress.snapshot().bytes_done,
            bytes_total=self._progress.snapshot().bytes_done,
            description=self.job.description or "; ".join(words),
            errors=0 if result is None else result.problem_count,
        )
        await context.event("backup.done", "; ".join(words))
        problems = 0 if result is None else result.problem_count
        if not problems and not doubt:
            return AttemptEnd(kind="ended", state=JobState.COMPLETED)
        reason = doubt
        if problems:
            path, why = self._errors[0]
            reason = f"{shown(b'/' + path)} {why}"
            if problems > 1:
                reason += f", and {problems - 1} more"
        return AttemptEnd(
            kind="ended",
            state=JobState.COMPLETED_WITH_ERRORS,
            reason=reason,
            exit_code=EXIT_FAILED,
        )

    def _of_storage(self, error: AuxError) -> AttemptEnd:
        """Of an error of the library: another attempt where it may pass."""
        return self._again(error.message) if error.retryable else self._failed(error.message)

    def _again(self, reason: str) -> AttemptEnd:
        return AttemptEnd(kind="retry", state=JobState.FAILED, reason=reason, exit_code=EXIT_FAILED)

    def _failed(self, reason: str) -> AttemptEnd:
        return AttemptEnd(kind="ended", state=JobState.FAILED, reason=reason, exit_code=EXIT_FAILED)

    async def _follow(self) -> None:
        """Tells the catalog twice a second how far it is."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            snapshot = self._progress.snapshot()
            await self.context.update(
                bytes_done=snapshot.bytes_done, bytes_per_second=int(snapshot.bytes_per_second)
            )


def _add_backup_job(session: Session, setting: Setting, packed: Packed, now: datetime) -> None:
    header, primary = packed.header, setting.scope.primary
    ledger.add_backup_job(
        session,
        id=header.backup_job_id,
        subclient_id=setting.subclient.id,
        policy_id=setting.scope.policy.id,
        level=Level(header.level),
        name=b"",
        fingerprint="",
        cycle=header.cycle,
        started_at=datetime.fromisoformat(header.started_at),
        completed_at=datetime.fromisoformat(header.completed_at),
        adopted_at=datetime.fromisoformat(header.adopted_at),
        size_bytes=packed.size_bytes,
        files=packed.files,
        chunks=packed.chunks,
    )
    ledger.mark_available(
        session,
        primary.id,
        header.backup_job_id,
        manifest_digest=packed.manifest_digest,
        chunks=packed.chunks,
        size_bytes=packed.size_bytes,
        by_job=header.backup_job_id,
        now=now,
    )
    item = JobItem(
        job_id=header.backup_job_id,
        backup_job_id=header.backup_job_id,
        copy_id=primary.id,
        outcome="copied",
        size_bytes=packed.size_bytes,
        ended_at=now,
    )
    jobs.add_items(session, [item])


def _on_no_copy(session: Session, subclient_id: int) -> list[int]:
    """Backup jobs of a subclient that were aged off everywhere."""
    return [
        job.id
        for job in ledger.backup_jobs_of(session, subclient_id)
        if all(line.state == JobCopyState.AGED for line in ledger.copies_of(session, job.id))
    ]
