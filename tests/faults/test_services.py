"""Two services at once: one works, the other says so and changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.faults.estate import CHUNK_BYTES, CRAWL_BPS, LARGE_CHUNKS, Estate
from tests.faults.services import PROJECT


def test_a_second_service_is_refused_and_the_first_goes_on(estate: Estate) -> None:
    estate.add("one.dump", LARGE_CHUNKS * CHUNK_BYTES)
    estate.apply()
    first = estate.start_ready()
    estate.scan()
    estate.run(throttle_bps=CRAWL_BPS)
    read_end, write_end = os.pipe()
    try:
        second = subprocess.run(
            [sys.executable, "-m", "engine.control", str(estate.cell.home.path), str(write_end)],
            pass_fds=[write_end],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.close(write_end)
        os.close(read_end)

    assert second.returncode == 75
    assert f"a service runs already on this catalog: pid {first.pid}" in second.stderr
    assert first.is_alive()
    assert not estate.is_settled()
    estate.release()
    estate.until(estate.is_settled)
    estate.stop()
    assert estate.oracle.examine(is_finished=True) == []


def test_a_service_whose_predecessor_was_killed_needs_no_help(estate: Estate) -> None:
    """The lock dies with its holder: nothing stale is left to be removed by hand."""
    estate.apply()
    estate.start_ready().kill()

    assert estate.start_ready().is_alive()


def test_two_commcells_on_one_disk_keep_to_their_own_libraries(estate: Estate) -> None:
    """The marker of a library names its CommCell: another one never writes there."""
    estate.add("one.dump", 1000)
    estate.apply()
    other = Estate(estate.root / "other", estate.nursery, site="")
    other.add("two.dump", 1000)
    other.apply()
    vault = other.oracle.copies[0].root
    vault.rename(other.root / "own")
    vault.symlink_to(estate.oracle.copies[0].root)
    try:
        other.start_ready()
        other.scan()
        other.run(retries=0)
        other.until(other.is_settled)

        assert other.jobs()[-1]["exit_code"] == 75
        assert "belongs to another CommCell" in other.jobs()[-1]["reason"]
        estate.file_run()
    finally:
        other.end()
    estate.start_ready()
    estate.scan()
    estate.file_run()
    assert estate.finish() == []
