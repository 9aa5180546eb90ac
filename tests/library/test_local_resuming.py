"""A library in a directory goes on with what was begun, and believes only what it may."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.library.local import LocalLibrary
from engine.model.errors import (
    Cancelled,
    DestinationExists,
    DestinationWrite,
    StorageError,
)
from tests.library.broken_calls import watched
from tests.library.local import copy_path, opened, partial_data
from tests.library.samples import (
    PLACE,
    Job,
    check_copy,
    copy_job,
    header,
    sample_job,
    write_chunks,
)


def started(library: LocalLibrary, job: Job) -> None:
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job)
    writer.close()


def test_a_new_job_copy_is_begun_with_nothing_but_its_directories(library: LocalLibrary):
    """Each sync is a wait for the disk, and there may be 100,000 small backup jobs."""
    with watched(lambda *_: None) as calls:
        library.write_job(PLACE, header(), source_key="source").close()

    assert "rmdir" not in calls.log
    assert calls.log.count("mkdir") == 5
    assert calls.log.count("fsync") == 7  # those five, the journal and its name


def test_in_the_same_boot_nothing_is_read_again(root: Path, library: LocalLibrary):
    job = sample_job()
    started(library, job)

    with watched(lambda *_: None) as calls:
        writer = library.write_job(PLACE, header(), source_key="source")

    assert "pread" not in calls.log
    assert sum(map(len, writer.resumed.values())) == len(job.dones)
    writer.close()


def test_after_a_crash_of_the_host_every_chunk_is_hashed_again(root: Path, library: LocalLibrary):
    job = sample_job()
    started(library, job)
    big = partial_data(root) / "tree" / "big"
    data = bytearray(big.read_bytes())
    data[70_000] ^= 1  # in the second chunk
    big.write_bytes(data)
    after = opened(root, boot="boot-2")

    writer = after.write_job(PLACE, header(), source_key="source")

    lost = {d.chunk for d in job.dones} - {c for each in writer.resumed.values() for c in each}
    assert lost == {job.dones[1].chunk}
    writer.close()
    with watched(lambda *_: None) as calls:  # what was hashed counts in this boot
        after.write_job(PLACE, header(), source_key="source").close()
    assert "pread" not in calls.log
    copy_job(after, job)
    check_copy(after, job)


def test_hashing_again_can_be_stopped(root: Path, library: LocalLibrary):
    job = sample_job()
    started(library, job)
    after = opened(root, boot="boot-2")

    def stop() -> None:
        raise Cancelled("suspended")

    with pytest.raises(Cancelled):
        after.write_job(PLACE, header(), source_key="source", checkpoint=stop)

    writer = after.write_job(PLACE, header(), source_key="source")
    assert sum(map(len, writer.resumed.values())) == len(job.dones)
    writer.close()


@pytest.mark.parametrize("damage", [lambda p: p.unlink(), lambda p: os.truncate(p, 70_000)])
def test_what_is_not_there_is_not_resumed(
    root: Path, library: LocalLibrary, damage: Callable[[Path], None]
):
    job = sample_job()
    started(library, job)
    damage(partial_data(root) / "tree" / "big")

    copy_job(library, job)

    check_copy(library, job)


def test_another_source_takes_no_room_for_the_old_one(root: Path, library: LocalLibrary):
    started(library, sample_job())

    library.write_job(PLACE, header(), source_key="another").close()

    assert os.listdir(partial_data(root)) == []
    assert sorted(os.listdir(partial_data(root).parent)) == ["data", "journal"]


def test_what_an_earlier_try_left_is_not_published(root: Path, library: LocalLibrary):
    job = sample_job()
    started(library, job)
    (partial_data(root) / "tree" / "litter").write_text("x")
    (partial_data(root) / "tree" / "more").mkdir()
    (partial_data(root) / "tree" / "more" / "litter").write_text("x")
    (partial_data(root) / "outside").symlink_to("/etc")

    copy_job(library, job)

    data = copy_path(root) / "7" / "data"
    assert sorted(os.listdir(data)) == ["tree"]
    assert sorted(os.listdir(data / "tree")) == ["big", "empty", "same", "sub"]


def test_a_file_that_was_changed_before_publication_stops_it(root: Path, library: LocalLibrary):
    job = sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job)
    os.truncate(partial_data(root) / "tree" / "big", 10)

    with pytest.raises(DestinationWrite, match="it has 10 bytes there"):
        writer.publish(header(), job.entries)

    writer.close()
    assert library.published(PLACE) == []


def test_a_killed_publication_of_something_else_is_not_finished(root: Path, library: LocalLibrary):
    job = sample_job()
    with watched(stop_at("renameat2")), pytest.raises(StorageError):
        copy_job(library, job)
    assert (copy_path(root) / ".partial" / "7" / "manifest.jsonl.zst").exists()
    other = header(completed_at="2027-01-01T00:00:00+00:00")

    writer = library.write_job(PLACE, other, source_key="another")

    assert writer.resumed == {}
    writer.close()
    assert library.published(PLACE) == []


def test_a_killed_publication_is_finished(root: Path, library: LocalLibrary):
    job = sample_job()
    with watched(stop_at("renameat2")), pytest.raises(StorageError):
        copy_job(library, job)
    assert library.published(PLACE) == []

    with pytest.raises(DestinationExists):
        library.write_job(PLACE, header(), source_key="source")

    check_copy(library, job)


def test_a_killed_publication_without_its_data_is_not_finished(root: Path, library: LocalLibrary):
    job = sample_job()
    with watched(stop_at("renameat2")), pytest.raises(StorageError):
        copy_job(library, job)
    (partial_data(root) / "tree").chmod(0o700)
    (partial_data(root) / "tree" / "big").unlink()

    copy_job(library, job)

    check_copy(library, job)


def stop_at(name: str) -> Callable[[int, str], None]:
    def act(_: int, called: str) -> None:
        if called == name:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    return act


def test_two_processes_do_not_write_one_copy(root: Path, library: LocalLibrary):
    writer = library.write_job(PLACE, header(), source_key="source")
    script = (
        "import sys; from engine.library.local import LocalLibrary;"
        "from tests.library.samples import *;"
        "LocalLibrary('v', sys.argv[1].encode(), uuid='', commcell_id=COMMCELL)"
        ".write_job(PLACE, header(), source_key='source')"
    )
    run = [sys.executable, "-c", script, str(root)]

    refused = subprocess.run(run, check=False, capture_output=True, text=True)
    writer.close()
    done = subprocess.run(run, check=False, capture_output=True, text=True)

    assert "another auxtui is writing it" in refused.stderr
    assert done.returncode == 0, done.stderr


def test_locks_of_killed_writers_are_swept(root: Path, library: LocalLibrary):
    copy_job(library, sample_job())
    stale = copy_path(root) / ".partial" / "6.lock"
    stale.touch()

    library.write_job(PLACE, header(8), source_key="source").discard()

    assert os.listdir(copy_path(root) / ".partial") == []
