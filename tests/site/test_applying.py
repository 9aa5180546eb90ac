from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from engine.catalog import config, jobs, ledger, schedules
from engine.catalog.home import Home
from engine.catalog.opening import Catalog, open_catalog
from engine.catalog.tables import PolicyCopy
from engine.model.encoding import encoding_of
from engine.model.errors import SiteError, UsageError
from engine.model.states import JobCopyState, JobState, LibraryState, Operation
from engine.site.applying import apply_site
from engine.site.diffing import ChangeKind
from engine.site.exporting import export_site
from tests.site.conftest import NOW, Apply, summary
from tests.site.wrong_files import SOUND, WRONG

MARKER = "auxtui-library.json"
BASE = """
[media_agents.store1]
[libraries.vault]
url = "@/vault"
[clients.db1.subclients.pg]
policy = "databases"
landing = "@/landing"
[policies.databases.copies.offsite]
kind = "synchronous"
library = "vault"
retain = "90d"
"""


def adopt(catalog: Catalog, *, copied_to: str = "") -> int:
    """A backup job of db1/pg, on the primary and perhaps on another copy."""
    with catalog.write() as session:
        policy = config.policy(session, "databases")
        (subclient,) = config.subclients(session, policy.id)
        number = jobs.next_id(session)
        ledger.add_backup_job(
            session,
            id=number,
            subclient_id=subclient.id,
            policy_id=policy.id,
            level="full",
            name=f"dump{number}".encode(),
            fingerprint=f"f{number}",
            cycle=number,
            started_at=NOW,
            completed_at=NOW,
            adopted_at=NOW,
            size_bytes=10,
            files=1,
            chunks=1,
        )
        if copied_to:
            copy = next(c for c in config.copies(session, policy.id) if c.name == copied_to)
            ledger.mark_available(
                session,
                copy.id,
                number,
                manifest_digest=b"d" * 32,
                chunks=1,
                size_bytes=10,
                by_job=None,
                now=NOW,
            )
        return number


def run_of(catalog: Catalog, state: JobState) -> int:
    """A job of the policy for its copy, as it stands in the catalog."""
    with catalog.write() as session:
        policy = config.policy(session, "databases")
        return jobs.create_job(
            session,
            operation=Operation.AUXCOPY,
            policy_id=policy.id,
            policy=policy.name,
            copies=["offsite"],
            options={},
            description="",
            priority=5,
            initiated_by="test",
            state=state,
            reason="",
            throttle_bps=None,
            now=NOW,
        )


def libraries(catalog: Catalog):
    with catalog.read() as session:
        return {library.name: library for library in config.libraries(session)}


def copies(catalog: Catalog):
    with catalog.read() as session:
        policy = config.policy(session, "databases")
        return {copy.name: copy for copy in config.copies(session, policy.id)}


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


def test_a_new_library_gets_its_directory_and_its_marker(
    apply: Apply, catalog: Catalog, tmp_path: Path
):
    apply(BASE)

    vault = tmp_path / "vault"
    assert (vault / MARKER).is_file()
    assert stat.S_IMODE(vault.stat().st_mode) == 0o700
    library = libraries(catalog)["vault"]
    assert library.uuid is not None
    assert library.state == LibraryState.ONLINE
    assert library.free_bytes


def test_the_marker_of_this_commcell_is_adopted(apply: Apply, catalog: Catalog):
    apply(BASE)
    uuid = libraries(catalog)["vault"].uuid
    without = BASE.replace("[libraries.vault]\n", "[libraries.other]\n").replace(
        '"@/vault"', '"@/other"'
    )
    apply(without.replace('library = "vault"', 'library = "other"'))
    assert "vault" not in libraries(catalog)

    apply(BASE)

    assert libraries(catalog)["vault"].uuid == uuid


def test_the_marker_of_another_commcell_leaves_the_library_offline(
    apply: Apply, catalog: Catalog, tmp_path: Path
):
    text = BASE.replace("@", str(tmp_path))
    with open_catalog(Home(tmp_path / "stranger"), create=True) as stranger:
        apply_site(stranger, text, "site.toml", dry_run=False, now=NOW)
    before = (tmp_path / "vault" / MARKER).read_bytes()

    changes = apply(BASE)

    assert changes[-1].change is ChangeKind.WARNING
    assert changes[-1].note
    library = libraries(catalog)["vault"]
    assert (library.state, library.uuid) == (LibraryState.OFFLINE, None)
    assert library.state_reason
    assert (tmp_path / "vault" / MARKER).read_bytes() == before


def test_a_library_that_was_offline_comes_online_at_the_next_apply(
    apply: Apply, catalog: Catalog, tmp_path: Path
):
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault" / MARKER).write_text("{}")
    assert apply(BASE)[-1].change is ChangeKind.WARNING
    (tmp_path / "vault" / MARKER).unlink()

    changes = apply(BASE)

    assert summary(changes) == [("library", "vault", "changed")]
    assert changes[0].fields == {"state": ["offline", "online"]}
    assert libraries(catalog)["vault"].state == LibraryState.ONLINE


def test_a_directory_that_cannot_be_made_changes_nothing(
    apply: Apply, catalog: Catalog, tmp_path: Path
):
    (tmp_path / "file").write_text("not a directory")
    text = BASE + '[libraries.first]\nurl = "@/first"\n[libraries.bad]\nurl = "@/file/deep"\n'

    with pytest.raises(SiteError, match=r"site.toml:15: libraries.bad.url: cannot make") as caught:
        apply(text)

    assert caught.value.hint
    assert libraries(catalog) == {}
    assert not (tmp_path / "first").exists()
    assert not (tmp_path / "vault").exists()


def test_a_moved_library_with_job_copies_is_never_marked_anew(
    apply: Apply, catalog: Catalog, tmp_path: Path
):
    apply(BASE)
    adopt(catalog, copied_to="offsite")

    changes = apply(BASE.replace("@/vault", "@/elsewhere"))

    assert summary(changes) == [("library", "vault", "changed"), ("library", "vault", "warning")]
    assert not (tmp_path / "elsewhere" / MARKER).exists()
    assert libraries(catalog)["vault"].state == LibraryState.OFFLINE

    os.rename(tmp_path / "vault", tmp_path / "moved")
    changes = apply(BASE.replace("@/vault", "@/moved"))

    assert summary(changes) == [("library", "vault", "changed")]
    assert libraries(catalog)["vault"].state == LibraryState.ONLINE


def test_a_moved_empty_library_starts_anew(apply: Apply, catalog: Catalog, tmp_path: Path):
    apply(BASE)

    apply(BASE.replace("@/vault", "@/elsewhere"))

    assert (tmp_path / "elsewhere" / MARKER).is_file()
    assert libraries(catalog)["vault"].state == LibraryState.ONLINE


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


def test_everything_can_be_taken_away_while_nothing_is_backed_up(apply: Apply, catalog: Catalog):
    apply(
        BASE
        + '[windows.w]\non = ["media_agents.store1"]\n'
        + 'do_not_run = [{from = "08:00", to = "09:00"}]\n'
        + '[schedules.s]\noperation = "auxcopy"\npolicy = "databases"\nwhen = "daily at 22:00"\n'
        + '[alerts.a]\non = ["failed"]\nto = "https://h/x"\n'
    )

    changes = apply("")

    assert {change.change for change in changes} == {ChangeKind.REMOVED}
    assert len(changes) == 10
    with catalog.read() as session:
        assert session.exec(select(PolicyCopy)).all() == []
    assert export_site(catalog).strip() == '[commcell]\nname = "commcell"\ntime_zone = "UTC"'


REMOVED = {
    "policy": ("[clients.db1]\n", r"policy .databases. cannot be removed: it has 1 backup job"),
    "subclient": (
        BASE.replace("subclients.pg", "subclients.other"),
        r"subclient .db1/pg. cannot be removed: it has 1 backup job",
    ),
    "copy": (
        BASE.replace("copies.offsite", "copies.other"),
        r"copy .databases/offsite. cannot be removed: it holds 1 job copy",
    ),
    "library": (
        BASE.replace("[libraries.vault]", "[libraries.other]").replace(
            'library = "vault"', 'library = "other"'
        ),
        r"copy .databases/offsite. holds 1 job copy in library .vault.",
    ),
    "subclient to another policy": (
        BASE.replace('policy = "databases"', 'policy = "more"') + "[policies.more]\n",
        r"subclient .db1/pg. has 1 backup job in policy .databases.",
    ),
    "primary exchanged": (
        BASE.replace('kind = "synchronous"', 'kind = "primary"')
        + '[policies.databases.copies.primary]\nkind = "synchronous"\nlibrary = "vault"\n',
        r"policy .databases. has 1 backup job: its primary copy cannot be exchanged",
    ),
}


@pytest.mark.parametrize("name", REMOVED)
def test_what_backup_jobs_depend_on_is_not_taken_away(name, apply: Apply, catalog: Catalog):
    text, message = REMOVED[name]
    apply(BASE)
    adopt(catalog, copied_to="offsite")
    before = export_site(catalog)

    with pytest.raises(SiteError, match=rf"^site.toml:\d+: .*{message}"):
        apply(text)

    assert export_site(catalog) == before
    with pytest.raises(SiteError, match=message):
        apply(text, dry_run=True)


def test_the_primary_cannot_be_removed_or_renamed(apply: Apply):
    apply(BASE)

    with pytest.raises(SiteError, match="it is the primary"):
        apply(BASE + '[policies.databases.copies.here]\nkind = "primary"\n')


def test_a_copy_that_only_owes_can_go(apply: Apply, catalog: Catalog):
    apply(BASE)
    number = adopt(catalog)
    with catalog.write() as session:
        policy = config.policy(session, "databases")
        copy = next(c for c in config.copies(session, policy.id) if c.name == "offsite")
        ledger.set_state(session, copy.id, number, JobCopyState.TO_BE_COPIED)

    changes = apply(BASE.replace("copies.offsite", "copies.other"))

    assert ("copy", "databases/offsite", "removed") in summary(changes)


def test_a_copy_cannot_go_while_a_job_runs_for_it(apply: Apply, catalog: Catalog):
    apply(BASE)
    job = run_of(catalog, JobState.RUNNING)

    with pytest.raises(SiteError, match=rf"job {job} is running"):
        apply(BASE.replace("copies.offsite", "copies.other"))
    with pytest.raises(SiteError, match=rf"job {job} is running"):
        apply("")


def test_the_history_of_a_removed_policy_stays(apply: Apply, catalog: Catalog):
    apply(BASE)
    job = run_of(catalog, JobState.COMPLETED)

    apply("")

    with catalog.read() as session:
        assert jobs.load_job(session, job).policy == "databases"


WORM = BASE.replace('retain = "90d"', 'retain = "90d"\nretain_cycles = 2\nworm = true')


@pytest.mark.parametrize(
    "text",
    [
        WORM.replace('"90d"', '"89d"'),
        WORM.replace("retain_cycles = 2", "retain_cycles = 1"),
        WORM.replace("worm = true", "worm = false"),
    ],
)
def test_a_worm_copy_is_not_retained_for_less(text, apply: Apply, catalog: Catalog):
    apply(WORM)
    adopt(catalog, copied_to="offsite")

    with pytest.raises(SiteError, match="is a WORM copy: its retention cannot be lowered"):
        apply(text)

    apply(WORM.replace('"90d"', '"91d"'))
    apply(WORM.replace('retain = "90d"\n', ""))  # for ever


def test_a_library_of_a_kind_that_cannot_be_opened_is_refused(
    apply: Apply, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
):
    def refuse(name, url):
        raise UsageError(f"library {name}: no s3:// here", hint="a directory")

    monkeypatch.setattr("engine.site.markers.check_url", refuse)

    with pytest.raises(SiteError, match=r"^site.toml:4: libraries.vault.url: .* no s3:// here"):
        apply(BASE)

    assert libraries(catalog) == {}


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
