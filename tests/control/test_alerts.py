"""Alerts on the running service: filed with their causes, delivered, and not lost by a crash."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engine.catalog import config, tables
from engine.catalog.live import LiveCatalog
from engine.catalog.opening import open_catalog
from engine.catalog.values import LibraryValue
from engine.catalog.watch_values import AlertMessageValue
from engine.control import frontdoor
from engine.control.watch import UNSEEN, Watch
from engine.library.interface import LibraryIdentity, Probe
from engine.model.errors import (
    HostKeyRefused,
    LibraryOffline,
    NotFoundError,
    SiteError,
    UsageError,
)
from engine.model.states import RequestKind
from engine.operations.options import options_from_json
from engine.operations.probing import record_probe
from engine.operations.store import Store
from engine.site.run_form import read_script, script_text
from tests.cell import Cell
from tests.clock import SettableClock
from tests.control.receivers import Web, web_server
from tests.control.upkeep import age, events_of, serving, wait_until

MONDAY = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


def hook(port: int, *kinds: str, name: str = "hook") -> str:
    words = ", ".join(f'"{kind}"' for kind in kinds)
    return f'[alerts.{name}]\non = [{words}]\nto = "http://127.0.0.1:{port}/{name}"\n'


def outbox(cell: Cell) -> list[AlertMessageValue]:
    with LiveCatalog(cell.home.catalog) as live:
        return list(live.alert_messages())


def test_failures_and_offline_libraries_are_told_and_cleared(cell: Cell) -> None:
    cell.dump("one.dump")
    with web_server() as web:
        cell.apply(hook(web.port, "all", "succeeded"))
        (cell.root / "vault").rename(cell.root / "away")
        with serving(cell):
            cell.scan()
            assert cell.run(retries=0).state == "failed"
            wait_until(lambda: len(web.messages) == 2)
            (cell.root / "away").rename(cell.root / "vault")
            assert cell.run().state == "completed"
            wait_until(lambda: len(web.messages) == 5)

    assert sorted(web.messages[:2]) == [("raised", "failed"), ("raised", "library-offline")]
    assert sorted(web.messages[2:]) == [
        ("cleared", "failed"),
        ("cleared", "library-offline"),
        ("told", "succeeded"),
    ]


def test_an_alert_survives_kill_9_and_reaches_its_receiver_later(cell: Cell) -> None:
    cell.dump("one.dump")
    with web_server() as web:
        web.answers = [503] * 50
        cell.apply(hook(web.port, "failed", "service-died"))
        (cell.root / "vault").rename(cell.root / "away")
        cell.scan()
        assert cell.run(retries=0).state == "failed"
        cell.kill9()
        web.answers = []
        later = datetime.now(UTC) + timedelta(minutes=5)
        with serving(cell, later):
            wait_until(lambda: {message.state for message in outbox(cell)} == {"sent"})

    assert sorted(web.messages) == [("raised", "failed"), ("told", "service-died")]


def test_a_schedule_that_was_missed_is_told_and_clears_when_it_runs(cell: Cell) -> None:
    nightly = """
[schedules.nightly]
operation = "auxcopy"
policy = "databases"
when = "daily at 22:00"
time_zone = "UTC"
missed = "report"
"""
    with web_server() as web:
        cell.apply(nightly + hook(web.port, "missed"))
        with serving(cell, MONDAY):
            wait_until(lambda: bool(_next_run(cell)))
        with serving(cell, MONDAY + timedelta(days=2)) as clock:
            wait_until(lambda: about(web, "nightly") == ["raised"])
            clock.set((MONDAY + timedelta(days=2)).replace(hour=22))
            wait_until(lambda: about(web, "nightly") == ["raised", "cleared"])

    assert "2 runs were missed" in web.documents[0]["messages"][0]["message"]


def about(web: Web, what: str) -> list[str]:
    """Steps of the messages about something; the service's own schedules are missed as well."""
    messages = [one for document in web.documents for one in document["messages"]]
    return [one["step"] for one in messages if one["about"] == what]


def _next_run(cell: Cell) -> datetime | None:
    with open_catalog(cell.home) as catalog, catalog.read() as session:
        found = session.get(tables.Schedule, 1)
        return found.next_run_at if found else None


def test_a_scheduled_run_that_does_nothing_against_its_habit_is_told(cell: Cell) -> None:
    nightly = """
[schedules.nightly]
operation = "auxcopy"
policy = "databases"
when = "daily at 22:00"
time_zone = "UTC"
"""
    with web_server() as web:
        cell.apply(nightly + hook(web.port, "nothing-done"))
        with serving(cell, MONDAY) as clock:
            wait_until(lambda: bool(_next_run(cell)))
            for day in range(5):
                if day < 4:
                    cell.dump(f"{day}.dump", 2_000_000)
                    cell.scan()
                before = len(events_of(cell, "job.completed"))
                clock.set((MONDAY + timedelta(days=day)).replace(hour=22))
                wait_until(lambda before=before: len(events_of(cell, "job.completed")) > before)
            wait_until(lambda: web.messages == [("raised", "nothing-done")])

    message = web.documents[0]["messages"][0]
    assert "completed, but it did nothing" in message["message"]
    assert "schedule nightly" in message["about"]


def test_sources_that_shrink_or_vanish_are_told(cell: Cell) -> None:
    with web_server() as web:
        cell.apply(hook(web.port, "source-shrunk", "source-offline"))
        with serving(cell, MONDAY):
            for number in range(4):
                cell.dump(f"dump-{number}", 3_000_000)
            cell.scan()
            cell.dump("dump-5", 1_000_000)
            cell.dump("other", 10)
            cell.scan()
            cell.landing.rename(cell.root / "gone")
            cell.scan()
            (cell.root / "gone").rename(cell.landing)
            cell.scan()
            wait_until(lambda: len(web.messages) == 3)

    assert web.messages == [
        ("raised", "source-shrunk"),
        ("raised", "source-offline"),
        ("cleared", "source-offline"),
    ]
    assert "dump-0" in web.documents[0]["messages"][0]["about"]


def test_the_deletion_fuse_is_told(cell: Cell) -> None:
    for number in range(12):
        cell.dump(f"dump-{number}")
    with web_server() as web:
        cell.apply(hook(web.port, "fuse"), offsite='retain = "2d"')
        with serving(cell, MONDAY):
            cell.scan()
            assert cell.run().state == "completed"
        with serving(cell, datetime.now(UTC) + timedelta(days=30)):
            age(cell)
            age(cell)
            wait_until(lambda: web.messages == [("raised", "fuse")])
            assert age(cell, confirm=True).state == "completed"
            wait_until(lambda: len(web.messages) == 2)

    assert web.messages[1] == ("cleared", "fuse")


def test_a_library_that_nothing_uses_is_looked_at(cell: Cell) -> None:
    cell.apply(hook(1, "library-offline"))
    (cell.root / "vault").rename(cell.root / "away")
    with open_catalog(cell.home) as catalog:
        store, clock = Store(catalog), SettableClock(datetime.now(UTC) + UNSEEN)
        try:
            watch = Watch(store, clock)
            asyncio.run(watch.probe())
            assert alarms_of(cell) == [("library-offline", "vault")]
            (cell.root / "away").rename(cell.root / "vault")
            asyncio.run(watch.probe())  # looked at a moment ago
            assert alarms_of(cell) == [("library-offline", "vault")]
            clock.set(clock() + UNSEEN)
            asyncio.run(watch.probe())
        finally:
            store.close()

    assert alarms_of(cell) == []
    assert [(one.step, one.content["about"]) for one in outbox(cell)[::-1]] == [
        ("raised", "vault"),
        ("cleared", "vault"),
    ]


def test_a_library_that_hangs_is_offline_and_the_others_are_looked_at(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell.apply()
    hangs = threading.Event()

    def look(value: LibraryValue, *_: object) -> object:
        if value.name == "shelf":
            hangs.wait(60)
        raise LibraryOffline(f"library {value.name} is away")

    monkeypatch.setattr("engine.operations.probing.look_at", look)
    monkeypatch.setattr("engine.control.watch.PROBE_S", 0.2)
    with open_catalog(cell.home) as catalog:
        store = Store(catalog)
        try:
            asyncio.run(Watch(store, SettableClock(datetime.now(UTC) + UNSEEN)).probe())
        finally:
            hangs.set()
            store.close()

    assert sorted(alarms_of(cell)) == [("library-offline", "shelf"), ("library-offline", "vault")]


def test_a_changed_host_key_and_low_space_are_alarms_until_they_are_over(cell: Cell) -> None:
    cell.apply()
    now = datetime.now(UTC)
    changed = HostKeyRefused("the host key of vault has changed", hint="compare", is_changed=True)
    unknown = HostKeyRefused("the host key of vault is unknown")

    def note(error: LibraryOffline | None, probe: Probe | None) -> list[tuple[str, str]]:
        with open_catalog(cell.home) as catalog, catalog.write() as session:
            value = next(one for one in config.libraries(session) if one.name == "vault")
            record_probe(session, value, error, probe, now)
        return sorted(alarms_of(cell))

    def room(free_bytes: int) -> Probe:
        identity = LibraryIdentity(uuid="u", name="vault", commcell_id="c", commcell="test")
        return Probe(identity=identity, free_bytes=free_bytes, total_bytes=1000)

    assert note(unknown, None) == [("library-offline", "vault")]
    assert note(changed, None) == [("host-key-changed", "vault"), ("library-offline", "vault")]
    assert note(None, room(40)) == [("space-low", "vault")]
    assert note(None, room(30)) == [("space-low", "vault")]
    assert note(None, room(60)) == []
    assert len(events_of(cell, "library.space_low")) == 1


def test_the_alert_of_a_job_tells_of_this_job_however_it_ends(cell: Cell) -> None:
    cell.dump("one.dump")
    with web_server() as web:
        cell.apply(hook(web.port) + hook(web.port, "failed", name="night"))
        (cell.root / "vault").rename(cell.root / "away")
        with serving(cell):
            cell.scan()
            first = cell.run(retries=0, alert="hook", alert_when="fails")
            again = cell.run(retries=0, alert="night")  # it stands: told for the sake of the job
            (cell.root / "away").rename(cell.root / "vault")
            killed = cell.start(throttle_bps=1, alert="hook", alert_when="errors")
            cell.until(killed, lambda job: job.state == "running")
            frontdoor.request(cell.home, RequestKind.KILL, killed, {}, by="test")
            cell.wait(killed)
            cell.run(alert="hook", alert_when="errors")
            last = cell.run(alert="hook")

    told = [
        (one.alert, one.step, one.content["kind"], one.content["job_id"]) for one in outbox(cell)
    ]
    assert told[::-1] == [
        ("night", "raised", "failed", first.id),
        ("hook", "told", "failed", first.id),
        ("night", "told", "failed", again.id),
        ("hook", "told", "killed", killed),
        ("night", "cleared", "failed", again.id),
        ("hook", "told", "succeeded", last.id),
    ]


def test_a_job_that_begins_a_told_alarm_is_told_once(cell: Cell) -> None:
    cell.apply(hook(1, "all", "succeeded"))
    cell.dump("one.dump")
    cell.scan()
    job = cell.run(alert="hook")

    assert [(one.content["kind"], one.content["job_id"]) for one in outbox(cell)] == [
        ("succeeded", job.id)
    ]


def test_an_alert_of_a_job_must_be_there_and_one_that_went_is_said(cell: Cell) -> None:
    cell.apply(hook(1))
    cell.dump("one.dump")
    cell.scan()
    with pytest.raises(NotFoundError, match="there is no alert mail"):
        cell.start(alert="mail")
    with pytest.raises(UsageError, match="nobody is named"):
        cell.start(alert_when="fails")
    with pytest.raises(UsageError, match="'sometimes' is no time"):
        cell.start(alert="hook", alert_when="sometimes")
    job_id = cell.start(alert="hook", start_suspended=True)
    cell.apply()
    frontdoor.request(cell.home, RequestKind.RESUME, job_id, {}, by="test")
    cell.wait(job_id)

    assert [event.job_id for event in events_of(cell, "alert.gone")] == [job_id]
    assert outbox(cell) == []


def test_a_schedule_and_a_script_name_the_alert_of_their_jobs(cell: Cell) -> None:
    nightly = """
[schedules.nightly]
operation = "auxcopy"
policy = "databases"
when = "daily at 22:00"
options = {alert = "hook", alert_when = "errors"}
"""
    with pytest.raises(SiteError, match='there is no alert "hook"'):
        cell.apply(nightly)
    with pytest.raises(SiteError, match="alert_when"):
        cell.apply(hook(1) + nightly.replace("errors", "sometimes"))
    with pytest.raises(SiteError, match='needs "alert"'):
        cell.apply(hook(1) + nightly.replace('alert = "hook", ', ""))
    cell.apply(hook(1) + nightly)
    (job_id,) = frontdoor.schedule(cell.home, "nightly", "run", by="test")
    options = options_from_json(cell.wait(job_id).options)

    assert (options.alert, options.alert_when) == ("hook", "errors")
    script = script_text("databases", options)
    assert read_script(script, "run.toml") == ("databases", options)
    changed = ("alert_when=fails", "alert=night")
    assert read_script(script, "run.toml", changed)[1] == replace(
        options, alert="night", alert_when="fails"
    )


def alarms_of(cell: Cell) -> list[tuple[str, str]]:
    with LiveCatalog(cell.home.catalog) as live:
        return [(alarm.kind, alarm.about) for alarm in live.alarms()]
