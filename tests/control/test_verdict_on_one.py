"""What is said of one backup job is what the whole plan says of it, and not more is read for it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.catalog import jobs, ledger, lines, tables
from engine.catalog.home import Home
from engine.catalog.opening import Catalog, open_catalog
from engine.model.states import JobCopyState, Level
from engine.operations.planning import load_scope, plan_run
from engine.policy.values import PlanLine, RunOptions, Verdict

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OFFSITE, WEEKLY = 2, 3


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory):
    """Two subclients with some weeks of backups, of which a few are copied, failed or decided."""
    home = Home(Path(tmp_path_factory.mktemp("one")))
    with open_catalog(home, create=True) as catalog:
        with catalog.write() as session:
            session.add(tables.Library(id=1, name="vault", url="/nowhere"))
            session.add(tables.Client(id=1, name="db1"))
            session.add(tables.StoragePolicy(id=1, name="databases"))
            session.flush()
            kinds = {1: "primary", OFFSITE: "synchronous", WEEKLY: "selective"}
            for copy_id, kind in kinds.items():
                session.add(
                    tables.PolicyCopy(
                        id=copy_id,
                        policy_id=1,
                        name=f"copy{copy_id}",
                        kind=kind,
                        library_id=1,
                        precedence=copy_id,
                        select_rule="weekly" if copy_id == WEEKLY else "",
                        take="last",
                    )
                )
            for subclient_id, name in ((1, "pg"), (2, "files")):
                session.add(
                    tables.Subclient(
                        id=subclient_id, client_id=1, name=name, policy_id=1, kind="content"
                    )
                )
        for day in range(20):
            _back_up(catalog, subclient_id=1 + day % 2, day=day)
        yield catalog


def _back_up(catalog: Catalog, *, subclient_id: int, day: int) -> None:
    at = START + timedelta(days=day)
    with catalog.write() as session:
        job_id = jobs.next_id(session)
        ledger.add_backup_job(
            session,
            id=job_id,
            subclient_id=subclient_id,
            policy_id=1,
            level=Level.INCREMENTAL if day % 4 == 3 else Level.FULL,
            name=b"",
            fingerprint="",
            cycle=day,
            started_at=at,
            completed_at=at,
            adopted_at=at,
            size_bytes=1000,
            files=1,
            chunks=1,
        )
        if day % 5 == 0:
            ledger.set_state(session, OFFSITE, job_id, JobCopyState.AVAILABLE, now=at)
        if day % 6 == 1:
            ledger.set_state(session, WEEKLY, job_id, JobCopyState.BAD, "damaged", now=at)
        if day == 10:
            ledger.set_decision(session, OFFSITE, job_id, "recopy", "anna", at + timedelta(days=1))
        if day == 9:
            ledger.set_decision(session, OFFSITE, job_id, "do_not_copy", "anna", at)


def _of(found: tuple[PlanLine, ...], job_id: int) -> list[PlanLine]:
    return [line for line in found if line.backup_job_id == job_id]


@pytest.mark.parametrize(
    "options",
    [
        RunOptions(copies=("copy2",)),
        RunOptions(copies=("copy3",)),
        RunOptions(),
        RunOptions(use_most_recent_full=True),
    ],
    ids=["synchronous", "selective", "both", "most recent full"],
)
def test_one_verdict_is_that_of_the_whole_plan(catalog: Catalog, options: RunOptions):
    now = START + timedelta(days=21)
    with catalog.read() as session:
        scope = load_scope(session, "databases")
        whole = plan_run(session, scope, options, now)
        every = ledger.backup_jobs(session, {line.backup_job_id for line in whole.lines})
        alone = {
            id_: plan_run(session, scope, options, now, only=job) for id_, job in every.items()
        }

    assert len(alone) == 20
    assert len({line.verdict for line in whole.lines}) > 1
    for id_, plan in alone.items():
        assert _of(plan.lines, id_) == _of(whole.lines, id_)


@pytest.mark.parametrize("most_recent", [False, True])
def test_what_is_owed_is_that_of_the_whole_plan(catalog: Catalog, most_recent: bool):
    """Also where what is there was decided about, or others are compared with it."""
    now = START + timedelta(days=21)
    options = RunOptions(use_most_recent_full=most_recent)
    with catalog.read() as session:
        scope = load_scope(session, "databases")
        whole = plan_run(session, scope, options, now)
        owed = plan_run(session, scope, options, now, owed_only=True)

    gone = set(whole.lines) - set(owed.lines)
    assert set(owed.lines) <= set(whole.lines)
    assert {line.state for line in gone} <= {JobCopyState.AVAILABLE}
    assert {line.verdict for line in gone} <= {Verdict.SKIPPED}
    assert owed.orders() == whole.orders()
    assert owed.blocked == whole.blocked
    assert len(gone) == (0 if most_recent else 3)


def test_no_more_is_read_than_the_verdict_depends_on(catalog: Catalog):
    with catalog.read() as session:
        scope = load_scope(session, "databases")
        job = ledger.backup_job(session, lines.ledger_lines(session, OFFSITE)[0].backup_job_id)
        now = START + timedelta(days=21)
        simple = plan_run(session, scope, RunOptions(copies=("copy2",)), now, only=job)
        selective = plan_run(session, scope, RunOptions(copies=("copy3",)), now, only=job)

    assert len(simple.lines) == 1
    assert len(selective.lines) == 10
