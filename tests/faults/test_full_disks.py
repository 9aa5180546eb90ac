"""Disks that are full: said in numbers, nothing lost, and gone on with when there is room again."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.model.errors import CatalogError
from tests.faults.estate import CHUNK_BYTES, CRAWL_BPS, LARGE_CHUNKS, Estate
from tests.faults.oracle import ledger_of, query
from tests.faults.test_crash import progress
from tests.faults.test_destinations import await_journal, mounted_tmpfs

pytestmark = pytest.mark.needs_root
SOON_S = [0.05] * 5
STILL_LOOKS = 100  # of 10 ms: several times what a chunk takes


@pytest.fixture
def small_vault(estate: Estate) -> Iterator[Path]:
    """The first library on a file system of two megabytes."""
    vault = estate.root / "vault"
    vault.mkdir(parents=True)
    with mounted_tmpfs(vault, "size=2m"):
        yield vault


@pytest.fixture
def small_home(estate: Estate) -> Iterator[Path]:
    """The catalog on a file system of four megabytes."""
    home = estate.cell.home.path
    home.mkdir(parents=True)
    with mounted_tmpfs(home, "size=4m,mode=0700"):
        yield home


def grow(path: Path, size: str) -> None:
    """Gives a file system more room."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(path)], check=True)


def fill(path: Path) -> Path:
    """Takes all the room that is left; returns the file that has it."""
    filler = path / "filler"
    with filler.open("ab", buffering=0) as stream:
        try:
            while stream.write(bytes(4096)):
                continue
        except OSError:
            return filler
    return filler


def reasons(estate: Estate, copy: str) -> set[tuple[str, str]]:
    """State and reason of each line of the ledger of a copy."""
    lines = ledger_of(estate.cell.home.path)
    return {(line.state, line.reason) for line in lines if line.copy == copy}


def test_a_library_without_room_says_how_much_is_missing(estate: Estate, small_vault: Path) -> None:
    estate.add("large.dump", 40 * CHUNK_BYTES)
    estate.add("small.dump", 500)
    estate.apply()
    estate.start_ready(retry_delays_s=SOON_S)
    estate.scan()

    estate.run(retries=1)
    estate.until(estate.is_settled)

    job = estate.jobs()[-1]
    assert job["state"] == "completed_with_errors"
    assert "library vault has no room for backup job" in job["reason"]
    assert "needs 2.5 MiB" in job["reason"]
    assert {state for state, _ in reasons(estate, "second")} == {"available"}
    kept_out, fits = sorted(reasons(estate, "offsite"), reverse=True)
    assert kept_out[0] == "to_be_copied"
    assert fits[0] == "available"  # what is smaller does not wait for it
    assert estate.oracle.examine(is_finished=False) == []
    grow(small_vault, "16m")
    estate.file_run()
    assert estate.finish() == []
    assert estate.jobs()[-1]["state"] == "completed"


def test_a_library_that_fills_up_while_it_is_written_is_gone_on_with_in_the_same_job(
    estate: Estate, small_vault: Path
) -> None:
    grow(small_vault, "12m")
    estate.add("large.dump", LARGE_CHUNKS * CHUNK_BYTES)
    estate.apply()
    estate.start_ready(retry_delays_s=SOON_S)
    estate.scan()
    estate.run(retries=200, throttle_bps=CRAWL_BPS, copies=("offsite",))
    await_journal(estate)

    filler = fill(small_vault)
    estate.release()
    estate.until(lambda: estate.jobs()[-1]["state"] == "pending")
    reason = estate.jobs()[-1]["reason"]
    filler.unlink()
    estate.until(estate.is_settled)

    job = estate.jobs()[-1]
    assert "no space left on device" in reason or "no room" in reason
    assert job["state"] == "completed"
    assert job["bytes_reused"] > 0
    estate.file_run()
    assert estate.finish() == []


def test_a_library_without_inodes_is_full(estate: Estate) -> None:
    vault = estate.root / "vault"
    vault.mkdir(parents=True)
    with mounted_tmpfs(vault, "size=16m,nr_inodes=20"):
        for number in range(30):
            estate.add(f"{number}.dump", 100)
        estate.apply()
        estate.start_ready(retry_delays_s=SOON_S)
        estate.scan()

        estate.run(retries=1)
        estate.until(estate.is_settled)

        assert estate.jobs()[-1]["state"] == "completed_with_errors"
        assert "no space left on device" in estate.jobs()[-1]["reason"]
        assert {state for state, _ in reasons(estate, "second")} == {"available"}
        assert estate.oracle.examine(is_finished=False) == []
        subprocess.run(["mount", "-o", "remount,nr_inodes=1000", str(vault)], check=True)
        estate.file_run()
        assert estate.finish() == []


def test_a_full_disk_under_the_catalog_loses_nothing(estate: Estate, small_home: Path) -> None:
    """Media may run ahead of the catalog; the run goes on when there is room again."""
    estate.add("aa.dump", 24 * CHUNK_BYTES)
    for number in range(8):
        estate.add(f"{number}.dump", 3000)
    estate.apply()
    estate.start_ready(retry_delays_s=SOON_S)
    estate.scan()
    estate.run(throttle_bps=CRAWL_BPS, retries=2)
    await_journal(estate)

    filler = fill(small_home)
    with pytest.raises(CatalogError, match="no space left on its disk") as told:
        file_runs_for_ever(estate, small_home)
    assert "free space" in told.value.hint
    await_standstill(estate)
    assert estate.oracle.examine(is_finished=False) == []
    filler.unlink()
    estate.release()

    estate.until(estate.is_settled)
    assert {job["state"] for job in estate.jobs()} == {"completed"}
    estate.stop()
    assert estate.oracle.examine(is_finished=True) == []
    assert query(small_home, "PRAGMA integrity_check")[0][0] == "ok"


def file_runs_for_ever(estate: Estate, home: Path) -> None:
    """Asks until it cannot: the write-ahead log has room for some more."""
    while True:
        estate.file_run(copies=("offsite",), priority=9)
        fill(home)


def await_standstill(estate: Estate) -> None:
    """Returns when the job cannot tell any more what it does: nothing more is published."""
    before: list[int] = []

    def is_still() -> bool:
        before.append(progress(estate))
        return len(before) > STILL_LOOKS and len(set(before[-STILL_LOOKS:])) == 1

    estate.until(is_still)
