"""Requests that come in the very moment in which a job ends, or begins to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session

from engine.catalog import config, jobs
from engine.catalog.opening import open_catalog
from engine.catalog.values import ActivityValue, JobValue
from engine.control import joblife
from engine.control.controller import Controller
from engine.control.joblife import JobLife, RunningJob
from engine.model.clock import system_clock
from engine.model.errors import JobStateError
from engine.model.states import JobState, LibraryState, Operation
from engine.operations.context import AttemptEnd, JobContext
from engine.operations.gates import Gates
from engine.operations.store import Store
from tests.cell import Cell

Act = Callable[[Controller, JobValue], Coroutine[Any, Any, None]]


async def with_a_job(cell: Cell, act: Act) -> JobValue:
    """The job of a catalog after something was done with it by a controller without a task for it."""
    cell.apply()
    with open_catalog(cell.home) as catalog:
        store = Store(catalog)
        try:
            job_id = await store.write(
                lambda s: jobs.create_job(
                    s,
                    operation=Operation.AUXCOPY,
                    policy_id=1,
                    policy="databases",
                    copies=["offsite"],
                    options={},
                    description="",
                    priority=5,
                    initiated_by="test",
                    state=JobState.RUNNING,
                    reason="",
                    throttle_bps=None,
                    now=datetime.now(UTC),
                )
            )
            controller = Controller(cell.home, store, system_clock, 1)
            await act(controller, await controller.journal.job(job_id))
            return await controller.journal.job(job_id)
        finally:
            store.close()


@pytest.mark.parametrize("asked", ["suspend", "kill"])
async def test_a_job_that_ends_while_it_is_asked_stays_ended(cell: Cell, asked: str) -> None:
    async def act(controller: Controller, seen: JobValue) -> None:
        await controller.journal.finish(seen.id, JobState.COMPLETED, "", 0)
        with pytest.raises(JobStateError, match=f"job {seen.id} has ended"):
            await getattr(controller, asked)(seen)

    job = await with_a_job(cell, act)

    assert (job.state, job.desired) == ("completed", "run")


async def test_a_job_that_fails_as_a_whole_counts_as_many_errors_as_it_lists(cell: Cell) -> None:
    async def act(controller: Controller, seen: JobValue) -> None:
        await controller.journal.finish(seen.id, JobState.FAILED, "no space", 1, hint="add a disk")

    job = await with_a_job(cell, act)

    with open_catalog(cell.home) as catalog, catalog.read() as session:
        assert job.errors == len(jobs.errors(session, job.id)) == 1


def entry_of(controller: Controller, job: JobValue) -> RunningJob:
    return RunningJob(JobContext(
        job_id=job.id,
        home=controller.home,
        store=controller.store,
        clock=system_clock,
        pool=controller.pool,
    ))  # fmt: skip


async def test_a_pending_job_that_is_resumed_at_once_does_not_wait(cell: Cell) -> None:
    async def act(controller: Controller, seen: JobValue) -> None:
        entry = controller.running[seen.id] = entry_of(controller, seen)
        still = controller.journal.still

        async def still_and_resumed(*told: Any) -> None:
            await still(*told)
            await controller.resume(await controller.journal.job(seen.id))

        controller.journal.still = still_and_resumed  # type: ignore[method-assign]  # the worst instant
        life = JobLife(entry, controller.journal, 1)
        end = AttemptEnd(kind="retry", state=JobState.FAILED, reason="offline")
        async with asyncio.timeout(240):
            await life._pause(end, 3600.0, 1)

    job = await with_a_job(cell, act)

    assert job.state == "pending"


@pytest.mark.parametrize("moment", ["while it waits", "when it begins to wait"])
async def test_a_pending_job_goes_on_when_its_library_is_found_back(
    cell: Cell, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setattr(joblife, "LOOK_AGAIN_S", 0.01)

    async def act(controller: Controller, seen: JobValue) -> None:
        async def found(state: LibraryState) -> None:
            await controller.store.write(lambda s: find_vault(s, state))

        entry = entry_of(controller, seen)
        life, journal = JobLife(entry, controller.journal, 1), controller.journal
        still, nap = journal.still, life._nap

        async def still_and_found(*told: Any) -> None:
            await still(*told)
            await found(LibraryState.ONLINE)

        async def nap_and_found(seconds: float) -> bool:
            await found(LibraryState.ONLINE)
            return await nap(seconds)

        await found(LibraryState.OFFLINE)
        if moment == "while it waits":
            monkeypatch.setattr(life, "_nap", nap_and_found)
        else:
            monkeypatch.setattr(journal, "still", still_and_found)
        end = AttemptEnd(kind="retry", state=JobState.FAILED, reason="offline")
        async with asyncio.timeout(240):
            await life._pause(end, 3600.0, 1)

    job = await with_a_job(cell, act)

    assert job.state == "pending"


def find_vault(session: Session, state: LibraryState) -> None:
    (vault,) = (one for one in config.libraries(session) if one.name == "vault")
    config.set_library_state(session, vault.id, state, "", None, None, system_clock())


async def test_what_held_a_job_and_is_gone_before_it_waits_is_not_waited_for(cell: Cell) -> None:
    async def act(controller: Controller, seen: JobValue) -> None:
        now = system_clock()
        off = ActivityValue(node="commcell", off_until=None, by="test", at=now)
        end = AttemptEnd(
            kind="held", reason="off", until=now + timedelta(days=1), gates=Gates((), (off,))
        )
        life = JobLife(entry_of(controller, seen), controller.journal, 1)
        async with asyncio.timeout(240):
            await life._wait_for(end)  # it is switched on since

    job = await with_a_job(cell, act)

    assert job.state == "queued"
