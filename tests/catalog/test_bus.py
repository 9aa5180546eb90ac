"""The bus: events, requests and answers, what the service says of itself, what waits to settle."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.catalog import events, landing, requests, service_state
from engine.catalog.values import ServiceValue
from engine.model.errors import NotFoundError
from engine.model.states import RequestKind, RequestState, Severity
from tests.catalog.estate import NOW, PG, WWW

LATER = NOW + timedelta(minutes=1)


def test_events_are_filtered_and_come_oldest_first(catalog):
    with catalog.write() as session:
        for number in range(5):
            events.add_event(
                session,
                severity=Severity.ERROR if number == 3 else Severity.INFO,
                code="job.started",
                message=f"event {number}",
                job_id=number % 2 or None,
                now=NOW + timedelta(minutes=number),
            )

        def found(**filters):
            return [int(event.message[-1]) for event in events.events(session, **filters)]

        assert found() == [0, 1, 2, 3, 4]
        assert found(limit=2) == [3, 4]
        assert found(job_id=1) == [1, 3]
        assert found(since=NOW + timedelta(minutes=3)) == [3, 4]
        assert found(after_id=events.events(session)[1].id) == [2, 3, 4]
        assert found(severities=(Severity.ERROR, Severity.WARNING)) == [3]
        assert events.events(session)[3].severity is Severity.ERROR


def test_request_is_answered_once(catalog):
    with catalog.write() as session:
        first = requests.file_request(
            session, kind=RequestKind.RUN, by="ann", payload={"policy": "x"}, now=NOW
        )
        second = requests.file_request(session, kind=RequestKind.KILL, by="bob", job_id=7, now=NOW)

        assert [value.id for value in requests.filed(session)] == [first, second]
        assert requests.answer(session, first, done=True, answer={"job_id": 7}, now=LATER)
        assert not requests.answer(session, first, done=False, answer={"error": "no"}, now=LATER)
        assert [value.id for value in requests.filed(session)] == [second]
        answered = requests.request(session, first)
        waiting = requests.request(session, second)

    assert (answered.state, answered.answer) == (RequestState.DONE, {"job_id": 7})
    assert (answered.payload, answered.answered_at) == ({"policy": "x"}, LATER)
    assert (waiting.state, waiting.kind, waiting.job_id) == (
        RequestState.FILED,
        RequestKind.KILL,
        7,
    )
    assert (waiting.by, waiting.at, waiting.answered_at) == ("bob", NOW, None)


def test_refused_request_keeps_the_reason(catalog):
    with catalog.write() as session:
        filed = requests.file_request(session, kind=RequestKind.SCAN, by="ann", now=NOW)
        requests.answer(session, filed, done=False, answer={"error": "no such"}, now=LATER)

        assert requests.request(session, filed).state is RequestState.REFUSED


def test_unknown_request_is_told(catalog):
    with catalog.write() as session:
        assert not requests.answer(session, 5, done=True, answer={}, now=NOW)
        with pytest.raises(NotFoundError, match="no request 5"):
            requests.request(session, 5)


def test_service_that_never_ran_is_stopped(catalog):
    with catalog.read() as session:
        assert service_state.service(session) == ServiceValue()


def test_each_run_of_the_service_has_its_number(catalog):
    def start(session, pid):
        return service_state.new_epoch(
            session, pid=pid, host="h", boot_id="b", version="1", now=NOW
        )

    with catalog.write() as session:
        assert start(session, 10) == 1
        service_state.beat(session, LATER)
        running = service_state.service(session)
        service_state.set_stopped(session, LATER)
        stopped = service_state.service(session)
        assert start(session, 11) == 2

    assert (running.state, running.pid, running.heartbeat_at) == ("running", 10, LATER)
    assert (running.started_at, running.host, running.boot_id) == (NOW, "h", "b")
    assert stopped.state == "stopped"


def test_entry_waits_since_it_last_changed(estate):
    with estate.write() as session:

        def seen(fingerprint, now, reason=""):
            return landing.observe(session, PG, b"a\xff", fingerprint, reason, now).first_seen_at

        assert seen("one", NOW) == NOW
        assert seen("one", LATER, "still open") == NOW
        assert seen("two", LATER) == LATER
        landing.observe(session, PG, b"b", "x", "", NOW)
        landing.observe(session, WWW, b"a\xff", "x", "", NOW)
        names = [value.name for value in landing.observations(session, PG)]
        landing.forget_observations(session, PG, [b"a\xff", b"never seen"])

        assert names == [b"a\xff", b"b"]
        assert [value.name for value in landing.observations(session, PG)] == [b"b"]
        assert len(landing.observations(session, WWW)) == 1
