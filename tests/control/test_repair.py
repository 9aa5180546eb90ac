"""Repair of damaged job copies on the running service; every byte of a small copy in turn."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.control import frontdoor
from engine.library.interface import Place
from engine.library.local import LocalLibrary
from engine.model.errors import NotFoundError, UsageError
from engine.model.states import RequestKind
from tests.cell import SECOND, Cell, tree
from tests.control.conftest import BIG, CHUNK_BYTES, CRAWL_BPS
from tests.control.test_verification import copied, flip
from tests.control.upkeep import errors_of, events_of, repair, serving, verify


@pytest.mark.parametrize("damage", ["flip", "missing", "manifest", "no-manifest", "gone"])
def test_a_bad_job_copy_is_repaired_from_another(cell: Cell, damage: str) -> None:
    jobs = copied(cell, SECOND)
    before = cell.ledger()[b"two"]
    directory = cell.on_media()[jobs["two"]]
    match damage:
        case "flip":
            flip(directory / "data/two/a", 1234)
        case "missing":
            (directory / "data/two/a").unlink()
        case "manifest":
            flip(directory / "manifest.jsonl.zst", 50)
        case "no-manifest":
            (directory / "manifest.jsonl.zst").unlink()
        case "gone":
            os.rename(directory, cell.root / "elsewhere")
    with serving(cell):
        found = verify(cell)
        job = repair(cell, jobs["two"])
        again = verify(cell, "all")

    assert found.state == "completed_with_errors"
    assert (job.state, job.backup_jobs_done, job.bytes_done) == ("completed", 1, 3_000_000)
    assert again.state == "completed"
    line = cell.ledger()[b"two"]
    assert (line.state, line.verification, line.reason) == ("available", "good", "")
    assert line.manifest_digest == before.manifest_digest
    assert line.copied_at == before.copied_at
    cell.assert_copied()
    assert not list((cell.root / "vault/databases/offsite/.partial").iterdir())


def test_only_the_damaged_chunks_come_from_elsewhere(cell: Cell) -> None:
    cell.dump("big.dump", 100 << 20)
    cell.apply(SECOND)
    with serving(cell):
        cell.scan()
        cell.run()
        (backup_job_id,) = cell.on_media()
        flip(cell.on_media()[backup_job_id] / "data/big.dump", 40 << 20)
        verify(cell)
        repair(cell, backup_job_id)

    (event,) = events_of(cell, "repair.done")
    assert "3 chunks from offsite, 1 chunks from primary" in event.message
    cell.assert_copied()


def test_a_copy_that_vanishes_while_it_is_opened_is_passed_over(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = copied(cell, SECOND)
    flip(cell.on_media()[jobs["two"]] / "data/two/a", 9)
    with serving(cell):
        verify(cell)
        with monkeypatch.context() as patched:
            digest_of = LocalLibrary.manifest_digest

            def gone(library: LocalLibrary, place: Place, job_id: int) -> bytes:
                if place.copy == "second":
                    raise NotFoundError("it has gone")
                return digest_of(library, place, job_id)

            patched.setattr(LocalLibrary, "manifest_digest", gone)
            job = repair(cell, jobs["two"])

    assert (job.state, job.backup_jobs_done) == ("completed", 1)  # from the landing directory
    (event,) = events_of(cell, "repair.source")
    assert event.message == "nothing is taken from copy second: it has gone"
    cell.assert_copied()


def test_two_damaged_copies_make_a_good_one(cell: Cell) -> None:
    """Neither is whole, and what lay in the landing directory is gone."""
    jobs = copied(cell, SECOND)
    original = tree(cell.landing / "two")
    flip(cell.on_media()[jobs["two"]] / "data/two/a", 9)
    (cell.on_media("shelf", "second")[jobs["two"]] / "data/two/empty").unlink()
    with serving(cell):
        verify(cell)
        (cell.landing / "two/a").write_bytes(b"another backup")
        job = repair(cell, jobs["two"], copy="second")
        other = repair(cell, jobs["two"])

    assert (job.state, other.state) == ("completed", "completed")
    for library, copy in (("vault", "offsite"), ("shelf", "second")):
        assert tree(cell.on_media(library, copy)[jobs["two"]] / "data/two") == original


def test_what_no_copy_has_right_stays_bad(cell: Cell) -> None:
    jobs = copied(cell, SECOND)
    for library, copy in (("vault", "offsite"), ("shelf", "second")):
        flip(cell.on_media(library, copy)[jobs["two"]] / "data/two/a", 9)
    with serving(cell):
        verify(cell)
        (cell.landing / "two/a").unlink()
        job = repair(cell, jobs["two"])

    assert (job.state, job.exit_code) == ("failed", 1)
    (error,) = errors_of(cell, job.id)
    assert "no copy has bytes 0 to 3000000 of two/a" in error.error
    assert cell.ledger()[b"two"].state == "bad"
    assert cell.on_media().keys() == set(jobs.values())


def test_marked_bad_by_hand_is_repaired_too(cell: Cell) -> None:
    jobs = copied(cell)
    with serving(cell):
        frontdoor.decide(cell.home, "databases", "offsite", [jobs["two"]], "bad", by="test")
        job = repair(cell, jobs["two"])
        run = cell.run()

    assert (job.state, run.state, run.backup_jobs_total) == ("completed", "completed", 0)
    assert cell.ledger()[b"two"].state == "available"


@pytest.mark.usefixtures("small_chunks")
def test_a_killed_service_goes_on_with_the_repair(cell: Cell) -> None:
    cell.dump("big.dump", 2 * BIG)
    cell.apply()
    with serving(cell):
        cell.scan()
        cell.run()
        (backup_job_id,) = cell.on_media()
        flip(cell.on_media()[backup_job_id] / "data/big.dump", 5)
        verify(cell)
    frontdoor.switch_activity(cell.home, "commcell", on=False, by="test")
    job_id = frontdoor.repair(cell.home, "databases", "offsite", [backup_job_id], by="test")
    crawl = {"throttle_bps": CRAWL_BPS}
    frontdoor.request(cell.home, RequestKind.THROTTLE, job_id, crawl, by="test")
    frontdoor.switch_activity(cell.home, "commcell", on=True, by="test")
    cell.until(job_id, lambda job: job.bytes_done > 4 * CHUNK_BYTES)
    cell.kill9()
    frontdoor.ensure_service(cell.home)
    frontdoor.request(cell.home, RequestKind.THROTTLE, job_id, {"throttle_bps": None}, by="test")
    job = cell.wait(job_id)

    assert (job.state, job.attempts) == ("completed", 2)
    cell.assert_copied()


def test_what_makes_no_sense_is_refused(cell: Cell) -> None:
    jobs = copied(cell)
    with serving(cell):
        with pytest.raises(UsageError, match="landing directory"):
            repair(cell, jobs["two"], copy="primary")
        with pytest.raises(NotFoundError, match="nowhere"):
            repair(cell, jobs["two"], copy="nowhere")
        with pytest.raises(NotFoundError, match="99"):
            repair(cell, 99)
        with pytest.raises(UsageError, match="no backup job"):
            repair(cell)


def places(directory: Path) -> Iterator[tuple[Path, int]]:
    """Every file of a job copy, with some of its bytes; its first and last among them."""
    chance = random.Random(4)
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.stat().st_size:
            size = path.stat().st_size
            yield from ((path, at) for at in {0, size - 1, chance.randrange(size)})


def test_no_byte_of_a_copy_can_rot_unseen(cell: Cell) -> None:
    """Each time: found, named, never restored wrong, repaired."""
    cell.dump("tree/a", 5_000)
    cell.dump("tree/deep/b", 70)
    cell.apply(SECOND)
    with serving(cell):
        cell.scan()
        cell.run()
        (backup_job_id,) = cell.on_media()
        for number, (path, at) in enumerate(places(cell.on_media()[backup_job_id])):
            flip(path, at)
            restored = cell.root / f"back{number}"
            job_id = frontdoor.run_restore(
                cell.home,
                backup_job_id,
                to=str(restored),
                copy="offsite" if number % 2 else None,
                path_globs=(),
                overwrite=False,
                by="test",
            )
            restore = cell.wait(job_id)
            if restore.state == "completed":
                assert tree(restored / "tree") == tree(cell.landing / "tree")
            else:
                assert number % 2
            found = verify(cell, "all", copy="offsite")
            assert found.state == "completed_with_errors", (path, at)
            (error,) = errors_of(cell, found.id)
            assert path.name in error.path
            assert repair(cell, backup_job_id).state == "completed"
        assert verify(cell, "all").state == "completed"
    cell.assert_copied()
