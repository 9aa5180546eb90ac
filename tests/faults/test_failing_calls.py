"""A call on one destination fails, once or for ever: it is overcome or reported, never a lie."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import pytest

from tests.faults.estate import Estate
from tests.faults.oracle import ledger_of
from tests.faults.pristine import Pristine
from tests.faults.services import Nursery

CALLS = (
    "pwrite",
    "fsync",
    "fdatasync",
    "syncfs",
    "rename",
    "renameat2",
    "openat",
    "mkdir",
    "unlink",
)
ERRORS = (errno.ENOSPC, errno.EIO)
SOON_S = [0.02] * 5


def failing_round(
    pristine: Pristine, call: str, *, nth: int, code: int, for_ever: bool
) -> tuple[str, str]:
    """Lets a call on the first library fail; returns state and reason of the job.

    What failed is reported in words, the other copy has everything, and a run without the fault
    finishes the rest.
    """
    pristine.restore()
    estate = pristine.estate
    vault, shelf = (copy.root for copy in estate.oracle.copies)
    fail = {"call": call, "nth": nth, "errno": code, "for_ever": for_ever}
    estate.start_ready(fail=fail, below=str(vault), retry_delays_s=SOON_S)
    estate.until(estate.is_settled)
    where = f"{call} {nth} {os.strerror(code)}{' for ever' if for_ever else ''}"
    assert estate.oracle.examine(is_finished=False) == [], where
    job = estate.jobs()[0]
    _assert_told(estate, where, job["state"], job["reason"])
    assert shelf.is_dir()
    others = {line.state for line in ledger_of(estate.cell.home.path) if line.copy == "second"}
    assert others == {"available"}, where
    estate.file_run()
    assert estate.finish() == [], f"finished after {where}"
    assert estate.jobs()[-1]["state"] == "completed", where
    return job["state"], job["reason"]


def _assert_told(estate: Estate, where: str, state: str, reason: str) -> None:
    """A job that completed has everything; one that did not says why."""
    missing = [line for line in ledger_of(estate.cell.home.path) if line.state != "available"]
    if state == "completed":
        assert missing == [], where
        return
    assert state in ("completed_with_errors", "failed"), where
    assert reason, where
    assert "internal error" not in reason, f"{where}: {reason}"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Iterator[Pristine]:
    """One estate for all rounds; its run may be attempted three times."""
    estate = Estate(tmp_path_factory.mktemp("failing") / "estate", nursery)
    yield Pristine(estate, retries=2)
    estate.end()


@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_fails_once_is_overcome_by_the_next_attempt(
    pristine: Pristine, call: str
) -> None:
    nth, code = 1 + 2 * CALLS.index(call) % 5, ERRORS[CALLS.index(call) % 2]

    state, reason = failing_round(pristine, call, nth=nth, code=code, for_ever=False)

    assert state == "completed", f"{call} {nth}: {reason}"


@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_fails_for_ever_is_reported(pristine: Pristine, call: str) -> None:
    nth, code = 1 + CALLS.index(call) % 5, ERRORS[(CALLS.index(call) + 1) % 2]

    failing_round(pristine, call, nth=nth, code=code, for_ever=True)


@pytest.mark.soak
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("for_ever", [False, True])
@pytest.mark.parametrize("call", CALLS)
def test_every_call_that_can_fail(pristine: Pristine, call: str, for_ever: bool) -> None:
    pristine.restore()
    estate = pristine.estate
    log = estate.root / "calls"
    vault = str(estate.oracle.copies[0].root)
    assert estate.finish(count_log=str(log), below=vault, fail={"call": call, "nth": 0}) == []
    calls = [line.split()[1] for line in log.read_text().splitlines()].count(call)

    assert calls > 0
    for nth in range(1, calls + 1):
        for code in ERRORS:
            failing_round(pristine, call, nth=nth, code=code, for_ever=for_ever)
