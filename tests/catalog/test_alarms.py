"""Alarms and the outbox: filed with their cause, told once, cleared, delivered in the end."""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest

from engine.catalog import alarms, events, jobs, ledger, tables
from engine.catalog.events import add_event
from engine.catalog.history import prune
from engine.catalog.live import LiveCatalog
from engine.control.outbox import Outbox
from engine.control.silence import silent_subclients, tell_delays, tell_silence
from engine.control.watch import Watch
from engine.model.errors import DeliveryError
from engine.model.states import JobCopyState, JobState, Severity, Verification
from engine.operations.delivery import check, deliver
from engine.operations.store import Store
from engine.policy.alerting import AlertKind, letter_of
from engine.policy.destinations import destination_from
from tests.catalog.estate import NOW, OFFSITE, adopt, new_job
from tests.clock import SettableClock
from tests.control.receivers import mail_server, web_server

DAY = timedelta(days=1)


def alert(session, to, *kinds, name="hook", **options):
    session.add(tables.Alert(name=name, on_events=list(kinds), to=to, options=options))
    session.flush()


def offline(session, name="vault", now=NOW):
    add_event(
        session,
        severity=Severity.ERROR,
        code="library.offline",
        message=f"library {name} is offline: no marker",
        about=name,
        now=now,
    )


def online(session, name="vault", now=NOW):
    add_event(
        session,
        severity=Severity.INFO,
        code="library.online",
        message=f"library {name} is online",
        about=name,
        now=now,
    )


@contextmanager
def outbox(estate, moment=NOW):
    store, clock = Store(estate), SettableClock(moment)
    try:
        yield Outbox(store, clock), clock
    finally:
        store.close()


def messages(estate):
    with LiveCatalog(estate.home.catalog) as live:
        return live.alert_messages()[::-1]


def told(estate):
    return [(one.alert, one.step, one.content["kind"]) for one in messages(estate)]


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


def test_delivered_after_failures_with_growing_pauses_and_once(estate):
    with web_server() as web, outbox(estate) as (box, clock):
        web.answers = [500, 302]
        with estate.write() as session:
            alert(session, f"http://127.0.0.1:{web.port}/hook", "all")
            alert(session, "https://127.0.0.1:1/x", "undelivered", name="other")
            offline(session)
        asyncio.run(box._send("hook"))
        asyncio.run(box._send("hook"))  # not due yet
        (first, *_) = messages(estate)
        assert (first.state, first.tries) == ("waiting", 1)
        assert "answered 500" in first.error
        clock.set(NOW + timedelta(minutes=1))
        asyncio.run(box._send("hook"))  # a redirect is no acceptance
        clock.set(NOW + timedelta(minutes=10))
        asyncio.run(box._send("hook"))
        asyncio.run(box._send("hook"))

    assert web.messages == [("raised", "library-offline")]
    assert web.documents[0]["commcell"] == "commcell"
    assert [(one.alert, one.state) for one in messages(estate)] == [
        ("hook", "sent"),
        ("other", "waiting"),
        ("other", "waiting"),
    ]
    with estate.read() as session:
        codes = [event.code for event in events.events(session)]
    assert codes == ["library.offline", "alert.undelivered", "alert.delivered"]


def test_a_message_that_is_never_accepted_is_given_up_after_days(estate):
    with outbox(estate) as (box, clock):
        with estate.write() as session:
            alert(session, "http://127.0.0.1:1/hook", "library-offline")
            offline(session)
        asyncio.run(box.deliver_due())
        clock.set(NOW + 4 * DAY)
        asyncio.run(box.deliver_due())
        clock.set(NOW + 5 * DAY)
        asyncio.run(box.deliver_due())

    (message,) = messages(estate)
    assert (message.state, message.tries) == ("given_up", 2)
    with estate.read() as session:
        (alarm,) = alarms.standing(session, AlertKind.UNDELIVERED)
    assert "1 messages are given up" in alarm.message


def test_a_storm_goes_in_few_deliveries(estate):
    with web_server() as web, outbox(estate) as (box, clock):
        with estate.write() as session:
            alert(session, f"http://127.0.0.1:{web.port}/hook", "library-offline", per_hour=2)
        for minute in range(6):
            clock.set(NOW + timedelta(minutes=minute))
            with estate.write() as session:
                for number in range(30):
                    offline(session, f"{minute}-{number}", clock())
            asyncio.run(box.deliver_due())
        assert [len(one["messages"]) for one in web.documents] == [30, 30]
        clock.set(NOW + timedelta(minutes=61))
        asyncio.run(box.deliver_due())

    assert [len(one["messages"]) for one in web.documents] == [30, 30, 120]


def test_an_alert_that_is_gone_is_not_delivered(estate):
    with outbox(estate) as (box, _):
        with estate.write() as session:
            alert(session, "http://127.0.0.1:1/hook", "library-offline")
            offline(session)
            session.delete(session.get(tables.Alert, 1))
        asyncio.run(box.deliver_due())

    assert [one.state for one in messages(estate)] == ["withdrawn"]


def letter(**columns):
    content = {
        "step": "raised",
        "kind": "failed",
        "about": "auxcopy of databases",
        "message": "failed: größer",
        "hint": "",
        "at": NOW.isoformat(),
    } | columns
    return letter_of("hq", "mail", [content], message_id="auxtui.mail.7", zone="Europe/Berlin")


def test_mail_reaches_its_recipients():
    with mail_server() as mail:
        to = f"smtp://127.0.0.1:{mail.port}/?to=a@example.org,b@example.org"
        assert deliver(destination_from(to, {"from": "me@example.org"}), letter()) == ""
        mail.refused = {"b@example.org"}
        note = deliver(destination_from(to, {}), letter())
        mail.refused = {"a@example.org", "b@example.org"}
        with pytest.raises(DeliveryError, match="refused the recipients"):
            deliver(destination_from(to, {}), letter())

    assert mail.recipients == [["a@example.org", "b@example.org"], ["a@example.org"]]
    assert "Subject: [hq] failed: auxcopy of databases" in mail.letters[0]
    assert "From: me@example.org" in mail.letters[0]
    assert "Message-ID: <auxtui.mail.7@" in mail.letters[0]
    assert note == "refused for b@example.org"


def test_a_healthcheck_is_pinged_on_success_and_told_of_failures():
    with web_server() as web:
        to = destination_from(f"healthcheck+http://127.0.0.1:{web.port}/uuid", {})
        deliver(to, letter(kind="succeeded", step="told"))
        deliver(to, letter())

    assert [path for path, _ in web.bodies] == ["/uuid", "/uuid/fail"]


def test_a_program_gets_its_arguments_and_the_text(tmp_path):
    program = tmp_path / "notify"
    program.write_text(
        '#!/bin/sh\nfor word in "$@"; do echo "$word"; done > "$0.out"\ncat >> "$0.out"\n'
    )
    program.chmod(0o700)
    to = destination_from(f"exec:{program}", {"arguments": ["$(id)", "a b"]})

    deliver(to, letter())

    said = (tmp_path / "notify.out").read_text()
    assert said.startswith("$(id)\na b\nSubject: [hq] failed: auxcopy of databases\n\n")
    program.write_text("#!/bin/sh\necho broken; exit 3\n")
    with pytest.raises(DeliveryError, match="ended with 3: broken"):
        deliver(to, letter())
    program.chmod(0o600)
    with pytest.raises(DeliveryError, match="no program that can be run"):
        check(to)


def test_a_program_that_leaves_something_behind_has_ended(tmp_path):
    program = tmp_path / "notify"
    program.write_text('#!/bin/sh\nsleep 30 &\necho $! > "$0.pid"\n')
    program.chmod(0o700)

    deliver(destination_from(f"exec:{program}", {}), letter())

    os.kill(int((tmp_path / "notify.pid").read_text()), 9)


def test_secrets_come_from_private_files_and_are_never_said(tmp_path):
    secret = tmp_path / "hook"
    with web_server() as web:
        secret.write_text(f"http://127.0.0.1:{web.port}/s3cret\n")
        to = destination_from(f"file:{secret}", {"token_file": str(tmp_path / "token")})
        (tmp_path / "token").write_text("t0ken")
        with pytest.raises(DeliveryError, match="can be read by others"):
            deliver(to, letter())
        secret.chmod(0o600)
        (tmp_path / "token").chmod(0o600)
        check(to)
        deliver(to, letter())
        web.answers = [403]
        with pytest.raises(DeliveryError, match="answered 403") as caught:
            deliver(to, letter())
    assert web.bodies[0][0] == "/s3cret"
    assert web.headers[0]["Authorization"] == "Bearer t0ken"
    assert "s3cret" not in caught.value.message
    assert "t0ken" not in caught.value.message
    with pytest.raises(DeliveryError, match="Connection refused") as caught:
        deliver(to, letter())
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    "content", ["", "smtp://h/?to=a@b", "not a url", "https://h/x\nhttps://h/y"]
)
def test_a_file_that_holds_no_secret_url(tmp_path, content):
    secret = tmp_path / "hook"
    secret.write_text(content)
    secret.chmod(0o600)

    with pytest.raises(DeliveryError, match=r"hook|one line"):
        deliver(destination_from(f"file:{secret}", {}), letter())


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
