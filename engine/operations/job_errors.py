"""Writes what went wrong within a job, with what to do, for whoever asks about the job later."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlmodel import Session

from engine.catalog import jobs
from engine.model.errors import AuxError
from engine.operations.context import JobContext


class JobFault(NamedTuple):
    """One thing that went wrong."""

    backup_job_id: int
    """0: it concerns none."""
    copy_name: str
    error: AuxError
    path: str = ""
    """Of the file, inert; empty: the whole job copy."""


async def write_faults(context: JobContext, faults: Iterable[JobFault]) -> None:
    """Adds them to the errors of the job, in their order, in one transaction."""
    now, every = context.clock(), list(faults)

    def write(session: Session) -> None:
        for fault in every:
            jobs.add_error(
                session,
                context.job_id,
                backup_job_id=fault.backup_job_id,
                copy_name=fault.copy_name,
                path=fault.path,
                error=fault.error.message,
                hint=fault.error.hint,
                now=now,
            )

    await context.store.write(write)
