"""The configuration as values, and what is known of its parts now."""

from __future__ import annotations

import dataclasses

import pytest
from sqlalchemy import text

from engine.catalog import config, tables
from engine.model.errors import CatalogCorrupt, NotFoundError
from engine.model.states import CopyKind, Level, LibraryState, Operation, SubclientKind
from tests.catalog.estate import MONTHLY, NOW, OFFSITE, PG, PRIMARY, WWW


def test_policies_and_their_copies(estate):
    with estate.write() as session:
        session.add(tables.StoragePolicy(id=2, name="archive", description="old things"))
        session.flush()
        names = [value.name for value in config.policies(session)]
        policy = config.policy(session, "databases")
        primary, offsite, monthly = config.copies(session, policy.id)

        assert config.copies(session, 2) == []
    assert names == ["archive", "databases"]
    assert [copy.id for copy in (primary, offsite, monthly)] == [PRIMARY, OFFSITE, MONTHLY]
    assert (primary.kind, primary.library_id) == (CopyKind.PRIMARY, None)
    assert (monthly.subclients, monthly.encrypt_to) == (("db1/pg",), ("age1x",))
    assert (monthly.source_copy_id, offsite.source_copy_id) == (OFFSITE, None)


def test_unknown_policy_is_told_with_those_that_are_there(estate):
    unknown = pytest.raises(NotFoundError, match=r"no storage policy x\\x1b")
    with estate.read() as session, unknown as caught:
        config.policy(session, "x\x1b")

    assert "databases" in caught.value.hint


def test_libraries_agents_and_paths(estate):
    with estate.write() as session:
        session.add(tables.MediaAgent(id=2, name="another", max_streams=9))
        session.flush()
        session.add(tables.DataPath(library_id=1, media_agent_id=2, position=1))

        assert [value.name for value in config.media_agents(session)] == ["another", "store1"]
        paths = [(path.media_agent_id, path.position) for path in config.data_paths(session)]
        assert paths == [(1, 0), (2, 1)]
        (library,) = config.libraries(session)
    assert (library.state, library.uuid, library.checked_at) == (LibraryState.UNKNOWN, None, None)


def test_clients_and_subclients(estate):
    with estate.write() as session:
        session.add(tables.StoragePolicy(id=2, name="archive"))
        session.add(tables.Client(id=2, name="app"))
        session.flush()
        session.add(tables.Subclient(client_id=2, name="z", policy_id=2, kind="content"))

        assert [value.name for value in config.clients(session)] == ["app", "db1"]
        everything = [value.full_name for value in config.subclients(session)]
        pg, www = config.subclients(session, 1)
    assert everything == ["app/z", "db1/pg", "db1/www"]
    assert (pg.id, pg.kind, pg.level, pg.client) == (PG, SubclientKind.LANDING, Level.FULL, "db1")
    assert (www.id, www.content, www.landing_identity) == (WWW, (), {})


def test_windows_schedules_and_alerts(estate):
    with estate.write() as session:
        session.add(
            tables.OperationWindow(
                name="office", on_nodes=["commcell"], do_not_run=[{"days": "mon-fri"}]
            )
        )
        session.add(tables.Schedule(name="nightly", operation="auxcopy", policy_id=1, spec="daily"))
        session.add(tables.Alert(name="mail", on_events=["failed"], to="smtp://localhost"))
        session.flush()
        (window,), (schedule,), (alert,) = (
            config.windows(session),
            config.schedules(session),
            config.alerts(session),
        )

    assert (window.on_nodes, window.do_not_run) == (("commcell",), ({"days": "mon-fri"},))
    assert (schedule.operation, schedule.next_run_at) == (Operation.AUXCOPY, None)
    assert (alert.on_events, alert.to) == (("failed",), "smtp://localhost")


def test_values_are_frozen(estate):
    with estate.read() as session:
        (library,) = config.libraries(session)

    with pytest.raises(dataclasses.FrozenInstanceError):
        library.name = "other"


def test_what_a_probe_found_is_kept(estate):
    with estate.write() as session:
        config.set_library_state(session, 1, LibraryState.FULL, "no space", 0, 9 << 40, NOW)
        config.set_library_uuid(session, 1, "u-1")
        (library,) = config.libraries(session)

    assert (library.state, library.state_reason) == (LibraryState.FULL, "no space")
    assert (library.free_bytes, library.total_bytes) == (0, 9 << 40)
    assert (library.uuid, library.checked_at) == ("u-1", NOW)


def test_what_a_scan_found_is_kept(estate):
    with estate.write() as session:
        config.set_subclient_state(
            session, PG, LibraryState.ONLINE, "", NOW, landing_identity={"device": 7}
        )
        config.set_subclient_state(session, PG, LibraryState.OFFLINE, "is empty", NOW)
        pg, www = config.subclients(session)

    assert (pg.state, pg.state_reason, pg.scanned_at) == (LibraryState.OFFLINE, "is empty", NOW)
    assert pg.landing_identity == {"device": 7}
    assert www.state is LibraryState.UNKNOWN


def test_lost_identity_is_damage(catalog):
    with catalog.write() as session:
        session.connection().execute(text("DELETE FROM commcell"))

        with pytest.raises(CatalogCorrupt, match="identity"):
            config.commcell(session)
