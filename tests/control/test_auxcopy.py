"""The auxiliary copy operation on a real service process."""

import os
import shutil
from pathlib import Path

import pytest

from engine.catalog.events import events
from engine.control import frontdoor
from engine.library.interface import LibraryIdentity
from engine.library.marker import text_of
from engine.model.errors import NotFoundError, UsageError
from engine.model.states import RequestKind
from engine.policy.values import RunOptions
from tests.cell import SECOND, Cell, content, tree
from tests.control.conftest import BIG, CHUNK_BYTES, CRAWL_BPS


@pytest.fixture
def crawling(cell: Cell, small_chunks: None) -> int:
    """A run that crawls over a large dump and has proven some of its chunks."""
    cell.dump("big.dump", BIG)
    cell.apply()
    cell.scan()
    job_id = cell.start(throttle_bps=CRAWL_BPS)
    cell.journaled()
    return job_id


def test_every_backup_job_is_copied_and_proved(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.dump("two/a", 3_000_000)
    cell.dump("two/deep/b", 10)
    (cell.landing / "two/link").symlink_to("a")
    cell.apply(SECOND)
    cell.scan()

    job = cell.run()

    assert (job.state, job.backup_jobs_total, job.backup_jobs_done) == ("completed", 4, 4)
    assert job.bytes_done == job.bytes_total == 2 * 3_100_010
    assert {line.state for line in cell.ledger().values()} == {"available"}
    cell.assert_copied()
    cell.assert_copied("shelf", "second")


def test_a_second_run_copies_nothing(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply()
    cell.scan()
    cell.run()

    job = cell.run()

    assert (job.state, job.backup_jobs_total, job.bytes_done) == ("completed", 0, 0)


def test_one_unreadable_backup_job_does_not_stop_the_others(cell: Cell) -> None:
    cell.dump("good.dump")
    bad = cell.dump("bad.dump")
    cell.dump("good2.dump")
    cell.apply()
    cell.scan()
    bad.unlink()
    bad.mkdir()  # not even root can read this as a file

    job = cell.run()

    assert job.state == "completed_with_errors"
    assert (job.backup_jobs_done, job.backup_jobs_failed) == (2, 1)
    lines = cell.ledger()
    assert lines[b"good.dump"].state == lines[b"good2.dump"].state == "available"
    assert lines[b"bad.dump"].state != "available"
    cell.scan()
    assert cell.ledger("primary")[b"bad.dump"].state == "bad"


def test_a_dump_changed_after_adoption_is_bad_and_the_new_one_is_adopted(cell: Cell) -> None:
    path = cell.dump("latest.dump")
    cell.apply()
    cell.scan()
    path.write_bytes(content("tomorrow", 5000))

    first = cell.run()
    found = cell.scan()
    second = cell.run()

    assert first.state == "completed_with_errors"
    assert "changed" in first.reason
    assert len(found["adopted"]) == 1  # type: ignore[arg-type]
    assert second.state == "completed_with_errors"  # the old one is still owed, and lost
    cell.assert_copied()


def test_suspend_keeps_what_was_copied_and_resume_goes_on(cell: Cell, crawling: int) -> None:
    frontdoor.request(cell.home, RequestKind.SUSPEND, crawling, {}, by="test")
    suspended = cell.until(crawling, lambda job: job.state == "suspended")
    partial = cell.ledger()[b"big.dump"]
    frontdoor.request(cell.home, RequestKind.THROTTLE, crawling, {"throttle_bps": None}, by="test")
    frontdoor.request(cell.home, RequestKind.RESUME, crawling, {}, by="test")
    job = cell.wait(crawling)

    assert suspended.bytes_per_second == 0
    assert partial.state == "partially_copied"
    assert partial.chunks_done >= 1
    assert job.state == "completed"
    assert job.bytes_reused >= partial.bytes_done > 0
    assert job.attempts == 2
    cell.assert_copied()


def test_killed_service_continues_from_the_journal(cell: Cell, crawling: int) -> None:
    cell.kill9()
    frontdoor.ensure_service(cell.home)
    frontdoor.request(cell.home, RequestKind.THROTTLE, crawling, {"throttle_bps": None}, by="test")
    job = cell.wait(crawling)

    assert job.state == "completed"
    assert job.bytes_reused >= CHUNK_BYTES
    cell.assert_copied()


def test_kill_ends_the_job_and_a_later_run_reuses_its_chunks(cell: Cell, crawling: int) -> None:
    frontdoor.request(cell.home, RequestKind.KILL, crawling, {}, by="test")
    killed = cell.wait(crawling)
    again = cell.run()

    assert (killed.state, killed.exit_code) == ("killed", 3)
    assert again.state == "completed"
    assert again.bytes_reused >= CHUNK_BYTES
    with pytest.raises(UsageError, match="has ended"):
        frontdoor.request(cell.home, RequestKind.RESUME, crawling, {}, by="test")


def test_an_offline_library_fails_with_its_reason_and_the_other_copy_goes_on(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply(SECOND)
    cell.scan()
    (cell.root / "vault/auxtui-library.json").rename(cell.root / "marker")

    job = cell.run(retries=0)

    assert job.state == "completed_with_errors"
    assert "vault" in job.reason
    assert cell.ledger("second")[b"one.dump"].state == "available"
    assert cell.ledger("offsite")[b"one.dump"].state == "to_be_copied"
    assert cell.on_media() == {}
    (cell.root / "marker").rename(cell.root / "vault/auxtui-library.json")
    assert cell.run().state == "completed"


def test_a_job_with_only_an_offline_library_says_try_later(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply()
    cell.scan()
    os.unlink(cell.root / "vault/auxtui-library.json")

    job = cell.run(retries=0)

    assert (job.state, job.exit_code) == ("failed", 75)
    stranger = LibraryIdentity(uuid="u", name="vault", commcell_id="c", commcell="other")
    (cell.root / "vault/auxtui-library.json").write_bytes(text_of(stranger))

    job = cell.run()  # it does not pass by waiting: no attempt more, whatever number is allowed

    assert (job.state, job.attempts) == ("failed", 1)
    assert "another CommCell" in job.reason


def test_the_ledger_catches_up_with_the_media(cell: Cell, tmp_path: Path) -> None:
    """Killed between the rename and the ledger's word: the media lead, the catalog follows."""
    cell.dump("one.dump")
    cell.apply()
    cell.scan()
    cell.run()
    catalog = frontdoor.open_catalog(cell.home)
    line = cell.ledger()[b"one.dump"]
    with catalog.write() as session:
        from engine.catalog.tables import JobCopy  # the ledger is set back as a crash leaves it

        row = session.get(JobCopy, (line.copy_id, line.backup_job_id))
        assert row is not None
        row.state, row.copied_at, row.manifest_digest = "to_be_copied", None, None
        session.add(row)
    catalog.close()

    job = cell.run()

    assert (job.state, job.bytes_reused) == ("completed", 0)
    assert cell.ledger()[b"one.dump"].state == "available"
    assert cell.ledger()[b"one.dump"].manifest_digest == line.manifest_digest

    cell.dump("two.dump")
    cell.scan()
    offsite = cell.root / "vault/databases/offsite"
    strange = offsite / str(cell.ledger()[b"two.dump"].backup_job_id)
    shutil.copytree(offsite / str(line.backup_job_id), strange)

    job = cell.run()  # what lies there is another backup job, and the ledger says so

    two = cell.ledger()[b"two.dump"]
    assert (job.state, two.state) == ("failed", "to_be_copied")
    assert f"is of backup job {line.backup_job_id}" in two.reason
    assert "renamed or swapped" in two.next_step
    assert strange.is_dir()


def test_a_refused_run_changes_nothing(cell: Cell) -> None:
    cell.apply()

    with pytest.raises(NotFoundError, match="no copy nowhere"):
        cell.start(copies=("nowhere",))
    with pytest.raises(UsageError, match="primary"):
        cell.start(copies=("primary",))
    with pytest.raises(UsageError, match="streams 0"):
        cell.start(streams=0)
    with pytest.raises(NotFoundError, match="MediaAgent"):
        cell.start(source_media_agent="mars")
    with pytest.raises(NotFoundError, match="polic"):
        frontdoor.run_auxcopy(cell.home, "nothing", RunOptions(), by="test")


def test_a_restore_gives_back_every_byte(cell: Cell) -> None:
    cell.dump("two/a", 3_000_000)
    (cell.landing / "two/link").symlink_to("a")
    cell.apply()
    cell.scan()
    cell.run()
    backup_job_id = cell.ledger()[b"two"].backup_job_id

    job_id = frontdoor.run_restore(
        cell.home,
        backup_job_id,
        to=str(cell.root / "back"),
        copy="offsite",
        path_globs=(),
        overwrite=False,
        by="test",
    )
    job = cell.wait(job_id)

    assert job.state == "completed", job.reason
    assert tree(cell.root / "back/two") == tree(cell.landing / "two")


def restore(cell: Cell, backup_job_id: int, to: str, *globs: str) -> int:
    return frontdoor.run_restore(
        cell.home, backup_job_id, to=to, copy=None, path_globs=globs, overwrite=False, by="test"
    )


def test_a_restore_never_writes_into_a_library_or_a_landing_directory(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply()
    cell.scan()
    cell.run()
    backup_job_id = cell.ledger()[b"one.dump"].backup_job_id

    for target, what in ((cell.root / "vault/x", "library vault"), (cell.landing, "db1/pg")):
        with pytest.raises(UsageError, match=what):
            restore(cell, backup_job_id, str(target))

    assert not (cell.root / "vault/x").exists()


def test_a_restore_of_nothing_is_not_completed(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply()
    cell.scan()
    cell.run()
    backup_job_id = cell.ledger()[b"one.dump"].backup_job_id

    job = cell.wait(restore(cell, backup_job_id, str(cell.root / "back"), "*.sql"))

    assert (job.state, job.exit_code) == ("failed", 1)
    assert "*.sql" in job.reason


def test_a_part_that_cannot_be_copied_is_an_event_of_its_adoption(cell: Cell) -> None:
    cell.dump("two/a", 10)
    os.mkfifo(cell.landing / "two/pipe")
    cell.apply()
    cell.scan()

    catalog = frontdoor.open_catalog(cell.home)
    with catalog.read() as session:
        said = [e.message for e in events(session) if e.code == "landing.incomplete"]
    catalog.close()

    assert len(said) == 1
    assert "two/pipe" in said[0]
