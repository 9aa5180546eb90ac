"""Alarms and the outbox: filed with their cause, told once, cleared, delivered in the end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

from engine.catalog import alarms, events, jobs, ledger
from engine.catalog.events import add_event
from engine.catalog.history import prune
from engine.catalog.live import LiveCatalog
from engine.control.silence import silent_subclients, tell_delays, tell_silence
from engine.control.watch import Watch
from engine.model.states import JobCopyState, JobState, Severity, Verification
from engine.operations.store import Store
from engine.policy.alerting import AlertKind
from tests.catalog.alarming import alert, messages, offline, online, told
from tests.catalog.estate import NOW, OFFSITE, adopt, new_job
from tests.clock import SettableClock

DAY = timedelta(days=1)


def test_an_alarm_is_told_once_until_it_has_cleared(estate):
    with estate.write() as session:
        alert(session, "https://h/x", "library-offline")
    for act in (offline, offline, online, online, offline):
        with estate.write() as session:
            act(session)

    assert told(estate) == [
        ("hook", "raised", "library-offline"),
        ("hook", "cleared", "library-offline"),
        ("hook", "raised", "library-offline"),
    ]
    with LiveCatalog(estate.home.catalog) as live:
        (standing,) = live.alarms()
        assert len(live.alarms(standing=False)) == 2
    assert (standing.about, standing.times) == ("vault", 1)


def test_an_alert_is_filed_with_its_cause_or_not_at_all(estate):
    with estate.write() as session:
        alert(session, "https://h/x", "library-offline")
    with suppress(RuntimeError), estate.write() as session:
        offline(session)
        raise RuntimeError("killed here")

    assert told(estate) == []
    with estate.read() as session:
        assert events.events(session) == []
        assert alarms.standing(session) == []


def test_two_things_are_two_alarms_and_each_alert_hears_what_it_wants(estate):
    with estate.write() as session:
        alert(session, "https://h/x", "library-offline", name="one")
        alert(session, "https://h/x", "failed", name="two")
        alert(session, "https://h/x", "all", name="three", cleared=False)
        offline(session, "vault")
        offline(session, "shelf")
        online(session, "vault")

    assert told(estate) == [
        ("one", "raised", "library-offline"),
        ("three", "raised", "library-offline"),
        ("one", "raised", "library-offline"),
        ("three", "raised", "library-offline"),
        ("one", "cleared", "library-offline"),
    ]


def test_what_stood_before_an_alert_was_configured_is_told_by_the_watch(estate):
    with estate.write() as session:
        offline(session)
        alert(session, "https://h/x", "all")
    store = Store(estate)
    try:
        asyncio.run(Watch(store, SettableClock(NOW)).look())
        asyncio.run(Watch(store, SettableClock(NOW)).look())
    finally:
        store.close()

    assert told(estate) == [("hook", "raised", "library-offline")]


def test_a_failed_run_clears_with_the_next_good_one(estate):
    with estate.write() as session:
        alert(session, "https://h/x", "failed", "succeeded", "completed-with-errors")
        for code in ("failed", "failed", "completed_with_errors", "completed", "completed"):
            job_id = new_job(session)
            add_event(
                session,
                severity=Severity.INFO,
                code=f"job.{code}",
                message=code,
                job_id=job_id,
                now=NOW,
            )

    assert told(estate) == [
        ("hook", "raised", "failed"),
        ("hook", "cleared", "failed"),
        ("hook", "raised", "completed-with-errors"),
        ("hook", "cleared", "completed-with-errors"),
        ("hook", "told", "succeeded"),
        ("hook", "told", "succeeded"),
    ]
    content = messages(estate)[0].content
    assert (content["about"], content["policy"]) == ("auxcopy of databases", "databases")


def test_attempts_are_counted_for_each_alert(estate):
    with estate.write() as session:
        alert(session, "https://h/x", "failed-attempts", name="second", attempts=2)
        alert(session, "https://h/x", "failed-attempts", name="ninth", attempts=9)
        job_id = new_job(session)
        for number in (1, 2, 3):
            add_event(
                session,
                severity=Severity.WARNING,
                code="job.pending",
                message="no room",
                job_id=job_id,
                measure=number,
                now=NOW,
            )

        add_event(
            session,
            severity=Severity.ERROR,
            code="job.failed",
            message="failed: no room",
            job_id=job_id,
            now=NOW,
        )

    assert told(estate) == [("second", "raised", "failed-attempts")]  # failing is no clearing
    with estate.read() as session:
        assert [alarm.kind for alarm in alarms.standing(session)] == ["failed"]


def test_a_job_that_waits_too_long_is_delayed_until_it_runs(estate):
    with estate.write() as session:
        alert(session, "https://h/x", "delayed", delay_s=7_200)
        job_id = new_job(session, state=JobState.QUEUED)
        new_job(session, state=JobState.SUSPENDED)
        tell_delays(session, NOW + timedelta(hours=1))
        tell_delays(session, NOW + timedelta(hours=3))
        tell_delays(session, NOW + timedelta(hours=4))
        add_event(
            session,
            severity=Severity.INFO,
            code="job.attempt",
            message="attempt 1 started",
            job_id=job_id,
            now=NOW,
        )

    assert told(estate) == [("hook", "raised", "delayed"), ("hook", "cleared", "delayed")]
    assert "queued for 3 h" in messages(estate)[0].content["message"]


def test_a_subclient_that_falls_silent_is_an_alarm_until_it_is_heard_again(estate):
    with estate.write() as session:
        alert(session, "https://h/x", "nothing-done")
        for day in range(8):
            adopt(session, name=b"%d" % day, days_ago=10 - day)
        for now in (NOW - 2 * DAY, NOW, NOW):
            tell_silence(session, silent_subclients(session, now), now)
        adopt(session, name=b"late", days_ago=0)
        tell_silence(session, silent_subclients(session, NOW), NOW)

    assert told(estate) == [("hook", "raised", "nothing-done"), ("hook", "cleared", "nothing-done")]
    assert messages(estate)[0].content["about"] == "db1/pg"


def damage(session):
    return alarms.find(session, AlertKind.DAMAGED, "databases/offsite")


def test_damage_is_told_as_much_as_there_is_and_clears_when_none_is_known_any_more(estate):
    with estate.write() as session:
        job = adopt(session, name=b"a")
        ledger.set_state(
            session,
            OFFSITE,
            job,
            JobCopyState.BAD,
            "torn",
            "repair it",
            verification=Verification.FAILED,
        )
        add_event(
            session,
            severity=Severity.ERROR,
            code="verification.failed",
            message="damaged",
            about="databases/offsite",
            now=NOW,
        )
    store = Store(estate)
    try:
        watch = Watch(store, SettableClock(NOW))
        asyncio.run(watch.look())
        with estate.read() as session:
            assert damage(session).message == f"backup job {job} on copy databases/offsite: torn"
            assert damage(session).hint == "repair it"
        with estate.write() as session:
            other = adopt(session, name=b"b")
            ledger.set_state(
                session, OFFSITE, other, JobCopyState.BAD, verification=Verification.FAILED
            )
        asyncio.run(watch.look())
        with estate.read() as session:
            said = f"copy databases/offsite has 2 bad job copies, the first {job}: torn"
            assert damage(session).message == said
        with estate.write() as session:
            ledger.set_state(session, OFFSITE, job, JobCopyState.AVAILABLE)
            ledger.set_state(session, OFFSITE, other, JobCopyState.AVAILABLE)
        asyncio.run(watch.look())
    finally:
        store.close()

    with estate.read() as session:
        assert damage(session) is None


def test_history_is_pruned_and_the_ledger_is_not(estate):
    with estate.write() as session:
        backup_job = adopt(session, name=b"a", days_ago=200)
        old = [
            new_job(
                session, state=JobState.COMPLETED, now=NOW - 100 * DAY, ended_at=NOW - age * DAY
            )
            for age in (100, 99, 98)
        ]
        failed = new_job(session, state=JobState.FAILED, ended_at=NOW - 97 * DAY)
        active = new_job(session, state=JobState.SUSPENDED, now=NOW - 300 * DAY)
        jobs.add_error(
            session,
            old[0],
            backup_job_id=None,
            copy_name="",
            path="",
            error="e",
            hint="",
            now=NOW,
        )
        ledger.mark_available(
            session,
            OFFSITE,
            backup_job,
            manifest_digest=b"d",
            chunks=1,
            size_bytes=1000,
            by_job=old[0],
            now=NOW - 99 * DAY,
        )
        for age in (91, 1):
            offline(session, str(age), NOW - age * DAY)
        online(session, "91", NOW - 91 * DAY)
    gone = -1
    with estate.write() as session:
        gone = prune(session, NOW - 90 * DAY)
        assert prune(session, NOW - 90 * DAY) == 0

    with estate.read() as session:
        left = {job.id for job in jobs.jobs(session)}
        line = ledger.job_copy(session, OFFSITE, backup_job)
        assert [event.message[:11] for event in events.events(session)] == ["library 1 i"]
        assert [alarm.about for alarm in alarms.standing(session)] == ["1"]
        assert jobs.errors(session, old[0]) == []
    assert left == {old[2], failed, active}  # the last good run, the last one, and what goes on
    assert gone == 4
    assert (line.state, line.copied_by_job) == ("available", old[0])
