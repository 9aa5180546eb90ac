"""The in-memory twin loses what a disk would lose, and tells on callers that break the rules."""

import pytest

from engine.library.faults import raising
from engine.library.interface import Done
from engine.library.memory import CallerBroke, MemoryLibrary
from engine.model.entries import Chunk
from engine.model.errors import (
    DestinationExists,
    DestinationFull,
    DestinationWrite,
    LibraryOffline,
    StorageError,
)
from tests.library.samples import (
    COMMCELL,
    IDENTITY,
    PLACE,
    check_copy,
    copy_job,
    header,
    sample_job,
    write_chunks,
)


@pytest.fixture
def library() -> MemoryLibrary:
    library = MemoryLibrary(commcell_id=COMMCELL)
    library.initialise(IDENTITY)
    return library


def test_a_power_cut_takes_what_was_not_synced(library: MemoryLibrary):
    job = sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job, job.dones[:2])
    handle = writer.open_file(job.files[0])
    handle.write(job.chunk_bytes(job.dones[2]), job.dones[2].chunk.offset)

    library.cut_power()

    with pytest.raises(LibraryOffline):
        handle.sync()
    with pytest.raises(LibraryOffline):
        library.probe()
    library.restore_power()
    with pytest.raises(DestinationWrite):
        writer.record(job.dones[2:3])
    again = library.write_job(PLACE, header(), source_key="source")
    assert again.resumed == {job.files[0].path: tuple(d.chunk for d in job.dones[:2])}
    with pytest.raises(CallerBroke):
        again.record(job.dones[2:3])


def test_power_cut_at_every_call(library: MemoryLibrary):
    job = sample_job()
    copy_job(library, job)
    kinds = {kind: count for kind, count in library.faults.calls.items() if kind != "read"}
    for kind, count in kinds.items():
        for number in range(1, count + 1):
            library.remove_job(PLACE, 7)
            library.faults.at(kind, number, library.cut_power)
            with pytest.raises(StorageError):
                copy_job(library, job)
            library.restore_power()
            try:
                copy_job(library, job)
            except DestinationExists:
                assert kind == "rename"
            check_copy(library, job)


def test_what_is_recorded_must_be_synced_and_hashed(library: MemoryLibrary):
    job = sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    handle = writer.open_file(job.files[0])
    handle.write(job.chunk_bytes(job.dones[0]), 0)

    with pytest.raises(CallerBroke):
        writer.record(job.dones[:1])
    handle.sync()
    writer.record(job.dones[:1])
    with pytest.raises(CallerBroke):
        writer.record([Done(job.files[0].path, Chunk(0, 10, b"x" * 32))])


def test_a_failed_sync_kills_the_handle(library: MemoryLibrary):
    job = sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    handle = writer.open_file(job.files[0])
    library.faults.at("sync", 1, raising(DestinationWrite("no")))

    for _ in range(2):
        with pytest.raises(DestinationWrite):
            handle.sync()


def test_faults_once_and_for_ever(library: MemoryLibrary):
    library.faults.at("probe", 2, raising(LibraryOffline("away")))
    library.faults.at("probe", 4, raising(LibraryOffline("away")), for_ever=True)
    answers = []

    for _ in range(6):
        try:
            library.probe()
            answers.append("there")
        except LibraryOffline:
            answers.append("away")

    assert answers == ["there", "away", "there", "away", "away", "away"]


def test_a_full_library_stops(library: MemoryLibrary):
    library.capacity_bytes = 100_000
    job = sample_job()
    assert library.probe().free_bytes == 100_000

    with pytest.raises(DestinationFull):
        copy_job(library, job)

    library.capacity_bytes = 1_000_000
    copy_job(library, job)
    check_copy(library, job)


def test_latency_is_waited_for():
    waited: list[float] = []
    library = MemoryLibrary(commcell_id=COMMCELL)
    library.faults._sleep = waited.append
    library.initialise(IDENTITY)
    library.faults.latency_s["write"] = 0.25

    copy_job(library, sample_job())

    assert waited == [0.25] * len(sample_job().dones)
