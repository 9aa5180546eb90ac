"""Killed at random moments: nothing available is lost or wrong, and no proven chunk is read again."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.model.states import RequestKind
from tests.faults.estate import CHUNK_BYTES, Estate
from tests.faults.oracle import journal_chunks, ledger_of, published_in

ROUNDS = 10
THROTTLE_BPS = 6 << 20  # a run of a megabyte in chunks of 64 KiB then takes about 0.2 s
FIRST_BPS = 2 * CHUNK_BYTES  # ... and the first one 8 s: it is certain that its middle is hit
MOMENTS_S = 0.25
PATIENCE_S = 2.0  # for progress: a job that is suspended makes none
JOURNAL_LINE_BYTES = 130  # about

Range = tuple[bytes, int, int]
"""Path below the landing directory, first byte, byte after the last."""


def proven_everywhere(estate: Estate) -> set[Range]:
    """Chunks that the journal of every copy has that still lacks the backup job."""
    proven: set[Range] = set()
    places = [copy.place for copy in estate.oracle.copies]
    for job_id in {line.backup_job_id for line in ledger_of(estate.cell.home.path)}:
        lacking = [place for place in places if job_id not in published_in(place)]
        journals = [journal_chunks(place / ".partial" / str(job_id)) for place in lacking]
        if journals:
            proven |= set.intersection(*map(set, map(_ranges, journals)))
    return proven


def _ranges(journal: dict[bytes, dict[int, tuple[int, str]]]) -> Iterator[Range]:
    for path, chunks in journal.items():
        for offset, (length, _) in chunks.items():
            yield path, offset, offset + length


def reads_of(log: Path, landing: Path) -> list[Range]:
    """What the services read of the landing directory, in order."""
    found = []
    for line in log.read_bytes().splitlines() if log.exists() else []:
        name, offset, count = line.split()
        path = os.path.relpath(bytes.fromhex(name.decode()), os.fsencode(landing))
        found.append((path, int(offset), int(offset) + int(count)))
    return found


def read_again(proven: set[Range], reads: list[Range]) -> list[Range]:
    """Reads that touch a chunk that was proven before them."""
    return [
        (path, first, after)
        for path, first, after in reads
        if any(path == p and first < b and after > a for p, a, b in proven)
    ]


def progress(estate: Estate) -> int:
    """How far the run is, in journal lines; a published job copy counts for twenty."""
    lines = 0
    for copy in estate.oracle.copies:
        lines += 20 * len(published_in(copy.place))
        for journal in copy.place.glob(".partial/*/journal"):
            try:
                lines += journal.stat().st_size // JOURNAL_LINE_BYTES
            except FileNotFoundError:  # published meanwhile
                continue
    return lines


def await_moment(estate: Estate, numbers: random.Random) -> None:
    """Waits for the moment of the crash: after some time, or some more progress, both random."""
    start = time.monotonic()
    moment = start + numbers.uniform(0, MOMENTS_S)
    wanted = progress(estate) + numbers.randrange(0, 50)
    by_progress = numbers.random() < 0.7
    while not estate.is_settled() and time.monotonic() < start + PATIENCE_S:
        if progress(estate) >= wanted if by_progress else time.monotonic() >= moment:
            return
        time.sleep(numbers.uniform(0, 0.01))


@dataclass
class Outcome:
    """What the rounds hit, so that a test can tell that they were worth something."""

    hits: int = 0
    """Kills while a job was running."""
    proven: set[Range] = field(default_factory=set)
    """Chunks that were in the journals when the service was killed."""


def kill_rounds(estate: Estate, numbers: random.Random, rounds: int) -> Outcome:
    """Kills the service again and again, and lets it finish now and then."""
    log = estate.root / "reads"
    stage = {"reads_log": str(log), "landing": str(estate.cell.landing)}
    estate.apply()
    outcome = Outcome()
    for number in range(rounds):
        seen = len(reads_of(log, estate.cell.landing))
        service = estate.start(**stage)
        if number == 0 or numbers.random() < 0.8:  # else it is killed while it starts
            assert service.wait_ready() == "ready", estate.log()
            if estate.is_settled():
                estate.add_some(numbers)
                estate.scan()
                rate_bps = THROTTLE_BPS if number else FIRST_BPS
                estate.file_run(throttle_bps=rate_bps, streams=numbers.choice((1, 2, 4)))
        if number:
            await_moment(estate, numbers)
        else:  # one kill at least finds what it is meant for
            estate.until(lambda: bool(proven_everywhere(estate)))
        if number and numbers.random() < 0.3:
            suspend_or_resume(estate, numbers)
        outcome.hits += not estate.is_settled()
        service.kill()
        if not number:
            estate.release(THROTTLE_BPS)
        assert estate.oracle.examine(is_finished=False) == [], f"after kill {number}"
        again = read_again(outcome.proven, reads_of(log, estate.cell.landing)[seen:])
        assert again == [], f"read again before kill {number}"
        outcome.proven |= proven_everywhere(estate)
        if number % 3 == 2 or number == rounds - 1:
            seen = len(reads_of(log, estate.cell.landing))
            assert finish(estate, stage) == [], f"finished after kill {number}"
            again = read_again(outcome.proven, reads_of(log, estate.cell.landing)[seen:])
            assert again == [], f"read again after kill {number}"
            assert estate.jobs()[-1]["state"] == "completed"
    return outcome


def suspend_or_resume(estate: Estate, numbers: random.Random) -> None:
    """Files what an operator may ask for in the moment of the crash."""
    job_id = estate.jobs()[-1]["id"] if estate.jobs() else None
    if job_id is not None and not estate.is_settled():
        estate.file(RequestKind.SUSPEND, job_id=job_id)
        if numbers.random() < 0.5:
            estate.file(RequestKind.RESUME, job_id=job_id)
        time.sleep(numbers.uniform(0, 0.1))  # the moment of the crash, again


def finish(estate: Estate, stage: dict[str, str]) -> list[str]:
    """As `Estate.finish`, with an operator who resumes what is suspended."""

    def is_settled() -> bool:
        for job in estate.jobs():
            if job["state"] == "suspended":
                estate.file(RequestKind.RESUME, job_id=job["id"])
                estate.until(lambda: not estate.has_requests())
        return estate.is_settled()

    estate.start_ready(**stage)
    estate.until(is_settled)
    estate.stop()
    return estate.oracle.examine(is_finished=True)


def assert_worth_it(outcome: Outcome) -> None:
    """Fails when the kills missed what they were meant for."""
    assert outcome.hits, "the kills missed the job"
    assert outcome.proven, "the kills found nothing in the journals"


@pytest.mark.parametrize(
    "part", [0, 1, 2, *(pytest.param(part, marks=pytest.mark.soak) for part in (3, 4))]
)
def test_kill_rounds(estate: Estate, seed: int, part: int) -> None:
    assert_worth_it(kill_rounds(estate, random.Random(seed + part), ROUNDS))


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(10))
def test_many_kill_rounds(estate: Estate, seed: int, part: int) -> None:
    assert_worth_it(kill_rounds(estate, random.Random(seed + 1000 + part), 50))
