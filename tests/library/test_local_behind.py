"""A publication that goes on while files are written: the same promises as one that comes after."""

import errno
from contextlib import suppress
from pathlib import Path

import pytest

from engine.library.local import LocalLibrary
from engine.model.errors import (
    Cancelled,
    DestinationExists,
    DestinationWrite,
    ManifestError,
    StorageError,
)
from engine.model.names import RelPath
from tests.library.broken_calls import failing, watched
from tests.library.local import copy_path, opened, partial_data
from tests.library.samples import (
    PLACE,
    as_written,
    check_copy,
    copy_job,
    followed_job,
    header,
)


def test_it_publishes_what_one_that_comes_after_does(root: Path, library: LocalLibrary):
    job = followed_job()
    after = copy_job(library, job)
    library.remove_job(PLACE, 7)
    writer = library.write_job(PLACE, header(), source_key="source")

    assert writer.publish_behind(header(), as_written(writer, job)) == after

    check_copy(library, job)
    data = copy_path(root) / "7" / "data"
    assert (data / "tree" / "void" / "below").stat().st_mode & 0o777 == 0o711
    assert (data / "tree").stat().st_mode & 0o777 == 0o555
    assert sorted(path.name for path in (copy_path(root) / "7").iterdir()) == [
        "data",
        "manifest.jsonl.zst",
    ]
    with pytest.raises(DestinationWrite, match="earlier step"):
        writer.record(job.dones)


def test_the_sync_of_all_comes_after_the_last_write_and_before_the_manifest(
    library: LocalLibrary,
):
    job = followed_job()
    writer = library.write_job(PLACE, header(), source_key="source")

    with watched(lambda *_: None) as calls:
        writer.publish_behind(header(), as_written(writer, job))

    log = calls.log
    last_write = max(at for at, call in enumerate(log) if call in ("pwrite", "utime", "mkdir"))
    sync = log.index("syncfs", last_write)
    manifest = log.index("fsync", sync)
    assert last_write < sync < manifest < log.index("rename", manifest)
    check_copy(library, job)


def test_a_file_that_is_not_recorded_yet_is_not_published(root: Path, library: LocalLibrary):
    job = followed_job()
    writer = library.write_job(PLACE, header(), source_key="source")

    with pytest.raises(ManifestError, match="0 chunks of it are proven"):
        writer.publish_behind(header(), iter(job.entries))

    assert library.published(PLACE) == []
    assert sorted(path.name for path in partial_data(root).parent.iterdir()) == ["data", "journal"]
    writer.publish_behind(header(), as_written(writer, job))
    check_copy(library, job)


def test_a_file_that_is_distrusted_after_it_was_taken_is_not_published(library: LocalLibrary):
    job = followed_job()
    writer = library.write_job(PLACE, header(), source_key="source")

    def entries():
        for entry in as_written(writer, job):
            yield entry
            if entry.path == b"tree/void":
                writer.distrust(RelPath(b"tree/sub/x05"))

    with pytest.raises(DestinationWrite, match="a sync of it failed"):
        writer.publish_behind(header(), entries())

    assert library.published(PLACE) == []
    writer.close()
    copy_job(library, job)
    check_copy(library, job)


def test_what_ends_the_entries_ends_it_and_others_are_still_recorded(library: LocalLibrary):
    """A stop, while streams write what they are at."""
    job = followed_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    coming = as_written(writer, job)

    def entries():
        for entry in coming:
            if entry.path == b"tree/sub/x03":
                raise Cancelled("suspended by op")
            yield entry

    with pytest.raises(Cancelled):
        writer.publish_behind(header(), entries())
    for _ in coming:
        pass
    writer.close()

    assert library.published(PLACE) == []
    again = library.write_job(PLACE, header(), source_key="source")
    assert set(again.resumed) == {file.path for file in job.files if file.size}
    again.publish(header(), job.entries)
    check_copy(library, job)


def test_what_an_earlier_try_left_goes(root: Path, library: LocalLibrary):
    job = followed_job()
    first = library.write_job(PLACE, header(), source_key="source")
    first.close()
    for left in ("tree/sub/stranger", "tree/void/stranger", "stranger"):
        path = partial_data(root) / left
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left")
    writer = library.write_job(PLACE, header(), source_key="source")

    writer.publish_behind(header(), as_written(writer, job))

    check_copy(library, job)
    assert list((copy_path(root) / "7" / "data").rglob("stranger")) == []


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_calls_that_fail_spread_over_it(root: Path, library: LocalLibrary, code: int):
    job = followed_job()

    def write() -> None:
        writer = opened(root).write_job(PLACE, header(), source_key="source")
        try:
            writer.publish_behind(header(), as_written(writer, job))
        finally:
            writer.close()

    with watched(lambda *_: None) as calls:
        write()
    opened(root).remove_job(PLACE, 7)
    errors = []
    numbers = range(3, calls.count + 1, 17)
    for number in numbers:
        with watched(failing(number, code)):
            try:
                write()
            except StorageError as err:
                errors.append(err)
        with suppress(DestinationExists):
            copy_job(opened(root), job)
        check_copy(opened(root), job)
        opened(root).remove_job(PLACE, 7)
    assert len(errors) > len(numbers) * 0.6
    assert all(error.message for error in errors)
