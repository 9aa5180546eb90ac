"""How often a job copy waits for the line: what decides the pace of small backup jobs far away."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.library.interface import Done
from engine.library.sftp.library import SftpLibrary
from tests.library.samples import IDENTITY, PLACE, Job, check_copy, header
from tests.remote.rounds import Rounds, rounds
from tests.remote.sshd import Sshd

__all__ = ["rounds"]  # a fixture


@pytest.fixture
def library(sshd: Sshd, root: Path, rounds: Rounds) -> SftpLibrary:
    """Nothing of its line is known yet."""
    library = sshd.library(root)
    library.initialise(IDENTITY)
    library.link.latency_s = 0.05
    return library


def small_job(number: int) -> Job:
    job = Job()
    job.file(b"%d.dump" % number, b"content %d" % number)
    return job


def copy_small(library: SftpLibrary, rounds: Rounds, job_id: int, job: Job) -> dict[str, int]:
    """Copies small files as a run does; the round trips of each step."""
    with rounds.counted() as start:
        writer = library.write_job(PLACE, header(job_id), source_key="source")
    with rounds.counted() as write:
        writer.write_batch([(each, memoryview(job.content[each.path])) for each in job.files])
    with rounds.counted() as record:
        writer.record([Done(each.path, each.chunks[0]) for each in job.files])
    with rounds.counted() as publish:
        writer.publish(header(job_id), job.entries)
        writer.close()
    steps = {"start": start, "write": write, "record": record, "publish": publish}
    return {step: found[0] for step, found in steps.items()}


def test_a_small_backup_job_takes_few_round_trips(library: SftpLibrary, rounds: Rounds):
    first = copy_small(library, rounds, 7, small_job(7))
    assert first == {"start": 6, "write": 1, "record": 2, "publish": 4}  # the place is made

    found = copy_small(library, rounds, 8, small_job(8))

    assert found == {"start": 3, "write": 1, "record": 2, "publish": 4}
    check_copy(library, small_job(8), 8)


def test_a_tree_of_directories_takes_few_more(library: SftpLibrary, rounds: Rounds):
    copy_small(library, rounds, 7, small_job(7))
    job = Job()
    for number in range(12):
        job.directory(b"tree%d" % number)
        job.directory(b"tree%d/sub" % number)
        job.file(b"tree%d/sub/one" % number, b"one")
        job.file(b"tree%d/sub/two" % number, b"two")

    found = copy_small(library, rounds, 8, job)

    assert found == {"start": 3, "write": 2, "record": 2, "publish": 4}
    check_copy(library, job, 8)


def test_a_large_file_waits_at_its_ends(library: SftpLibrary, rounds: Rounds):
    copy_small(library, rounds, 7, small_job(7))
    job = Job()
    job.file(b"large", bytes(range(256)) * 1024, chunk=64 * 1024)
    with rounds.counted() as start:
        writer = library.write_job(PLACE, header(8), source_key="source")
    (entry,) = job.files
    with rounds.counted() as opening:
        handle = writer.open_file(entry)
    with rounds.counted() as chunks:
        for done in job.dones:
            handle.write(job.chunk_bytes(done), done.chunk.offset)
            handle.sync()
            writer.record([done])
        handle.close()
    with rounds.counted() as publish:
        writer.publish(header(8), job.entries)

    assert (start, opening, publish) == ([3], [1], [6])
    assert chunks == [4 * 2]  # each is synced and recorded
    check_copy(library, job, 8)
