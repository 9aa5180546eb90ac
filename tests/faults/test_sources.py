"""The source fails or changes: that backup job is named and left out, the others go on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.estate import CHUNK_BYTES, CRAWL_BPS, LARGE_CHUNKS, Estate
from tests.faults.oracle import journal_chunks, ledger_of, query
from tests.faults.tracing import requires_strace, traced


def states(estate: Estate) -> dict[bytes, set[str]]:
    """The states of each entry on the secondary copies."""
    found: dict[bytes, set[str]] = {}
    for line in ledger_of(estate.cell.home.path):
        found.setdefault(line.name, set()).add(line.state)
    return found


def errors_of(estate: Estate) -> list[tuple[str, str, str]]:
    """Path, error and hint of each error of the last job."""
    rows = query(
        estate.cell.home.path,
        "SELECT path, error, hint FROM job_error WHERE job_id = (SELECT max(id) FROM job)",
    )
    return [(row["path"], row["error"], row["hint"]) for row in rows]


@requires_strace
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_copied(estate: Estate) -> None:
    for name in ("a.dump", "bad.dump", "z.dump"):
        estate.add(name, 3 * CHUNK_BYTES)
    estate.apply()
    estate.start_ready()
    estate.scan()
    estate.file_run(retries=0)
    bad = str(estate.cell.landing / "bad.dump")

    with traced(estate, "preadv:error=EIO", "preadv2:error=EIO", paths=[bad]):
        estate.until(estate.is_settled)

    job = estate.jobs()[-1]
    assert job["state"] == "completed_with_errors"
    assert states(estate)[b"a.dump"] == states(estate)[b"z.dump"] == {"available"}
    assert "available" not in states(estate)[b"bad.dump"]
    path, error, hint = errors_of(estate)[0]
    assert path == "bad.dump"
    assert "cannot read bad.dump: input/output error" in error
    assert "system log" in hint
    assert estate.oracle.examine(is_finished=False) == []
    estate.file_run()
    assert estate.finish() == []
    assert estate.jobs()[-1]["state"] == "completed"


def append(path: Path) -> None:
    """Somebody goes on writing."""
    with path.open("ab") as stream:
        stream.write(b"more")


def overwrite_and_hide(path: Path) -> None:
    """Other bytes, the same size and the same modification time."""
    status = path.stat()
    with path.open("r+b") as stream:
        stream.seek(status.st_size - 100)
        stream.write(b"x" * 50)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def truncate(path: Path) -> None:
    """It becomes shorter."""
    os.truncate(path, path.stat().st_size // 2)


def replace(path: Path) -> None:
    """Another file takes its name."""
    other = path.with_name(".other")
    other.write_bytes(b"y" * path.stat().st_size)
    other.rename(path)


@pytest.mark.parametrize("change", [append, overwrite_and_hide, truncate, replace])
def test_a_source_that_changes_while_it_is_read_is_never_published(
    estate: Estate, change: Callable[[Path], None]
) -> None:
    estate.add("aaa.dump", LARGE_CHUNKS * CHUNK_BYTES)
    estate.add("good.dump", 1000)
    estate.apply()
    estate.start_ready()
    estate.scan()
    estate.run(throttle_bps=CRAWL_BPS, streams=1, retries=0)
    partials = estate.oracle.copies[0].place / ".partial"
    estate.until(lambda: any(journal_chunks(path) for path in partials.glob("[0-9]*")))

    change(estate.cell.landing / "aaa.dump")
    estate.release()
    estate.oracle.touched.add(b"aaa.dump")
    estate.until(estate.is_settled)

    job = estate.jobs()[-1]
    assert job["state"] == "completed_with_errors", job["reason"]
    assert any(word in job["reason"] for word in ("changed", "shorter")), job["reason"]
    assert states(estate)[b"good.dump"] == {"available"}
    assert "available" not in states(estate)[b"aaa.dump"]
    assert estate.oracle.examine(is_finished=False) == []

    estate.oracle.touched.clear()
    estate.oracle.knows(b"aaa.dump")
    estate.scan()
    estate.file_run()
    estate.finish()
    lines = [line for line in ledger_of(estate.cell.home.path) if line.name == b"aaa.dump"]
    newest = max(line.backup_job_id for line in lines)
    assert {line.state for line in lines if line.backup_job_id == newest} == {"available"}
    assert estate.oracle.examine(is_finished=False) == []


def test_a_dump_that_vanishes_is_named_and_absence_is_no_deletion(estate: Estate) -> None:
    estate.add("a.dump", 1000)
    estate.add("gone.dump", 1000)
    estate.apply()
    estate.start_ready()
    estate.scan()
    estate.run()
    estate.until(estate.is_settled)
    estate.oracle.touched.add(b"gone.dump")
    (estate.cell.landing / "gone.dump").unlink()

    estate.scan()
    estate.file_run()
    estate.until(estate.is_settled)

    assert estate.jobs()[-1]["state"] == "completed"
    assert states(estate)[b"gone.dump"] == {"available"}
    assert estate.oracle.examine(is_finished=True) == []
