"""A copy whose manifest or data is damaged: restore says so and takes the next copy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.control import frontdoor
from tests.faults.estate import CHUNK_BYTES, Estate
from tests.faults.oracle import ledger_of, published_in, query, tree_of


def garbage(copy: Path) -> None:
    """Another file's bytes."""
    (copy / "manifest.jsonl.zst").write_bytes(os.urandom(500))


def cut_off(copy: Path) -> None:
    """The end is missing."""
    manifest = copy / "manifest.jsonl.zst"
    manifest.write_bytes(manifest.read_bytes()[:-9])


def flipped(copy: Path) -> None:
    """One bit in the middle."""
    manifest = copy / "manifest.jsonl.zst"
    text = bytearray(manifest.read_bytes())
    text[len(text) // 2] ^= 4
    manifest.write_bytes(bytes(text))


def empty(copy: Path) -> None:
    """Nothing in it."""
    (copy / "manifest.jsonl.zst").write_bytes(b"")


def missing(copy: Path) -> None:
    """No manifest: not a job copy any more."""
    (copy / "manifest.jsonl.zst").unlink()


def gone(copy: Path) -> None:
    """The whole job copy was removed behind our back."""
    shutil.rmtree(copy)


def rotten_data(copy: Path) -> None:
    """One bit of the data, size and times as before."""
    path = copy / "data/one.dump"
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[CHUNK_BYTES + 5] ^= 1
    path.write_bytes(bytes(content))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def shorter_data(copy: Path) -> None:
    """A file that lost its end."""
    os.truncate(copy / "data/one.dump", 10)


DAMAGES = [garbage, cut_off, flipped, empty, missing, gone, rotten_data, shorter_data]


@pytest.fixture
def copied(estate: Estate) -> Estate:
    """One dump on both copies, its original gone."""
    estate.add("one.dump", 3 * CHUNK_BYTES)
    estate.apply()
    estate.start_ready()
    estate.scan()
    estate.run()
    estate.until(estate.is_settled)
    shutil.copy2(estate.cell.landing / "one.dump", estate.root / "kept")
    (estate.cell.landing / "one.dump").unlink()
    return estate


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_restore_passes_over_a_damaged_copy_and_says_so(
    copied: Estate, damage: Callable[[Path], None]
) -> None:
    damage(copy_of(copied, 0))

    job = restore(copied, copy=None)

    assert job["state"] == "completed", job["reason"]
    assert tree_of(bytes(copied.root / "back/one.dump")) == tree_of(bytes(copied.root / "kept"))
    events = query(copied.cell.home.path, "SELECT message FROM event WHERE code LIKE 'restore.%'")
    messages = [row["message"] for row in events]
    assert any("copy offsite cannot give" in message for message in messages), messages


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_restore_from_a_damaged_copy_alone_fails_with_the_reason_and_never_gives_the_file(
    copied: Estate, damage: Callable[[Path], None]
) -> None:
    damage(copy_of(copied, 0))

    job = restore(copied, copy="offsite")

    rest = copied.root / "back/one.dump.incomplete"
    has_rest = damage is rotten_data
    assert job["state"] == ("completed_with_errors" if has_rest else "failed")
    assert job["exit_code"] == 1
    assert "internal error" not in job["reason"]
    words = ("manifest", "there is no", "digest", "bytes", "shorter", "size", "ends at")
    assert any(word in job["reason"] for word in words), job["reason"]
    assert not (copied.root / "back/one.dump").exists()
    assert rest.exists() is has_rest
    if has_rest:
        right = bytearray((copied.root / "kept").read_bytes())
        right[CHUNK_BYTES : 2 * CHUNK_BYTES] = bytes(CHUNK_BYTES)
        assert rest.read_bytes() == bytes(right)


def test_a_copy_whose_source_copy_is_damaged_is_not_made_from_it(estate: Estate) -> None:
    """What was read has not the digest of the manifest: not published, and the source is bad."""
    estate.add("one.dump", 3 * CHUNK_BYTES)
    estate.apply(offsite="")
    site = '[policies.databases.copies.third]\nkind = "synchronous"\nlibrary = "shelf"\n'
    estate.start_ready()
    estate.scan()
    estate.run()
    estate.until(estate.is_settled)
    rotten_data(copy_of(estate, 0))
    estate.cell.apply(estate.site + site + 'source = "offsite"\n')

    estate.run(retries=0)
    estate.until(estate.is_settled)

    job = estate.jobs()[-1]
    assert job["state"] == "completed_with_errors"
    assert "digest" in job["reason"]
    assert not published_in(estate.root / "shelf/databases/third")
    sources = query(
        estate.cell.home.path,
        "SELECT jc.state, jc.verification FROM job_copy jc JOIN policy_copy c"
        " ON c.id = jc.copy_id WHERE c.name = 'offsite'",
    )
    assert [tuple(row) for row in sources] == [("bad", "failed")]


def test_a_damaged_manifest_of_a_landing_job_stops_that_job_alone(estate: Estate) -> None:
    """The one below AUXTUI_HOME, which has the identities of a dump that was not copied yet."""
    for name in ("a.dump", "b.dump", "c.dump"):
        estate.add(name, 2000)
    estate.apply()
    estate.start_ready()
    estate.scan()
    broken = next(line for line in ledger_of(estate.cell.home.path) if line.name == b"b.dump")
    manifest = estate.cell.home.manifest(broken.backup_job_id)
    manifest.write_bytes(manifest.read_bytes()[:-3])

    estate.run(retries=0)
    estate.until(estate.is_settled)

    job = estate.jobs()[-1]
    assert job["state"] == "completed_with_errors"
    assert "the manifest" in job["reason"]
    assert "damaged" in job["reason"]
    lines = ledger_of(estate.cell.home.path)
    assert {line.name for line in lines if line.state == "available"} == {b"a.dump", b"c.dump"}
    assert estate.oracle.examine(is_finished=False) == []


def copy_of(estate: Estate, number: int) -> Path:
    """Directory of the only job copy of a copy."""
    return next(iter(published_in(estate.oracle.copies[number].place).values()))


def restore(estate: Estate, *, copy: str | None) -> Any:
    """Restores the only backup job and returns the job."""
    job_id = frontdoor.run_restore(
        estate.cell.home,
        ledger_of(estate.cell.home.path)[0].backup_job_id,
        to=str(estate.root / "back"),
        copy=copy,
        path_globs=(),
        overwrite=False,
        by="test",
    )
    estate.until(estate.is_settled)
    return next(job for job in estate.jobs() if job["id"] == job_id)
