"""What a run has done stands in its row at its end, whatever was being written when it ended."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from engine.catalog import jobs
from engine.operations import progress
from engine.transfer.progress import InFlight


class Store:
    """A catalog whose first write takes as long as the test wants."""

    def __init__(self) -> None:
        self.is_writing, self.may_go_on = asyncio.Event(), asyncio.Event()

    async def write(self, work: Any) -> None:
        work(None)
        self.is_writing.set()
        await self.may_go_on.wait()


async def test_a_run_that_ends_while_its_progress_is_written_is_told_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(progress, "INTERVAL_S", 0)
    monkeypatch.setattr(jobs, "load_job", lambda *_: SimpleNamespace(bytes_total=30))
    monkeypatch.setattr(jobs, "update_job", lambda *_, **columns: told.append(columns))
    monkeypatch.setattr(jobs, "replace_streams", lambda *_: None)
    monkeypatch.setattr(jobs, "add_rate_sample", lambda *_: None)
    store = Store()
    context: Any = SimpleNamespace(store=store, job_id=1, clock=lambda: datetime.now(UTC))
    copying: Any = SimpleNamespace(
        is_under_way=True, snapshots=list, bytes_reused=0, columns={"streams": 1}
    )
    tally: Any = SimpleNamespace(done={(1, 1): 10}, partial={}, failures=(), blocked=())
    reporter = progress.Progress(context, copying, tally, {}, shown_bytes=0, on_tick=lambda: None)
    following = asyncio.create_task(reporter.follow())
    await store.is_writing.wait()

    tally.done[1, 2] = 20
    reporter.stop()
    store.may_go_on.set()
    await following

    assert (told[-1]["backup_jobs_done"], told[-1]["bytes_done"]) == (2, 30)


def test_a_bar_is_at_its_end_when_everything_is_proven_there() -> None:
    total = 1000

    # a far server has taken every byte, and has proven nothing yet
    assert progress.reached(total, total, is_open=True) < total
    assert progress.time_left(1, 10**6, is_open=True) is None
    # on the way, and at the end
    assert progress.reached(400, total, is_open=True) == 400
    assert progress.time_left(600, 100, is_open=True) == 6
    assert progress.reached(total, total, is_open=False) == total
    assert progress.time_left(0, 100, is_open=False) == 0
    assert progress.reached(0, 0, is_open=True) == 0


async def test_bytes_on_their_way_are_not_all_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(progress, "INTERVAL_S", 0)
    monkeypatch.setattr(jobs, "load_job", lambda *_: SimpleNamespace(bytes_total=30))
    monkeypatch.setattr(jobs, "update_job", lambda *_, **columns: told.append(columns))
    monkeypatch.setattr(jobs, "replace_streams", lambda *_: None)
    monkeypatch.setattr(jobs, "add_rate_sample", lambda *_: None)
    monkeypatch.setattr(progress.ledger, "set_progress", lambda *_: None)
    store = Store()
    context: Any = SimpleNamespace(store=store, job_id=1, clock=lambda: datetime.now(UTC))
    flying = InFlight(1, "offsite", chunks_done=0, bytes_done=0, bytes_moved=30)
    run = SimpleNamespace(in_flight=(flying,), bytes_per_second=9.0, bytes_reused=0, streams=())
    copying: Any = SimpleNamespace(
        is_under_way=True, snapshots=lambda: [("here", run)], bytes_reused=0, columns={}
    )
    tally: Any = SimpleNamespace(done={}, partial={}, failures=(), blocked=())
    reporter = progress.Progress(
        context, copying, tally, {"offsite": 1}, shown_bytes=0, on_tick=lambda: None
    )
    following = asyncio.create_task(reporter.follow())
    await store.is_writing.wait()
    tally.partial[1, 1] = 30
    run.in_flight = ()
    reporter.stop()
    store.may_go_on.set()
    await following

    assert (told[0]["bytes_done"], told[0]["seconds_left"]) == (29, None)
    # journaled to its last byte, and not published: as little at its end
    assert (told[-1]["bytes_done"], told[-1]["seconds_left"]) == (29, None)
