"""A clock that jumps by years while a job runs: nothing is skipped, lost or copied twice."""

from __future__ import annotations

import pytest

from tests.faults.estate import CHUNK_BYTES, CRAWL_BPS, LARGE_CHUNKS, Estate
from tests.faults.test_destinations import await_journal

YEARS_S = 10 * 365 * 86400


@pytest.mark.parametrize("jump_s", [YEARS_S, -YEARS_S, 3600, -3600])
def test_a_clock_that_jumps_while_a_job_runs(estate: Estate, jump_s: int) -> None:
    estate.add("large.dump", LARGE_CHUNKS * CHUNK_BYTES)
    estate.add("small.dump", 10)
    estate.apply()
    offset = estate.root / "offset"
    offset.write_text("0")
    estate.start_ready(clock_offset=str(offset))
    estate.scan()
    estate.run(throttle_bps=CRAWL_BPS)
    await_journal(estate)

    offset.write_text(str(jump_s))
    estate.add("later.dump", 500)
    estate.release()
    estate.until(estate.is_settled)
    estate.scan()
    estate.run()
    estate.until(estate.is_settled)
    estate.stop()

    assert estate.oracle.examine(is_finished=True) == []
    assert {job["state"] for job in estate.jobs()} == {"completed"}
    assert all(job["attempts"] == 1 for job in estate.jobs())


@pytest.mark.parametrize("jump_s", [YEARS_S, -YEARS_S])
def test_a_clock_that_jumped_while_the_service_was_dead(estate: Estate, jump_s: int) -> None:
    estate.add("large.dump", LARGE_CHUNKS * CHUNK_BYTES)
    estate.apply()
    estate.start_ready()
    estate.scan()
    estate.run(throttle_bps=CRAWL_BPS)
    await_journal(estate)
    estate.end()
    estate.release()
    offset = estate.root / "offset"
    offset.write_text(str(jump_s))

    assert estate.finish(clock_offset=str(offset)) == []
    assert estate.jobs()[-1]["state"] == "completed"
    assert estate.jobs()[-1]["bytes_reused"] > 0
