from __future__ import annotations

from datetime import timedelta

import pytest

from engine.catalog import ledger, live_estate, live_ledger, standings
from engine.catalog.live import LiveCatalog
from engine.catalog.live_documents import job_copy_document, job_document
from engine.catalog.live_values import HistoryFilter, LedgerFilter, LedgerOrder
from engine.model.errors import CatalogCorrupt, NotFoundError
from engine.model.states import JobCopyState, JobState, RequestKind
from tests.catalog.estate import OFFSITE, PRIMARY, adopt
from tests.catalog.test_ledger import make_available
from tests.console.sample_catalog import NOW, make_catalog


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return make_catalog(tmp_path_factory.mktemp("live") / "catalog.db")


@pytest.fixture
def live(path):
    with LiveCatalog(path) as opened:
        yield opened


def test_absent_and_damaged_catalogs_are_told_apart(tmp_path):
    with pytest.raises(NotFoundError):
        LiveCatalog(tmp_path / "none.db")
    (tmp_path / "bad.db").write_bytes(b"no database" * 500)
    with LiveCatalog(tmp_path / "bad.db") as bad, pytest.raises(CatalogCorrupt):
        bad.active_jobs()


def test_active_and_recent_jobs(live):
    assert [job.id for job in live.active_jobs()] == [905, 906]
    assert [job.id for job in live.recent_jobs(NOW - timedelta(minutes=5))] == [902]


def test_history_filters(live):
    failed = HistoryFilter(states=(JobState.COMPLETED_WITH_ERRORS,))
    assert [job.id for job in live.history(failed)] == [902]
    assert [job.id for job in live.history(HistoryFilter(active=False))] == [902, 901]
    assert live.history(HistoryFilter(active=True, states=(JobState.COMPLETED,))) == ()


def test_pages_follow_one_another_in_the_order_of_the_ids(live):
    pages = [live.job_copies_page(2, offset=start, limit=15) for start in range(0, 45, 15)]
    ids = [line.backup_job_id for page in pages for line in page]
    assert ids == list(live.job_copy_ids(2)) == list(range(139, 99, -1))


def test_the_whole_ledger_is_read_in_pages(live, monkeypatch):
    monkeypatch.setattr(live_ledger, "_AT_ONCE", 15)

    lines = list(live.job_copies_in_order(2))

    assert [line.backup_job_id for line in lines] == list(range(100, 140))
    assert lines == list(reversed(live.job_copies_page(2)))
    assert len(list(live.job_copies_in_order(2, limit=16))) == 16
    available = LedgerFilter(states=(JobCopyState.AVAILABLE,))
    assert {line.state for line in live.job_copies_in_order(2, available)} == {"available"}


@pytest.mark.parametrize("order", LedgerOrder)
def test_every_order_lists_every_backup_job_once(live, order):
    assert sorted(live.job_copy_ids(2, order=order)) == list(range(100, 140))


def test_counts_agree_with_the_filtered_list(live):
    counts = live.copy_counts()[2]
    for state in JobCopyState:
        assert live.job_copies_count(2, LedgerFilter(states=(state,))) == counts.of(state)


def test_what_is_to_be_copied_anew_is_owed_as_the_forecast_says(estate):
    with estate.write() as session:
        job_id = adopt(session)
        for copy_id in (PRIMARY, OFFSITE):
            make_available(session, copy_id, job_id)
    with LiveCatalog(estate.home.catalog) as live:
        before = live.copy_counts()[OFFSITE]
    with estate.write() as session:
        ledger.set_decision(session, OFFSITE, job_id, "recopy", "anna", NOW)
        owed = standings.owed(session, OFFSITE, PRIMARY)
    with LiveCatalog(estate.home.catalog) as live:
        after = live.copy_counts()[OFFSITE]
        plan = [row[3] for row in live._rows(f"EXPLAIN QUERY PLAN {live_estate._AGAIN}")]

    assert (before.owed, before.again) == (0, 0)
    assert (after.owed, after.owed_bytes) == (owed.jobs, owed.bytes)
    assert after.oldest_owed_at == owed.oldest_at == NOW
    assert after.of(JobCopyState.AVAILABLE) == 1  # it is there until then
    assert any("ix_job_copy_decided" in step for step in plan)
    assert not [
        step for step in plan if step.startswith("SCAN") and "ix_job_copy_decided" not in step
    ]


def test_a_filed_request_is_unanswered_and_changes_the_data_version(path, live):
    before = live.data_version()
    number = live.file_request(RequestKind.SUSPEND, by="me@here", job_id=905)
    assert live.answer_to(number) is None
    assert live.data_version() != before


def test_documents_have_the_keys_of_the_contract(live):
    document = job_document(live.job(905), live.errors(905))
    assert document["job_id"] == 905
    assert document["created_at"].endswith("+00:00")
    assert document["errors"][0]["backup_job_id"] == 127
    line = job_copy_document(live.job_copies_page(2, limit=1)[0])
    assert {"bytes", "next_step", "retain_until", "chunks_done", "verified_at"} <= set(line)


def test_an_attempt_under_way_has_done_what_its_job_has(live):
    (attempt,) = live.attempts(905)
    assert (attempt.ended_at, attempt.bytes_done) == (None, live.job(905).bytes_done)
    assert attempt.bytes_done > 0


def test_what_ran_in_a_service_that_died_is_interrupted_and_has_no_rate(path):
    with LiveCatalog(path, is_alive=lambda: True) as at_work:
        running = at_work.job(905)
        assert (running.state, len(at_work.streams(905)) > 0) == (JobState.RUNNING, True)
    with LiveCatalog(path, is_alive=lambda: False) as left:
        job = left.job(905)
        assert (job.state, job.bytes_per_second, job.seconds_left, job.streams) == (
            JobState.INTERRUPTED,
            0,
            None,
            0,
        )
        assert "the service is down" in job.reason
        assert (left.active_jobs()[0], left.streams(905)) == (job, ())
        assert left.history(HistoryFilter(states=(JobState.RUNNING,))) == ()
        assert job in left.history(HistoryFilter(states=(JobState.INTERRUPTED,)))
        assert job.bytes_done == running.bytes_done
        assert not any(state == "running" for _, state in left.job_counts())
        assert left.job_counts()["auxcopy", "interrupted"] >= 1
