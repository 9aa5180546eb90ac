"""What a backup can go on from: the index of the one before, here or fetched from a copy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from sqlmodel import Session

from engine.archive.index_file import IndexFile
from engine.catalog import ledger
from engine.catalog.home import Home
from engine.catalog.values import SubclientValue
from engine.model.errors import AuxError, LibraryOffline
from engine.model.states import JobCopyState
from engine.operations.context import JobContext
from engine.operations.indexes import fetch_index, open_index
from engine.operations.jobcopies import Located, Locator
from engine.operations.planning import Scope
from engine.operations.probing import probe_one
from engine.operations.sources import Source
from engine.policy.backup import Before
from engine.transfer.pool import in_thread


@dataclass(frozen=True, slots=True)
class Base:
    """The last backup of a subclient, with its open index."""

    before: Before
    index: IndexFile


async def find_base(context: JobContext, scope: Scope, subclient: SubclientValue) -> Base | None:
    """The newest backup of a subclient; None when there is none, or its index is nowhere."""

    def newest(session: Session) -> int:
        made = ledger.backup_jobs_of(session, subclient.id)
        return max((one.id for one in made), default=0)

    job_id = await context.store.read(newest)
    index = await obtain_index(context, scope, job_id) if job_id else None
    if index is None:
        return None
    needed = (*index.end.jobs, job_id)

    def missing(session: Session) -> tuple[int, ...]:
        return tuple(
            one
            for one in dict.fromkeys(needed)
            if not available_copies(session, context, scope, one)
        )

    header = index.header
    before = Before(
        job_id=job_id,
        cycle=header.cycle,
        content=header.content,
        exclude=header.exclude,
        one_file_system=header.one_file_system,
        not_available=await context.store.read(missing),
    )
    return Base(before, index)


async def obtain_index(
    context: JobContext, scope: Scope, backup_job_id: int, *, named: str | None = None
) -> IndexFile | None:
    """The index of a backup job, kept here or fetched from any copy of it; None: from none.

    The caller closes it. A copy that is named is asked even if it is bad.
    """
    home = context.home
    index = await in_thread(lambda: open_index(home, backup_job_id), context.cancel)
    if index is not None:
        return index
    copies = await context.store.read(
        lambda s: available_copies(s, context, scope, backup_job_id, named=named)
    )
    for one in copies:
        value = scope.library_of(one.copy.id)
        if value is None:
            continue
        library = await probe_one(context.store, context.clock, value, scope.commcell_id)
        if isinstance(library, LibraryOffline):
            continue
        source = one.source.reading_from(library)
        try:
            index = await in_thread(partial(_fetched, home, source), context.cancel)
        except AuxError as err:
            context.cancel.raise_if_cancelled()
            await context.event(
                "index.unreadable",
                f"copy {one.copy.name} cannot give the index of backup job {backup_job_id}: "
                f"{err.message}",
            )
            continue
        if index is not None:
            return index
    return None


def _fetched(home: Home, source: Source) -> IndexFile | None:
    reader = source.open_original()
    try:
        fetch_index(home, reader)
    finally:
        reader.close()
    return open_index(home, source.backup_job.id)


def available_copies(
    session: Session,
    context: JobContext,
    scope: Scope,
    backup_job_id: int,
    *,
    named: str | None = None,
) -> list[Located]:
    """Job copies that can give a backup job back, the primary first, then by precedence.

    On a copy that is named one that is bad too: what is right of it can still be read.
    """
    locator = Locator(session, context.home, scope)
    found = [
        locator.located(line)
        for line in ledger.copies_of(session, backup_job_id)
        if line.copy_id in scope.copies
        and (
            line.state is JobCopyState.AVAILABLE
            or (line.state is JobCopyState.BAD and scope.copies[line.copy_id].name == named)
        )
    ]
    primary_id = scope.primary.id
    return sorted(
        found, key=lambda one: (one.copy.id != primary_id, one.copy.precedence, one.copy.id)
    )
