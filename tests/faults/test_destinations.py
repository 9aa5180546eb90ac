"""A library goes away or is not the one that was meant: nothing is written to the wrong place."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.estate import CHUNK_BYTES, CRAWL_BPS, LARGE_CHUNKS, Estate
from tests.faults.oracle import ledger_of, tree_of

SOON_S = [0.05] * 5


def reasons(estate: Estate, copy: str) -> set[tuple[str, str]]:
    """State and reason of each line of the ledger of a copy."""
    lines = ledger_of(estate.cell.home.path)
    return {(line.state, line.reason) for line in lines if line.copy == copy}


def start_copying(estate: Estate, **options: object) -> None:
    """Starts a run that crawls, and returns when some of the large dump is on the first library."""
    estate.add("large.dump", LARGE_CHUNKS * CHUNK_BYTES)
    estate.add("small.dump", 500)
    estate.apply()
    estate.start_ready(retry_delays_s=SOON_S)
    estate.scan()
    estate.run(throttle_bps=CRAWL_BPS, **options)
    await_journal(estate)


def await_journal(estate: Estate, *, more_than: int = 1000) -> None:
    """Returns when something is journaled on the first library."""
    partials = estate.oracle.copies[0].place / ".partial"
    estate.until(lambda: any(_size(path) > more_than for path in partials.glob("*/journal")))


def _size(path: Path) -> int:
    """Bytes of a journal; 0 when it was published in this moment."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def test_a_library_that_is_moved_away_while_copying_is_offline(estate: Estate) -> None:
    start_copying(estate, retries=0)
    vault, away = estate.oracle.copies[0].root, estate.root / "away"

    vault.rename(away)
    estate.release()
    estate.until(estate.is_settled)

    job = estate.jobs()[-1]
    assert job["state"] == "completed_with_errors"
    assert "vault" in job["reason"] or "library was unmounted or replaced" in job["reason"]
    assert {state for state, _ in reasons(estate, "second")} == {"available"}
    assert not vault.exists()
    away.rename(vault)
    assert estate.oracle.examine(is_finished=False) == []
    estate.file_run()
    assert estate.finish() == []
    assert estate.jobs()[-1]["state"] == "completed"
    assert estate.jobs()[-1]["bytes_reused"] > 0


def test_a_library_that_comes_back_is_gone_on_with_in_the_same_job(estate: Estate) -> None:
    start_copying(estate, retries=2000)
    vault, away = estate.oracle.copies[0].root, estate.root / "away"

    vault.rename(away)
    estate.release()
    estate.until(lambda: estate.jobs()[-1]["state"] == "pending")
    away.rename(vault)

    assert estate.finish(retry_delays_s=SOON_S) == []
    assert estate.jobs()[-1]["state"] == "completed"


@pytest.mark.needs_root
def test_a_library_that_is_unmounted_while_copying_publishes_nothing(
    estate: Estate, tmp_path: Path
) -> None:
    """A lazy unmount lets open descriptors write on, to where nobody would ever look."""
    vault = estate.root / "vault"
    vault.mkdir(parents=True)
    with mounted_tmpfs(vault, "size=64m"):
        start_copying(estate, retries=0)
        held = os.open(vault, os.O_RDONLY | os.O_DIRECTORY)
        try:
            subprocess.run(["umount", "-l", str(vault)], check=True)
            estate.release()
            estate.until(estate.is_settled)
            published = [name for name in _names(held, "databases/offsite") if name.isdigit()]
        finally:
            os.close(held)
    job = estate.jobs()[-1]

    assert job["state"] == "completed_with_errors"
    assert {state for state, _ in reasons(estate, "second")} == {"available"}
    unpublished = [line for line in ledger_of(estate.cell.home.path) if line.state != "available"]
    assert len(published) + len(unpublished) == 2
    assert b"large.dump" in {line.name for line in unpublished}
    assert list(vault.iterdir()) == []


def test_a_library_without_its_marker_is_never_written_to(estate: Estate) -> None:
    estate.add("one.dump", 1000)
    estate.apply()
    vault = estate.oracle.copies[0].root
    marker = vault / "auxtui-library.json"
    kept = marker.read_bytes()
    marker.unlink()
    estate.start_ready()
    estate.scan()

    estate.run(retries=0)
    estate.until(estate.is_settled)

    job = estate.jobs()[-1]
    assert job["state"] == "completed_with_errors"
    assert "there is no marker of a library there" in job["reason"]
    assert "vault" in job["reason"]
    assert list(vault.iterdir()) == []
    marker.write_bytes(kept)
    estate.file_run()
    assert estate.finish() == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"commcell_id": "another", "commcell": "\x1b[31mevil"}, "belongs to another CommCell"),
        ({"uuid": "another", "name": "twin"}, "another library of this CommCell"),
        ({"format": 99}, "its format is 99"),
        (None, "its marker is damaged"),
    ],
)
def test_a_foreign_or_damaged_marker_keeps_everything_as_it_is(
    estate: Estate, change: dict[str, object] | None, why: str
) -> None:
    estate.add("one.dump", 1000)
    estate.apply()
    vault = estate.oracle.copies[0].root
    marker = vault / "auxtui-library.json"
    text = marker.read_text()
    record = json.loads(text)
    del record["blake3"]  # else it were damaged, whatever it says
    marker.write_text(text[:-20] if change is None else json.dumps(record | change))
    before = tree_of(os.fsencode(vault))
    estate.start_ready()
    estate.scan()

    estate.run(retries=0)
    estate.until(estate.is_settled)

    job = estate.jobs()[-1]
    assert job["state"] == "completed_with_errors"
    assert why in job["reason"]
    assert "\x1b" not in job["reason"]
    assert tree_of(os.fsencode(vault)) == before
    assert {state for state, _ in reasons(estate, "second")} == {"available"}


@contextmanager
def mounted_tmpfs(at: Path, options: str) -> Iterator[None]:
    """A file system in memory at a directory; skips loudly where that is not possible."""
    mount = ["mount", "-t", "tmpfs", "-o", options, "auxtui-test", str(at)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"NOT TESTED: cannot mount a tmpfs: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(at)], check=False, capture_output=True)


def _names(directory: int, path: str) -> list[str]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=directory)
    try:
        return os.listdir(descriptor)
    finally:
        os.close(descriptor)
