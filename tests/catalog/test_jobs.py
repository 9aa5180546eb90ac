"""Named queries of jobs: one sequence of ids, attempts, errors, streams, items, plans."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from engine.catalog import jobs, tables
from engine.catalog.values import JobItem, JobValue, StreamValue
from engine.model.errors import CatalogCorrupt, NotFoundError
from engine.model.states import (
    ACTIVE_JOB_STATES,
    FINAL_JOB_STATES,
    JobState,
    Operation,
    Phase,
    StreamState,
)
from tests.catalog.estate import MONTHLY, NOW, OFFSITE, adopt, new_job

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def test_jobs_and_backup_jobs_share_one_sequence(estate):
    with estate.write() as session:
        taken = [new_job(session), adopt(session), jobs.next_id(session), new_job(session)]

    assert taken == [1, 2, 3, 4]


def test_id_of_work_that_was_rolled_back_is_given_again(estate):
    def fail():
        with estate.write() as session:
            new_job(session)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    with estate.write() as session:
        assert new_job(session) == 1


def test_lost_sequence_is_damage(estate):
    with estate.write() as session:
        session.connection().execute(text("DELETE FROM id_sequence"))

        with pytest.raises(CatalogCorrupt, match="sequence"):
            jobs.next_id(session)


def test_new_job_is_read_back_as_it_was_made(estate):
    with estate.write() as session:
        job_id = new_job(session)
    with estate.read() as session:
        job = jobs.load_job(session, job_id)

    assert job == JobValue(
        id=job_id,
        operation=Operation.AUXCOPY,
        policy_id=1,
        policy="databases",
        copies=("offsite",),
        options={"streams": 2},
        description="",
        state=JobState.WAITING,
        phase=Phase.NONE,
        reason="no stream yet",
        until=None,
        desired="run",
        priority=5,
        initiated_by="ann",
        created_at=NOW,
        started_at=None,
        ended_at=None,
        backup_jobs_total=0,
        backup_jobs_done=0,
        backup_jobs_failed=0,
        backup_jobs_skipped=0,
        bytes_total=0,
        bytes_done=0,
        bytes_per_second=0,
        bytes_reused=0,
        seconds_left=None,
        streams=0,
        streams_limited_by="",
        throttle_bps=None,
        attempts=0,
        errors=0,
        exit_code=0,
        epoch=0,
        updated_at=NOW,
    )
    assert isinstance(job.state, JobState)


def test_update_sets_columns_and_when(estate):
    later = NOW + timedelta(seconds=5)
    with estate.write() as session:
        job_id = new_job(session)
        jobs.update_job(
            session,
            job_id,
            now=later,
            state=JobState.RUNNING,
            phase=Phase.COPY,
            copies=("a", "b"),
            bytes_total=5 << 40,
            until=later,
        )
        job = jobs.load_job(session, job_id)

    assert (job.state, job.phase, job.copies) == (JobState.RUNNING, Phase.COPY, ("a", "b"))
    assert (job.bytes_total, job.until, job.updated_at) == (5 << 40, later, later)


def test_update_without_a_clock_takes_the_hosts(estate):
    with estate.write() as session:
        job_id = new_job(session)
        jobs.update_job(session, job_id, bytes_done=1)

        assert jobs.load_job(session, job_id).updated_at > NOW


def test_unknown_job_is_told(estate):
    with estate.write() as session:
        for work in (
            lambda: jobs.load_job(session, 9),
            lambda: jobs.update_job(session, 9, state=JobState.RUNNING),
            lambda: jobs.start_attempt(session, 9, NOW),
        ):
            with pytest.raises(NotFoundError, match="there is no job 9") as caught:
                work()
            assert "auxtui jobs" in caught.value.hint


@pytest.mark.parametrize(
    "change", ["state = 'dancing'", "copies = '[torn'", "created_at = 'yesterday'"]
)
def test_value_that_no_auxtui_wrote_is_damage(estate, change):
    with estate.write() as session:
        job_id = new_job(session)
        session.connection().execute(text(f"UPDATE job SET {change}"))  # noqa: S608

        with pytest.raises(CatalogCorrupt, match="JobValue that no auxtui wrote"):
            jobs.load_job(session, job_id)


def test_active_jobs_and_history_part_at_the_final_states(estate):
    with estate.write() as session:
        for state in JobState:
            new_job(session, state=state)
        active = jobs.active_jobs(session)

        assert {job.state for job in active} == ACTIVE_JOB_STATES
        assert [job.id for job in active] == sorted(job.id for job in active)
        assert {job.state for job in jobs.jobs(session, active=False)} == FINAL_JOB_STATES
        assert [job.id for job in jobs.jobs(session)] == list(range(len(JobState), 0, -1))
        assert jobs.jobs(session, active=True) == active[::-1]


def test_jobs_are_filtered(estate):
    with estate.write() as session:
        old = new_job(session, state=JobState.FAILED, now=NOW - timedelta(days=9))
        ended_late = new_job(
            session, state=JobState.KILLED, ended_at=NOW, created_at=NOW - timedelta(days=9)
        )
        recent = new_job(session)

        def ids(**filters):
            return [job.id for job in jobs.jobs(session, **filters)]

        assert ids(since=NOW - timedelta(days=1)) == [recent, ended_late]
        assert ids(states=(JobState.FAILED, JobState.KILLED)) == [ended_late, old]
        assert ids(operation=Operation.AUXCOPY) == [recent, ended_late, old]
        assert ids(operation=Operation.RESTORE) == []


def test_attempts_are_numbered_and_ended(estate):
    with estate.write() as session:
        job_id, other = new_job(session), new_job(session)
        assert [jobs.start_attempt(session, job_id, NOW) for _ in range(2)] == [1, 2]
        assert jobs.start_attempt(session, other, NOW) == 1
        jobs.end_attempt(session, job_id, 1, "failed", "library offline", 5, NOW)
        first, second = jobs.attempts(session, job_id)

        assert jobs.load_job(session, job_id).attempts == 2
    assert (first.outcome, first.reason, first.bytes_done) == ("failed", "library offline", 5)
    assert (first.ended_at, second.ended_at) == (NOW, None)


def test_errors_keep_their_order(estate):
    with estate.write() as session:
        job_id = new_job(session)
        for backup_job_id in (7, None):
            jobs.add_error(
                session,
                job_id,
                backup_job_id=backup_job_id,
                copy_name="offsite",
                path="a\\x1b",
                error="cannot read",
                hint="look at it",
                now=NOW,
            )
        found = jobs.errors(session, job_id)

    assert [error.backup_job_id for error in found] == [7, None]
    assert (found[0].copy_name, found[0].path, found[0].error, found[0].hint, found[0].at) == (
        "offsite",
        "a\\x1b",
        "cannot read",
        "look at it",
        NOW,
    )


def test_streams_are_replaced_whole(estate):
    def row(number):
        return StreamValue(
            job_id=job_id, number=number, state=StreamState.COPYING, bytes_done=5 << 40
        )

    with estate.write() as session:
        job_id, other = new_job(session), new_job(session)
        jobs.replace_streams(session, other, [StreamValue(job_id=other, number=1, state="idle")])
        jobs.replace_streams(session, job_id, [row(1), row(2)])
        jobs.replace_streams(session, job_id, [row(2), row(3)])

        assert jobs.streams(session, job_id) == [row(2), row(3)]
        jobs.replace_streams(session, job_id, [])
        assert jobs.streams(session, job_id) == []
        assert len(jobs.streams(session, other)) == 1


def test_rate_samples_are_kept_in_order(estate):
    with estate.write() as session:
        job_id = new_job(session)
        for second in range(3):
            jobs.add_rate_sample(session, job_id, second * 10, NOW + timedelta(seconds=second))
        found = jobs.rate_samples(session, job_id)

    assert [(sample.bytes_done, sample.at) for sample in found] == [
        (second * 10, NOW + timedelta(seconds=second)) for second in range(3)
    ]


def test_later_end_of_an_item_replaces_the_earlier(estate):
    with estate.write() as session:
        job_id, backup_job_id = new_job(session), adopt(session)

        def item(copy_id, outcome, reason=""):
            return JobItem(
                job_id=job_id,
                backup_job_id=backup_job_id,
                copy_id=copy_id,
                outcome=outcome,
                reason=reason,
                size_bytes=1000,
                seconds=0.5,
                ended_at=NOW,
            )

        jobs.add_items(session, [item(OFFSITE, "failed", "disk full"), item(MONTHLY, "skipped")])
        jobs.add_items(session, [item(OFFSITE, "copied")])
        jobs.add_items(session, [])

        assert jobs.items(session, job_id) == [item(OFFSITE, "copied"), item(MONTHLY, "skipped")]
        assert jobs.copied_items(session, job_id) == {(OFFSITE, backup_job_id): 1000}


def test_job_without_plan_has_none(estate):
    with estate.write() as session:
        assert jobs.load_plan(session, new_job(session)) is None


@given(document=st.dictionaries(st.text(), JSON))
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_plan_is_read_back_as_it_was_saved(estate, document):
    with estate.write() as session:
        job_id = new_job(session)
        jobs.save_plan(session, job_id, {"before": 1})
        jobs.save_plan(session, job_id, document)

        assert jobs.load_plan(session, job_id) == document
        assert jobs.has_plan(session, job_id)
        assert not jobs.has_plan(session, new_job(session))


@pytest.mark.parametrize(
    "packed", [b"", b"not zstd", b"\x28\xb5\x2f\xfd\x04\x00\x11\x00\x00{\xff}"]
)
def test_damaged_plan_is_told(estate, packed):
    with estate.write() as session:
        job_id = new_job(session)
        session.add(tables.JobPlan(job_id=job_id, plan=packed))

        with pytest.raises(CatalogCorrupt, match=f"plan of job {job_id}"):
            jobs.load_plan(session, job_id)


def test_parts_of_a_job_go_with_it_and_history_outlives_the_policy(estate):
    with estate.write() as session:
        job_id = new_job(session)
        jobs.start_attempt(session, job_id, NOW)
        jobs.save_plan(session, job_id, {})
        connection = session.connection()
        connection.execute(text("DELETE FROM policy_copy WHERE source_copy_id IS NOT NULL"))
        connection.execute(text("DELETE FROM policy_copy"))
        connection.execute(text("DELETE FROM subclient"))
        connection.execute(text("DELETE FROM storage_policy"))

        job = jobs.load_job(session, job_id)
        assert (job.policy_id, job.policy) == (None, "databases")

        connection.execute(text("DELETE FROM job"))
        assert jobs.attempts(session, job_id) == []
        assert jobs.load_plan(session, job_id) is None
