"""The ledger: what is owed, what is there, and why; verdicts change only what changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, text
from sqlalchemy.exc import IntegrityError

from engine.catalog import ledger
from engine.catalog.decisions import decided
from engine.catalog.lines import source_of
from engine.catalog.rows import JOB_COPY
from engine.catalog.verdicts import apply_verdicts
from engine.model.errors import NotFoundError
from engine.model.states import JobCopyState, Level, Verification
from engine.policy.values import LedgerLine, PlanLine, Verdict
from tests.catalog.estate import MONTHLY, NOW, OFFSITE, PG, PRIMARY, WWW, adopt, new_job

LATER = NOW + timedelta(hours=1)
STATES = st.sampled_from(JobCopyState)


def line_for(backup_job_id, *, state=JobCopyState.TO_BE_COPIED, reason="owed", copy_id=OFFSITE):
    return PlanLine(backup_job_id, copy_id, Verdict.TAKEN, reason, state, 1000, "next run")


def make_available(session, copy_id, backup_job_id, now=NOW):
    ledger.mark_available(
        session,
        copy_id,
        backup_job_id,
        manifest_digest=b"d" * 32,
        chunks=3,
        size_bytes=1000,
        by_job=new_job(session),
        now=now,
    )


def test_adopted_backup_job_is_available_on_the_primary(estate):
    with estate.write() as session:
        backup_job_id = adopt(session, name=b"a\xff\n\x1b.dump", size_bytes=5 << 40)
        job = ledger.backup_job(session, backup_job_id)
        line = ledger.job_copy(session, PRIMARY, backup_job_id)

    assert (job.name, job.size_bytes, job.level) == (b"a\xff\n\x1b.dump", 5 << 40, Level.FULL)
    assert line.state is JobCopyState.AVAILABLE
    assert (line.client, line.subclient, line.name) == ("db1", "pg", job.name)
    assert line.copied_at == line.state_at == job.completed_at
    assert (line.chunks_done, line.bytes_done, line.verification) == (3, 5 << 40, "never")


def test_same_entry_is_adopted_once_and_unknown_ones_as_often_as_asked(estate):
    with estate.write() as session:
        adopt(session, name=b"a", fingerprint="same")
        adopt(session, name=b"a", fingerprint="changed since")
        adopt(session, name=b"b", fingerprint="same")
        for _ in range(2):
            adopt(session, subclient_id=WWW, name=b"", fingerprint="")

        with pytest.raises(IntegrityError):
            adopt(session, name=b"a", fingerprint="same")


def test_policy_without_primary_takes_no_backup_job(estate):
    with estate.write() as session:
        session.connection().execute(text("UPDATE policy_copy SET kind = 'synchronous'"))

        with pytest.raises(NotFoundError, match="no primary copy"):
            adopt(session)


def test_unknown_backup_job_is_told(estate):
    with estate.read() as session:
        assert ledger.job_copy(session, OFFSITE, 77) is None
        with pytest.raises(NotFoundError, match="there is no backup job 77"):
            ledger.backup_job(session, 77)


def test_backup_jobs_by_id_and_by_subclient(estate):
    with estate.write() as session:
        young, old = adopt(session, days_ago=1), adopt(session, days_ago=5)
        other = adopt(session, subclient_id=WWW)
        many = ledger.backup_jobs(session, [*range(1, 2000), old, old])

        assert sorted(many) == [young, old, other]
        assert many[old] == ledger.backup_job(session, old)
        assert [job.id for job in ledger.backup_jobs_of(session, PG)] == [old, young]
        names = ledger.backup_job_names(session, 1)
        assert (names[other].client, names[other].subclient) == ("db1", "www")
        assert sorted(names) == [young, old, other]


def test_source_of_a_copy(estate):
    with estate.read() as session:
        assert source_of(session, PRIMARY) is None
        assert source_of(session, OFFSITE) == PRIMARY
        assert source_of(session, MONTHLY) == OFFSITE
        with pytest.raises(NotFoundError):
            ledger.ledger_lines(session, 99)


def test_lines_show_source_and_own_state(estate):
    with estate.write() as session:
        first, second = adopt(session, days_ago=2), adopt(session, days_ago=1, cycle=2)
        make_available(session, OFFSITE, first, now=NOW)
        ledger.set_decision(session, MONTHLY, first, "picked", "ann", NOW)
        ledger.set_state(
            session, MONTHLY, first, JobCopyState.BAD, "digest differs", tries=2, priority=0
        )
        lines = ledger.ledger_lines(session, MONTHLY)

    assert lines == [
        LedgerLine(
            backup_job_id=first,
            subclient="db1/pg",
            level="full",
            completed_at=pytest.approx((NOW - timedelta(days=2)).timestamp(), abs=0.001),
            size_bytes=1000,
            cycle=1,
            source_state=JobCopyState.AVAILABLE,
            source_available_at=pytest.approx(NOW.timestamp(), abs=0.001),
            source_verification="never",
            state=JobCopyState.BAD,
            decision="picked",
            priority=0,
            source_reason="",
            reason="digest differs",
            tries=2,
            available_at=None,
            decided_by="ann",
            decided_at=pytest.approx(NOW.timestamp(), abs=0.001),
        ),
        LedgerLine(
            backup_job_id=second,
            subclient="db1/pg",
            level="full",
            completed_at=pytest.approx((NOW - timedelta(days=1)).timestamp(), abs=0.001),
            size_bytes=1000,
            cycle=2,
            source_state=None,
            source_available_at=None,
            source_verification="never",
            state=None,
        ),
    ]


def test_lines_of_the_primary_have_no_source(estate):
    with estate.write() as session:
        adopt(session)
        (line,) = ledger.ledger_lines(session, PRIMARY)

    assert (line.source_state, line.state) == (None, JobCopyState.AVAILABLE)


@given(
    st.datetimes(
        min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - made aware by `timezones`
        max_value=datetime(2200, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    )
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_times_come_as_seconds_exact_to_a_millisecond(estate, moment):
    with estate.write() as session:
        backup_job_id = adopt(session, completed_at=moment, started_at=moment)
        line = next(
            line
            for line in ledger.ledger_lines(session, PRIMARY)
            if line.backup_job_id == backup_job_id
        )

    assert abs(line.completed_at - moment.timestamp()) <= 0.001


def plan_of(session, read):
    """How SQLite does the last query of `read`, step by step."""
    statements = []
    connection = session.connection()
    execute = connection.execute
    connection.execute = lambda query: statements.append(query) or execute(query)
    read(session)
    connection.execute = execute
    query = statements[-1].compile(connection, compile_kwargs={"render_postcompile": True})
    values = tuple(query.params[name] for name in query.positiontup)
    return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values)]


@pytest.mark.parametrize("without_there", [False, True])
def test_lines_are_found_by_index_alone(estate, without_there):
    with estate.read() as session:
        steps = plan_of(
            session, lambda s: ledger.ledger_lines(s, MONTHLY, without_there=without_there)
        )

    assert not [step for step in steps if step.startswith("SCAN") and "SUBQUERY" not in step]
    assert not [step for step in steps if "TEMP B-TREE" in step]
    listed = [step for step in steps if "COVERING INDEX ix_job_copy" in step]
    assert len(listed) == (2 if without_there else 0)


@pytest.mark.parametrize(
    ("read", "index"),
    [
        (lambda s: decided(s, (OFFSITE, MONTHLY), "recopy"), "ix_job_copy_decided"),
        (lambda s: ledger.encodings(s, OFFSITE), "ix_job_copy_encoded"),
    ],
    ids=["decided", "encoded"],
)
def test_the_few_of_a_copy_are_found_without_the_many(estate, read, index):
    with estate.read() as session:
        (step,) = plan_of(session, read)

    assert f"COVERING INDEX {index}" in step


def test_lines_without_what_is_there_are_those_that_are_owed_or_decided_about(estate):
    with estate.write() as session:
        for decision in ("", "picked", "recopy"):
            for state in (None, *JobCopyState):
                job = adopt(session)
                if state is not None:
                    ledger.set_state(session, OFFSITE, job, state, "")
                    ledger.set_decision(session, OFFSITE, job, decision, "ann", NOW)
        lines = ledger.ledger_lines(session, OFFSITE)
        few = ledger.ledger_lines(session, OFFSITE, without_there=True)

    wanted = [one for one in lines if one.state != JobCopyState.AVAILABLE or one.decision]
    assert few == wanted
    assert len(few) == len(lines) - 1


def test_available_copy_has_its_proof(estate):
    with estate.write() as session:
        backup_job_id = adopt(session)
        ledger.set_state(session, OFFSITE, backup_job_id, JobCopyState.BAD, "damaged", tries=3)
        make_available(session, OFFSITE, backup_job_id, now=LATER)
        line = ledger.job_copy(session, OFFSITE, backup_job_id)

    assert line.state is JobCopyState.AVAILABLE
    assert (line.reason, line.tries, line.verification) == ("", 0, Verification.NEVER)
    assert (line.manifest_digest, line.copied_at) == (b"d" * 32, LATER)
    assert (line.chunks_done, line.bytes_done) == (3, 1000)


def test_state_says_since_when(estate):
    with estate.write() as session:
        backup_job_id = adopt(session)

        def since(state, now):
            ledger.set_state(session, OFFSITE, backup_job_id, state, now=now)
            return ledger.job_copy(session, OFFSITE, backup_job_id).state_at

        assert since(JobCopyState.DEFERRED, NOW) == NOW
        assert since(JobCopyState.DEFERRED, LATER) == NOW
        assert since(JobCopyState.BAD, LATER) == LATER


def test_setting_a_state_keeps_other_columns(estate):
    with estate.write() as session:
        backup_job_id = adopt(session)
        ledger.set_decision(session, OFFSITE, backup_job_id, "recopy", "ann", NOW)
        ledger.set_state(
            session, OFFSITE, backup_job_id, JobCopyState.PARTIALLY_COPIED, chunks_done=2
        )
        ledger.set_state(session, OFFSITE, backup_job_id, JobCopyState.TO_BE_COPIED, "why", "what")
        line = ledger.job_copy(session, OFFSITE, backup_job_id)

    assert (line.decision, line.decided_by, line.decided_at) == ("recopy", "ann", NOW)
    assert (line.chunks_done, line.reason, line.next_step) == (2, "why", "what")


def test_decision_keeps_the_state(estate):
    with estate.write() as session:
        backup_job_id = adopt(session)
        make_available(session, OFFSITE, backup_job_id)
        ledger.set_decision(session, OFFSITE, backup_job_id, "bad", "ann", LATER)
        ledger.set_decision(session, MONTHLY, backup_job_id, "picked", "bob", LATER)

        kept = ledger.job_copy(session, OFFSITE, backup_job_id)
        made = ledger.job_copy(session, MONTHLY, backup_job_id)
    assert (kept.state, kept.decision) == (JobCopyState.AVAILABLE, "bad")
    assert (made.state, made.decision) == (JobCopyState.TO_BE_COPIED, "picked")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (JobCopyState.TO_BE_COPIED, JobCopyState.PARTIALLY_COPIED),
        (JobCopyState.PARTIALLY_COPIED, JobCopyState.PARTIALLY_COPIED),
        (JobCopyState.AVAILABLE, JobCopyState.AVAILABLE),
        (JobCopyState.AGED, JobCopyState.AGED),
        (JobCopyState.BAD, JobCopyState.BAD),
        (JobCopyState.DO_NOT_COPY, JobCopyState.DO_NOT_COPY),
    ],
)
def test_late_progress_never_touches_what_is_at_its_end(estate, before, after):
    with estate.write() as session:
        backup_job_id = adopt(session)
        ledger.set_state(session, OFFSITE, backup_job_id, before, chunks_done=3, bytes_done=9)
        ledger.set_progress(session, OFFSITE, backup_job_id, 1, 4)
        line = ledger.job_copy(session, OFFSITE, backup_job_id)

    assert line.state is after
    moved = before in (JobCopyState.TO_BE_COPIED, JobCopyState.PARTIALLY_COPIED)
    assert (line.chunks_done, line.bytes_done) == ((1, 4) if moved else (3, 9))


def test_no_progress_is_not_partly_copied(estate):
    with estate.write() as session:
        backup_job_id = adopt(session)
        ledger.set_state(session, OFFSITE, backup_job_id, JobCopyState.TO_BE_COPIED)
        ledger.set_progress(session, OFFSITE, backup_job_id, 0, 0)

        assert ledger.job_copy(session, OFFSITE, backup_job_id).state is JobCopyState.TO_BE_COPIED


def test_ledger_of_a_copy_is_filtered_and_cut(estate):
    with estate.write() as session:
        ids = [adopt(session, days_ago=days) for days in (3, 2, 1)]
        apply_verdicts(session, [line_for(backup_job_id) for backup_job_id in ids], NOW)
        make_available(session, OFFSITE, ids[0])

        def found(**filters):
            return [line.backup_job_id for line in ledger.job_copies(session, OFFSITE, **filters)]

        assert found() == ids[::-1]
        assert found(states=[JobCopyState.AVAILABLE, JobCopyState.BAD]) == [ids[0]]
        assert found(since=NOW - timedelta(days=2)) == ids[:0:-1]
        assert found(limit=1, offset=1) == [ids[1]]
        assert found(offset=2) == [ids[0]]
        assert ledger.job_copies(session, MONTHLY) == []
        assert ledger.count_by_state(session, OFFSITE) == {
            JobCopyState.AVAILABLE: 1,
            JobCopyState.TO_BE_COPIED: 2,
        }
        assert [line.copy_id for line in ledger.copies_of(session, ids[0])] == [PRIMARY, OFFSITE]


def test_verdicts_make_rows_and_change_reasons(estate):
    with estate.write() as session:
        first, second = adopt(session), adopt(session)
        both = [line_for(first), line_for(second, state=JobCopyState.DEFERRED, reason="too young")]

        assert apply_verdicts(session, both, NOW) == 2
        assert apply_verdicts(session, both, LATER) == 0
        assert apply_verdicts(session, [line_for(second, reason="old enough")], LATER) == 1
        one, two = (ledger.job_copy(session, OFFSITE, number) for number in (first, second))

    assert (one.state, one.reason, one.next_step) == (JobCopyState.TO_BE_COPIED, "owed", "next run")
    assert (one.state_at, two.state_at) == (NOW, LATER)
    assert (two.state, two.reason) == (JobCopyState.TO_BE_COPIED, "old enough")


def test_changed_reason_keeps_since_when(estate):
    with estate.write() as session:
        backup_job_id = adopt(session)
        apply_verdicts(session, [line_for(backup_job_id, reason="one")], NOW)
        apply_verdicts(session, [line_for(backup_job_id, reason="two")], LATER)
        line = ledger.job_copy(session, OFFSITE, backup_job_id)

    assert (line.reason, line.state_at) == ("two", NOW)


@given(before=st.lists(st.none() | STATES, min_size=4, max_size=4), after=st.data())
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_verdicts_never_undo_what_was_copied(estate, before, after):
    """After a plan was applied the ledger says what it says, but for what is settled."""
    with estate.write() as session:
        session.connection().execute(delete(JOB_COPY).where(JOB_COPY.c.copy_id == OFFSITE))
        ids = [adopt(session) for _ in before]
        for backup_job_id, state in zip(ids, before, strict=True):
            if state is not None:
                ledger.set_state(session, OFFSITE, backup_job_id, state, "old", now=NOW)
        lines = [line_for(number, state=after.draw(STATES), reason="new") for number in ids]

        apply_verdicts(session, lines, LATER)
        found = [ledger.job_copy(session, OFFSITE, number) for number in ids]

        assert apply_verdicts(session, lines, LATER) == 0
    for was, line, now in zip(before, lines, found, strict=True):
        if was in (JobCopyState.AVAILABLE, JobCopyState.AGED):
            is_again = was is line.state is JobCopyState.AVAILABLE  # taken: it says why
            assert (now.state, now.reason) == (was, "new" if is_again else "old")
        elif was is JobCopyState.PARTIALLY_COPIED and line.state is JobCopyState.TO_BE_COPIED:
            assert (now.state, now.reason) == (was, "new")
        else:
            assert (now.state, now.reason) == (line.state, "new")
        assert now.state_at == (NOW if now.state is was else LATER)


def test_line_for_an_unknown_backup_job_is_refused(estate):
    with estate.write() as session, pytest.raises(IntegrityError):
        apply_verdicts(session, [line_for(99)], NOW)
