"""Messages of alarms on their way: tried again, in few deliveries, by every kind of receiver, and with no secret in them."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta

import pytest

from engine.catalog import alarms, events, tables
from engine.model.errors import DeliveryError
from engine.operations.delivery import check, deliver
from engine.policy.alerting import AlertKind, letter_of
from engine.policy.destinations import destination_from
from tests.catalog.alarming import alert, messages, offline, outbox
from tests.catalog.estate import NOW
from tests.control.receivers import mail_server, web_server

DAY = timedelta(days=1)


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
