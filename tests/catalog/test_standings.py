"""How copies stand: measured from the ledger, kept, sampled, and read again by consoles."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from datetime import timedelta

import pytest

from engine.catalog import events, jobs, ledger, standings, tables
from engine.catalog.live import LiveCatalog
from engine.catalog.values import JobItem
from engine.control.watch import Watch
from engine.model.states import JobCopyState, JobState
from engine.operations.deciding import settle_policy
from engine.operations.standing import measure
from engine.operations.store import Store
from tests.catalog.estate import NOW, OFFSITE, adopt, new_job
from tests.clock import SettableClock

MIB = 1 << 20
DAY = timedelta(days=1)


@contextmanager
def watching(estate, moment=NOW):
    """A watch on a catalog that nobody serves, by a clock that can be set."""
    clock, store = SettableClock(moment), Store(estate)
    try:
        yield Watch(store, clock), clock
    finally:
        store.close()


def copied(session, backup_job_id, *, seconds, ended_at=NOW - 2 * DAY, size_bytes=100 * MIB):
    """A run that copied one backup job in so many seconds."""
    job_id = new_job(session, now=ended_at - timedelta(seconds=seconds))
    number = jobs.start_attempt(session, job_id, ended_at - timedelta(seconds=seconds))
    jobs.end_attempt(session, job_id, number, "completed", "", size_bytes, ended_at)
    jobs.update_job(session, job_id, state=JobState.COMPLETED, ended_at=ended_at)
    ledger.mark_available(
        session,
        OFFSITE,
        backup_job_id,
        manifest_digest=b"d" * 32,
        chunks=1,
        size_bytes=size_bytes,
        by_job=job_id,
        now=ended_at,
    )
    jobs.add_items(
        session,
        [
            JobItem(
                job_id=job_id,
                backup_job_id=backup_job_id,
                copy_id=OFFSITE,
                outcome="copied",
                size_bytes=size_bytes,
                seconds=seconds,
                ended_at=ended_at,
            )
        ],
    )
    return job_id


def offsite(estate, now=NOW):
    with estate.read() as session:
        return next(found for found in measure(session, now) if found.copy_id == OFFSITE)


def test_nothing_owed_and_nothing_known(estate):
    standing = offsite(estate)

    assert (standing.owed_jobs, standing.owed_bytes, standing.is_behind) == (0, 0, False)
    assert standing.forecast == "nothing to copy"


def test_owed_rate_income_and_forecast(estate):
    with estate.write() as session:
        old = adopt(
            session, name=b"old", days_ago=9, size_bytes=100 * MIB, adopted_at=NOW - 9 * DAY
        )
        copied(session, old, seconds=100)
        adopt(session, name=b"new", days_ago=3, size_bytes=60 * MIB, adopted_at=NOW - 3 * DAY)
        adopt(session, name=b"newer", days_ago=1, size_bytes=30 * MIB, adopted_at=NOW - DAY)
        settle_policy(session, "databases", NOW)

    standing = offsite(estate)

    assert (standing.owed_jobs, standing.owed_bytes) == (2, 90 * MIB)
    assert standing.oldest_due_at == NOW - 3 * DAY
    assert standing.rate_bps == MIB
    assert standing.income_bps == 190 * MIB // (9 * 86_400)
    assert standing.forecast == "caught up Sunday 12:02"  # no schedule yet: from now on
    assert standing.caught_up_at == NOW + timedelta(minutes=2)


def test_what_lay_there_before_it_was_adopted_was_not_owed(estate):
    with estate.write() as session:
        adopt(session, name=b"years old", days_ago=900)
        settle_policy(session, "databases", NOW)

    assert offsite(estate).oldest_due_at == NOW
    assert not offsite(estate).is_behind


def test_what_is_to_be_copied_again_is_owed_since_that_was_decided(estate):
    with estate.write() as session:
        job = adopt(session, name=b"a", days_ago=40, size_bytes=5000)
        settle_policy(session, "databases", NOW)
        ledger.set_state(session, OFFSITE, job, JobCopyState.AVAILABLE)
        ledger.set_decision(session, OFFSITE, job, "recopy", "ann", NOW - timedelta(hours=1))
    standing = offsite(estate)

    assert (standing.owed_jobs, standing.owed_bytes) == (1, 5000)
    assert standing.oldest_due_at == NOW - timedelta(hours=1)
    assert not standing.is_behind


def test_a_copy_falls_behind_and_catches_up_once(estate):
    with estate.write() as session:
        job = adopt(session, name=b"a", days_ago=15, adopted_at=NOW - 13 * DAY - DAY / 2)
        settle_policy(session, "databases", NOW)
    with watching(estate) as (watch, clock):
        asyncio.run(watch.measure())
        clock.set(NOW + DAY)
        asyncio.run(watch.measure())
        asyncio.run(watch.measure())
        with LiveCatalog(estate.home.catalog) as live:
            (policy,) = live.estate().policies
            standing = live.standings()[OFFSITE]
        with estate.write() as session:
            ledger.set_state(session, OFFSITE, job, JobCopyState.AVAILABLE)
        asyncio.run(watch.measure())
        asyncio.run(watch.measure())

    assert policy.is_behind
    assert standing.behind_reasons == ("the oldest has been due for 14 d 12 h, more than 14 d",)
    assert standing.behind_since is not None
    assert abs(standing.behind_since - (NOW + DAY)) < timedelta(minutes=1)
    with estate.read() as session:
        told = [e for e in events.events(session) if "copy databases/offsite" in e.message]
        assert standings.standings(session)[OFFSITE].behind_since is None
    assert [event.code for event in told] == ["copy.behind", "copy.caught_up"]


@pytest.mark.parametrize(("own", "is_behind"), [({"age_s": None}, False), ({}, True)])
def test_a_policy_has_its_own_limits(estate, own, is_behind):
    with estate.write() as session:
        session.get(tables.StoragePolicy, 1).behind = own
        adopt(session, name=b"a", days_ago=30, adopted_at=NOW - 30 * DAY)
        settle_policy(session, "databases", NOW)

    assert offsite(estate).is_behind is is_behind


def test_an_inactive_copy_owes_nothing(estate):
    with estate.write() as session:
        session.get(tables.PolicyCopy, OFFSITE).active = False

    with estate.read() as session:
        assert OFFSITE not in {found.copy_id for found in measure(session, NOW)}


def test_trend_is_sampled_thinned_and_read(estate):
    with estate.write() as session:
        first = adopt(session, name=b"a", size_bytes=100 * MIB)
        adopt(session, name=b"b", size_bytes=50 * MIB)
        settle_policy(session, "databases", NOW)
    with watching(estate) as (watch, clock):
        asyncio.run(watch.measure())
        clock.set(NOW + timedelta(minutes=1))
        asyncio.run(watch.measure())  # too early for another sample
        with estate.write() as session:
            ended_at = NOW + timedelta(minutes=9)
            copied(session, first, seconds=100, ended_at=ended_at)
        clock.set(NOW + timedelta(minutes=10))
        asyncio.run(watch.measure())
        with LiveCatalog(estate.home.catalog) as live:
            points = live.trend(OFFSITE)
            later = live.trend(OFFSITE, NOW + timedelta(minutes=5))
        clock.set(NOW + 8 * DAY)
        asyncio.run(watch.measure())
        with LiveCatalog(estate.home.catalog) as live:
            thinned = live.trend(OFFSITE)
        clock.set(NOW + 99 * DAY)
        asyncio.run(watch.measure())
        with LiveCatalog(estate.home.catalog) as live:
            (last,) = live.trend(OFFSITE)

    assert [(point.held_bytes, point.owed_bytes) for point in points] == [
        (0, 150 * MIB),
        (100 * MIB, 50 * MIB),
    ]
    assert [point.copied_bytes for point in points] == [0, 100 * MIB]
    assert points[1].bytes_per_second == pytest.approx(100 * MIB / 600, rel=0.01)
    assert later == points[1:]
    assert [point.at for point in thinned] == [points[0].at, thinned[-1].at]
    assert last.at >= NOW + 99 * DAY
