"""Data verification on the running service."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.control import frontdoor
from engine.library.file_handles import FileReader
from engine.library.local_writer import LocalJobWriter
from engine.model.entries import FileEntry
from engine.model.errors import NotFoundError, UsageError
from engine.model.states import RequestKind
from tests.cell import SECOND, Cell
from tests.control.conftest import BIG, CHUNK_BYTES, CRAWL_BPS
from tests.control.upkeep import errors_of, events_of, pass_by, serving, verify, wait_until

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=1)
"""Of the day after the copies were made, which is by the host's clock."""


def flip(path: Path, offset: int = 0) -> None:
    """Changes one bit of a byte; the file keeps its times, as rot does."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def verified(cell: Cell) -> bool:
    return all(line.verification == "good" for line in cell.ledger().values())


def copied(cell: Cell, extra: str = "", *, offsite: str = "") -> dict[str, int]:
    """Some backup jobs on the copies; ids by name."""
    cell.dump("one.dump")
    cell.dump("two/a", 3_000_000)
    cell.dump("two/empty", 0)
    (cell.landing / "two/link").symlink_to("a")
    os.link(cell.landing / "two/a", cell.landing / "two/b")
    cell.apply(extra, offsite=offsite)
    with serving(cell):
        cell.scan()
        assert cell.run().state == "completed"
    return {os.fsdecode(name): line.backup_job_id for name, line in cell.ledger().items()}


def test_every_job_copy_is_verified_once(cell: Cell) -> None:
    copied(cell, SECOND)
    with serving(cell) as clock:
        clock.set(NOON)
        first = verify(cell)
        again = verify(cell)
        everything = verify(cell, "all", copy="second")

    assert (first.state, first.backup_jobs_done, first.bytes_done) == ("completed", 4, 6_200_000)
    assert first.copies == ("offsite", "second")
    assert (again.state, again.backup_jobs_total) == ("completed", 0)
    assert everything.backup_jobs_done == 2
    for line in cell.ledger().values():
        assert line.verification == "good"
        assert line.verified_at is not None
        assert line.verified_at.date() == NOON.date()


@pytest.mark.parametrize(
    "damage", ["flip", "flip-large", "missing", "cut", "longer", "link", "name"]
)
def test_damage_is_found_and_named(cell: Cell, damage: str) -> None:
    jobs = copied(cell)
    media = cell.on_media()
    one, two = media[jobs["one.dump"]] / "data/one.dump", media[jobs["two"]] / "data/two"
    match damage:
        case "flip":
            flip(one, 77_777)
        case "flip-large":
            flip(two / "a", 2_999_999)
        case "missing":
            (two / "empty").unlink()
        case "cut":
            os.truncate(one, 99_999)
        case "longer":
            os.truncate(one, 100_001)
        case "link":
            (two / "link").unlink()
            (two / "link").symlink_to("b")
        case "name":
            (two / "b").unlink()
    bad = "one.dump" if damage in ("flip", "cut", "longer") else "two"
    path = {"flip-large": "two/a [0-3000000)", "missing": "two/empty", "link": "two/link"}.get(
        damage, "two/b" if damage == "name" else "one.dump [0-100000)"
    )
    with serving(cell):
        job = verify(cell)

    assert (job.state, job.exit_code) == ("completed_with_errors", 1)
    assert (job.backup_jobs_done, job.backup_jobs_failed) == (1, 1)
    good = "two" if bad == "one.dump" else "one.dump"
    assert job.bytes_done == cell.ledger()[good.encode()].size_bytes  # not what is damaged
    (error,) = errors_of(cell, job.id)
    assert (error.backup_job_id, error.copy_name, error.path) == (jobs[bad], "offsite", path)
    line = cell.ledger()[bad.encode()]
    assert (line.state, line.verification) == ("bad", "failed")
    assert "repair" in line.next_step
    assert error.hint == line.next_step
    assert line.reason.count(path.split(" ")[0]) == 1
    assert cell.ledger()[b"two" if bad == "one.dump" else b"one.dump"].state == "available"
    assert len(events_of(cell, "verification.failed")) == 1


def test_what_somebody_put_beside_the_files_is_told_and_harms_nothing(cell: Cell) -> None:
    jobs = copied(cell)
    there = cell.on_media()[jobs["two"]]
    (there / "data/two/\x1bplanted").write_bytes(b"")
    (there / "beside").symlink_to("/")
    with serving(cell):
        told = verify(cell)
        (there / "data/two/\x1bplanted").unlink()
        (there / "beside").unlink()
        well = verify(cell, "all")

    text = (
        f"backup job {jobs['two']} on copy offsite has 2 entries that no manifest lists: "
        "beside, data/two/\\x1bplanted"
    )
    assert (told.state, told.reason, told.backup_jobs_done) == ("completed", text, 2)
    (event,) = events_of(cell, "verification.strangers")
    assert (event.message, event.severity) == (text, "warning")
    assert verified(cell)
    assert (well.state, well.reason) == ("completed", "")


def test_a_manifest_that_was_changed_is_found(cell: Cell) -> None:
    jobs = copied(cell)
    media = cell.on_media()
    flip(media[jobs["one.dump"]] / "manifest.jsonl.zst", 100)
    (media[jobs["two"]] / "manifest.jsonl.zst").unlink()
    with serving(cell):
        job = verify(cell)

    assert job.backup_jobs_failed == 2
    assert {error.backup_job_id for error in errors_of(cell, job.id)} == set(jobs.values())
    assert {line.state for line in cell.ledger().values()} == {"bad"}


def test_what_reads_well_again_is_good_again(cell: Cell) -> None:
    jobs = copied(cell)
    path = cell.on_media()[jobs["one.dump"]] / "data/one.dump"
    with serving(cell):
        flip(path)
        verify(cell)
        flip(path)
        job = verify(cell, "all")

    assert job.state == "completed"
    assert cell.ledger()[b"one.dump"].state == "available"


def test_an_offline_library_proves_nothing(cell: Cell) -> None:
    copied(cell, SECOND)
    (cell.root / "vault/auxtui-library.json").unlink()
    with serving(cell):
        job_id = frontdoor.run_verification(cell.home, "databases", None, "new", by="test")
        pending = cell.until(job_id, lambda job: job.state == "pending")
        frontdoor.request(cell.home, RequestKind.KILL, job_id, {}, by="test")
        cell.wait(job_id)

    assert "vault" in pending.reason
    assert {line.state for line in cell.ledger().values()} == {"available"}
    assert {line.verification for line in cell.ledger().values()} == {"never"}
    assert {line.verification for line in cell.ledger("second").values()} == {"good"}


@pytest.mark.usefixtures("small_chunks")
def test_it_goes_on_where_it_was_suspended(cell: Cell) -> None:
    cell.dump("big.dump", BIG)
    cell.apply()
    with serving(cell):
        cell.scan()
        cell.run()
        job_id = frontdoor.run_verification(
            cell.home, "databases", None, "new", by="test", throttle_bps=CRAWL_BPS
        )
        cell.until(job_id, lambda job: job.bytes_done > 4 * CHUNK_BYTES)
        frontdoor.request(cell.home, RequestKind.SUSPEND, job_id, {}, by="test")
        suspended = cell.until(job_id, lambda job: job.state == "suspended")
        frontdoor.request(cell.home, RequestKind.THROTTLE, job_id, {"throttle_bps": None}, by="t")
        frontdoor.request(cell.home, RequestKind.RESUME, job_id, {}, by="test")
        job = cell.wait(job_id)

    assert suspended.bytes_per_second == 0
    assert (job.state, job.attempts) == ("completed", 2)
    assert job.bytes_reused >= CHUNK_BYTES
    assert cell.ledger()[b"big.dump"].verification == "good"


def test_a_window_of_verification_holds_it(cell: Cell) -> None:
    copied(
        cell,
        """
[windows.day]
on = ["media_agents.here"]
operations = ["verification"]
do_not_run = [{days = "mon-sun", from = "08:00", to = "18:00"}]
time_zone = "UTC"
""",
    )
    with serving(cell, NOON) as clock:
        job_id = frontdoor.run_verification(cell.home, "databases", None, "new", by="test")
        queued = cell.until(job_id, lambda job: job.state == "queued")
        clock.set(NOON.replace(hour=18, minute=1))
        job = cell.wait(job_id)

    assert "day" in queued.reason
    assert job.state == "completed"


def test_the_rule_of_a_copy_runs_by_itself(cell: Cell) -> None:
    copied(cell, offsite='verify = "within 2d"\nverify_expires = "3d"')
    with serving(cell, NOON) as clock:
        pass_by(cell, clock, "system-verification", (NOON + timedelta(days=3)).replace(hour=22))
        wait_until(lambda: verified(cell))

    line = cell.ledger()[b"one.dump"]
    assert line.verification == "good"
    assert line.verified_at is not None
    assert line.verified_at.hour == 22


def test_what_is_only_adopted_has_no_digests_to_compare(cell: Cell) -> None:
    cell.dump("one.dump")
    cell.apply()
    with serving(cell):
        cell.scan()
        job = verify(cell, copy="primary")

    assert (job.state, job.backup_jobs_skipped) == ("completed", 1)
    assert cell.ledger("primary")[b"one.dump"].verification == "never"


def test_wrong_requests_are_refused(cell: Cell) -> None:
    cell.apply()
    with serving(cell):
        with pytest.raises(UsageError, match="nothing to verify"):
            verify(cell, "some")
        with pytest.raises(NotFoundError, match="nowhere"):
            verify(cell, copy="nowhere")


def test_at_write_reads_back_before_it_is_shown(cell: Cell) -> None:
    copied(cell, SECOND, offsite='verify = "at-write"')

    for line in cell.ledger().values():
        assert line.verification == "good"
        assert line.verified_at is not None
    assert {line.verification for line in cell.ledger("second").values()} == {"never"}
    cell.assert_copied()


def test_at_write_never_publishes_what_reads_back_wrong(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that loses a bit on the way, once: the next attempt writes that file anew."""
    cell.dump("one.dump")
    cell.dump("two.dump", 3_000_000)
    cell.apply(offsite='verify = "at-write"')
    read_back = LocalJobWriter.read_back
    spoilt: list[bytes] = []

    def spoil(self: LocalJobWriter, entry: FileEntry) -> FileReader:
        if not spoilt:
            spoilt.append(entry.path)
            (found,) = (cell.root / "vault").rglob(os.fsdecode(entry.path))
            flip(found, 10)
        return read_back(self, entry)

    monkeypatch.setattr(LocalJobWriter, "read_back", spoil)
    with serving(cell):
        cell.scan()
        job = cell.run()

    assert spoilt
    assert (job.state, job.attempts) == ("completed", 2)
    assert {line.verification for line in cell.ledger().values()} == {"good"}
    cell.assert_copied()


def test_single_job_copies_are_verified_alone(cell: Cell) -> None:
    ids = copied(cell)
    with serving(cell):
        job_id = frontdoor.run_verification(
            cell.home, "databases", "offsite", "all", by="test", backup_jobs=[ids["one.dump"]]
        )
        job = cell.wait(job_id)
        with pytest.raises(UsageError, match="is not on copy offsite"):
            frontdoor.run_verification(
                cell.home, "databases", "offsite", "all", by="test", backup_jobs=[999]
            )
        with pytest.raises(UsageError, match="on one copy"):
            frontdoor.run_verification(
                cell.home, "databases", None, "all", by="test", backup_jobs=[ids["one.dump"]]
            )

    assert (job.state, job.backup_jobs_done) == ("completed", 1)
    lines = cell.ledger()
    assert lines[b"one.dump"].verification == "good"
    assert lines[b"two"].verification == "never"
