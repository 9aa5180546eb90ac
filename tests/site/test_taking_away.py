"""Nothing that backup jobs depend on is taken away or changed under them by a site file."""

from __future__ import annotations

import pytest
from sqlmodel import select

from engine.catalog import config, jobs, ledger
from engine.catalog.opening import Catalog
from engine.catalog.tables import PolicyCopy
from engine.model.errors import SiteError
from engine.model.states import JobCopyState, JobState
from engine.site.diffing import ChangeKind
from engine.site.exporting import export_site
from tests.site.conftest import Apply, summary
from tests.site.estate import BASE, adopt, run_of


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


LOCKED = "s3://bucket/copies?endpoint=http://127.0.0.1:9&object_lock="
IN_STORE = WORM.replace('url = "@/vault"', f'url = "{LOCKED}compliance"')


@pytest.mark.parametrize("url", [LOCKED + "governance", LOCKED.partition("&")[0]])
def test_the_lock_of_a_worm_copy_is_not_taken_out_of_its_library(
    url: str, apply: Apply, catalog: Catalog
):
    apply(IN_STORE)
    weaker = IN_STORE.replace(LOCKED + "compliance", url)
    apply(weaker)  # nothing lies there yet
    apply(IN_STORE)
    adopt(catalog, copied_to="offsite")

    with pytest.raises(SiteError, match=r"WORM copy .databases/offsite. holds 1 job copy") as found:
        apply(weaker)

    assert "its object lock stays compliance" in found.value.message
    apply(IN_STORE.replace("127.0.0.1:9", "127.0.0.1:10"))  # the rest may change


def test_a_lock_can_be_made_stronger(apply: Apply, catalog: Catalog):
    apply(IN_STORE.replace("compliance", "governance"))
    adopt(catalog, copied_to="offsite")

    apply(IN_STORE)
