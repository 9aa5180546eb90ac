from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.catalog import config, schedules
from engine.catalog.opening import Catalog
from engine.model.encoding import encoding_of
from engine.model.errors import SiteError
from engine.site.applying import apply_site
from engine.site.exporting import export_site
from tests.site.conftest import NOW, Apply, summary
from tests.site.estate import BASE, adopt, copies
from tests.site.wrong_files import SOUND, WRONG


def test_the_first_apply_makes_everything_in_order(apply: Apply, catalog: Catalog):
    changes = apply(BASE)

    assert summary(changes) == [
        ("media_agent", "store1", "added"),
        ("library", "vault", "added"),
        ("policy", "databases", "added"),
        ("copy", "databases/primary", "added"),
        ("copy", "databases/offsite", "added"),
        ("client", "db1", "added"),
        ("subclient", "db1/pg", "added"),
    ]
    assert changes[4].fields["retain"] == [None, "90d"]
    with catalog.read() as session:
        assert [path.position for path in config.data_paths(session)] == [0]


def test_applying_again_changes_nothing(apply: Apply):
    apply(BASE)

    assert apply(BASE) == []


def test_a_dry_run_says_the_same_and_touches_nothing(
    apply: Apply, catalog: Catalog, tmp_path: Path
):
    foreseen = apply(BASE, dry_run=True)

    assert not (tmp_path / "vault").exists()
    with catalog.read() as session:
        assert config.policies(session) == []
    assert apply(BASE) == foreseen


def test_changes_are_documents_for_programs(apply: Apply):
    apply(BASE)

    (change,) = apply(BASE.replace('"90d"', '"30d"\ndefer = "1d"'))

    assert json.loads(json.dumps(change.document())) == {
        "kind": "copy",
        "name": "databases/offsite",
        "change": "changed",
        "fields": {"retain": ["90d", "30d"], "defer": ["0s", "1d"]},
        "note": "",
    }


def test_the_host_is_a_media_agent_when_the_file_names_none(apply: Apply, catalog: Catalog):
    text = BASE.replace("[media_agents.store1]", '[commcell]\ntime_zone = "Asia/Tokyo"')

    changes = apply(text)

    agent = next(change for change in changes if change.kind == "media_agent")
    assert "not in the file" in agent.note
    with catalog.read() as session:
        (found,) = config.media_agents(session)
    assert (found.name, found.time_zone) == (agent.name, "Asia/Tokyo")
    assert apply(text) == []


def test_dates_come_back_in_utc(apply: Apply, catalog: Catalog):
    dated = BASE.replace('"90d"', '"90d"\non_and_after = 2026-07-01') + (
        '[commcell]\ntime_zone = "Europe/Berlin"\n'
    )

    apply(dated)

    assert copies(catalog)["offsite"].on_and_after == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert apply(dated) == []


def test_a_younger_copy_can_be_the_source_of_an_older_one(apply: Apply, catalog: Catalog):
    apply(BASE)
    chained = BASE + 'source = "near"\n[policies.databases.copies.near]\nlibrary = "vault"\n'

    apply(chained)

    found = copies(catalog)
    assert found["offsite"].source_copy_id == found["near"].id
    assert found["near"].source_copy_id is None

    apply(BASE)

    assert copies(catalog)["offsite"].source_copy_id is None
    assert "near" not in copies(catalog)


def test_copies_that_read_from_each_other_go_together(apply: Apply, catalog: Catalog):
    apply(
        BASE
        + '[policies.databases.copies.a]\nlibrary = "vault"\n'
        + '[policies.databases.copies.b]\nlibrary = "vault"\nsource = "a"\n'
        + '[policies.databases.copies.c]\nlibrary = "vault"\nsource = "b"\n'
    )

    apply(BASE)

    assert set(copies(catalog)) == {"primary", "offsite"}


RECIPIENT = "age1gagawleskhnpzg0u4ey4clt3p3psc6tajsr0pun4prfaxuyjngxsjnlkyj"


SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6IGzDlDTk6GtUWNqe93DRbbFPxlBGyD+GlGTsZ7mvF"


def test_recipients_are_kept_in_one_form(apply: Apply, catalog: Catalog):
    apply(
        BASE + f'compression = "zstd"\nencrypt_to = ["{RECIPIENT}", "{SSH} anna@host", "{SSH} b"]\n'
    )

    with catalog.read() as session:
        policy = config.policy(session, "databases")
        [copy] = [c for c in config.copies(session, policy.id) if c.name == "offsite"]
    assert copy.encoding == encoding_of("zstd", (RECIPIENT, SSH))
    assert apply(export_site(catalog)) == []


def test_identity_files_are_paths_and_come_back(apply: Apply, catalog: Catalog):
    apply('[commcell]\nage_identity_files = ["/etc/auxtui/key"]\n' + BASE)

    with catalog.read() as session:
        assert config.commcell(session).age_identity_files == ("/etc/auxtui/key",)
    assert apply(export_site(catalog)) == []


def test_a_changed_encoding_says_what_becomes_of_the_job_copies_that_are_there(
    apply: Apply, catalog: Catalog
):
    apply(BASE)
    held = apply(f'{BASE}compression = "zstd"\n')
    assert [change.note for change in held] == [""]
    adopt(catalog, copied_to="offsite")

    [change] = apply(f'{BASE}encrypt_to = ["{RECIPIENT}"]\n')

    assert "the 1 job copy that it has stays as it is" in change.note
    assert "encrypted to 1 recipient" in change.note


def test_no_wrong_file_changes_anything(catalog: Catalog, apply: Apply):
    apply(BASE)
    before = export_site(catalog)
    with catalog.read() as session:
        version = session.connection().exec_driver_sql("PRAGMA data_version").scalar()

        for name, (added, _) in WRONG.items():
            is_root = name == "text for a table"
            with pytest.raises(SiteError):
                apply(added + SOUND if is_root else SOUND + added)

        assert session.connection().exec_driver_sql("PRAGMA data_version").scalar() == version
    assert export_site(catalog) == before


def test_settings_of_the_commcell_are_kept_and_told(apply: Apply, catalog: Catalog):
    apply(BASE)

    (change,) = apply(
        BASE
        + """
[commcell]
queue_conflicting_auxcopy_jobs = false
week_starts = "monday"
day_starts = "06:00"
behind_size = "1TB"
behind_time = "never"
"""
    )

    assert change.fields == {
        "queue_conflicting_auxcopy_jobs": [True, False],
        "day_starts": ["00:00", "06:00"],
        "week_starts": ["friday", "monday"],
        "behind_size": ["25TB", "1TB"],
        "behind_time": ["2d", "never"],
    }
    with catalog.read() as session:
        cell = config.commcell(session)
    assert (cell.day_start_s, cell.week_start, cell.month_start_day) == (21_600, 0, 1)
    assert (cell.behind_bytes, cell.behind_age_s, cell.behind_time_s) == (10**12, 1_209_600, None)
    assert not cell.queue_conflicting_auxcopy_jobs


PAST = """
[schedules.once]
operation = "auxcopy"
policy = "databases"
when = "once at {when}"
"""


def test_a_schedule_that_is_past_is_refused_when_it_is_entered(apply: Apply, catalog: Catalog):
    apply(BASE)
    text = BASE + PAST.format(when="2020-01-01 10:00")

    with pytest.raises(SiteError, match=rf":{text.splitlines().index('[schedules.once]') + 4}: "):
        apply(text)

    with catalog.read() as session:
        assert config.schedules(session) == []
    apply(text + "enabled = false\n")
    with pytest.raises(SiteError, match="past"):
        apply(text)


def test_a_schedule_that_has_run_meanwhile_is_no_reason_to_refuse_the_file(
    catalog: Catalog, tmp_path: Path
):
    at = NOW + timedelta(hours=1)
    text = (BASE + PAST.format(when=f"{at:%Y-%m-%d %H:%M}")).replace("@", str(tmp_path))
    apply_site(catalog, text, "site.toml", dry_run=False, now=NOW)

    assert not apply_site(catalog, text, "site.toml", dry_run=False, now=NOW + timedelta(days=9))


def test_the_system_schedules_follow_the_zone_of_the_commcell(apply: Apply, catalog: Catalog):
    """Made with the first start of the service, they stood in the zone of that day for good."""
    apply(BASE)
    with catalog.write() as session:
        schedules.ensure_system_schedules(session, "UTC")
        schedules.set_enabled(session, "system-aging", enabled=False)
        before = schedules.schedule(session, "system")
        schedules.claim_run(session, before, next_run_at=NOW)

    apply(f'[commcell]\ntime_zone = "Europe/Berlin"\n{BASE}')

    with catalog.read() as session:
        found = {value.name: value for value in config.schedules(session)}
    assert {value.time_zone for value in found.values()} == {"Europe/Berlin"}
    assert found["system"].next_run_at is None
    assert not found["system-aging"].enabled

    apply(f'[commcell]\ntime_zone = "Europe/Berlin"\nname = "hq"\n{BASE}')
    with catalog.write() as session:
        schedules.claim_run(session, found["system"], next_run_at=NOW)
        schedules.ensure_system_schedules(session, "Europe/Berlin")
        assert schedules.schedule(session, "system").next_run_at is not None
        schedules.ensure_system_schedules(session, "Asia/Tokyo")
        assert schedules.schedule(session, "system").time_zone == "Asia/Tokyo"
