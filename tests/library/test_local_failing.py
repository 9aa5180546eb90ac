"""Syncs that fail, disks that are full or gone: a library in a directory never trusts them."""

import errno
import os
import subprocess
from ctypes import Array, c_char, c_long
from pathlib import Path

import pytest

from engine.library import local_writer, syscalls
from engine.library.interface import Done
from engine.library.local import LocalLibrary
from engine.model.errors import (
    DestinationExists,
    DestinationFull,
    DestinationRefused,
    DestinationWrite,
    LibraryOffline,
    ManifestError,
    SourceRead,
    StorageError,
    UnsafeName,
)
from tests.library.broken_calls import failing, watched
from tests.library.local import needs_root, opened, partial_data
from tests.library.samples import (
    IDENTITY,
    PLACE,
    Job,
    check_copy,
    copy_job,
    header,
    sample_job,
    write_chunks,
)


def test_after_a_failed_sync_a_file_is_never_trusted_again(root: Path, library: LocalLibrary):
    job = sample_job()
    entry = job.files[0]
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job, job.dones[:2])
    broken, other = writer.open_file(entry), writer.open_file(entry)
    broken.write(job.chunk_bytes(job.dones[2]), job.dones[2].chunk.offset)
    other.write(job.chunk_bytes(job.dones[3]), job.dones[3].chunk.offset)

    with watched(failing(1, errno.EIO)) as calls, pytest.raises(DestinationWrite):
        broken.sync()
    assert calls.log[0] == "fdatasync"
    with watched(lambda *_: None) as calls:
        for use in (
            broken.sync,
            other.sync,
            lambda: other.write(memoryview(b"x"), 0),
            lambda: writer.open_file(entry),
            lambda: writer.record([job.dones[3]]),
            lambda: writer.write_batch([(entry, memoryview(job.content[entry.path]))]),
        ):
            with pytest.raises(DestinationWrite, match="a sync of it failed"):
                use()
        with pytest.raises(ManifestError):
            writer.publish(header(), job.entries)
    assert "syncfs" not in calls.log
    for handle in (broken, other):
        handle.close()
    writer.close()

    again = library.write_job(PLACE, header(), source_key="source")
    assert entry.path not in again.resumed
    again.close()
    copy_job(library, job)
    check_copy(library, job)


def test_other_files_of_a_record_are_kept_when_one_is_suspect(library: LocalLibrary):
    job = sample_job()
    big, small = job.files[0], job.files[2]
    writer = library.write_job(PLACE, header(), source_key="source")
    handle, fine = writer.open_file(big), writer.open_file(small)
    with watched(failing(1, errno.EIO)), pytest.raises(DestinationWrite):
        handle.sync()
    fine.write(memoryview(job.content[small.path]), 0)
    fine.sync()

    with pytest.raises(DestinationWrite):
        writer.record([Done(big.path, big.chunks[0]), Done(small.path, small.chunks[0])])

    for each in (handle, fine):
        each.close()
    writer.close()
    again = library.write_job(PLACE, header(), source_key="source")
    assert set(again.resumed) == {small.path}
    again.close()


def test_several_batches_are_synced_once_before_they_are_journaled(library: LocalLibrary):
    job = Job()
    for number in range(2 * (local_writer._SYNC_EACH_AT_MOST + 1)):
        job.file(b"%d" % number, b"content")
    half = len(job.files) // 2
    writer = library.write_job(PLACE, header(), source_key="source")

    with watched(lambda *_: None) as calls:
        for batch in (job.files[:half], job.files[half:]):
            writer.write_batch([(e, memoryview(b"content")) for e in batch])
        assert calls.log.count("pwrite") == len(job.files)
        assert not {"syncfs", "fdatasync"} & set(calls.log)
        writer.record(job.dones)

    assert calls.log[-3:] == ["syncfs", "pwrite", "fdatasync"]
    assert calls.log.count("fdatasync") == 1
    writer.close()


def test_a_sync_of_batches_that_fails_proves_nothing(library: LocalLibrary):
    job = Job()
    for number in range(local_writer._SYNC_EACH_AT_MOST + 1):
        job.file(b"%d" % number, b"content")
    writer = library.write_job(PLACE, header(), source_key="source")
    writer.write_batch([(e, memoryview(b"content")) for e in job.files])

    with watched(failing(1, errno.EIO)) as calls, pytest.raises(DestinationWrite, match="sync"):
        writer.record(job.dones)
    assert calls.log == ["syncfs"]
    with watched(lambda *_: None) as calls, pytest.raises(DestinationWrite, match="earlier step"):
        writer.record(job.dones)
    assert calls.log == []
    writer.close()

    again = library.write_job(PLACE, header(), source_key="source")
    assert not again.resumed
    again.close()
    copy_job(library, job)
    check_copy(library, job)


def test_what_a_batch_has_of_its_metadata_is_not_set_again(root: Path, library: LocalLibrary):
    job = Job()
    for number in range(50):
        job.file(b"%d" % number, b"content")
    writer = library.write_job(PLACE, header(), source_key="source")
    writer.write_batch([(e, memoryview(b"content")) for e in job.files])
    writer.record(job.dones)
    (partial_data(root) / "7").chmod(0o600)

    with watched(lambda *_: None) as calls:
        writer.publish(header(), job.entries)

    assert calls.log.count("utime") == 1
    check_copy(library, job)


def test_each_file_of_a_small_batch_is_synced(library: LocalLibrary):
    job = Job()
    job.file(b"a", b"content")
    job.file(b"b", b"content")
    writer = library.write_job(PLACE, header(), source_key="source")

    with watched(lambda *_: None) as calls:
        writer.write_batch([(e, memoryview(b"content")) for e in job.files])
        writer.record(job.dones)

    one = ["open", "pwrite", "fdatasync"]
    assert calls.log == [*one, *one, "fsync", "pwrite", "fdatasync"]
    writer.close()


class Fuse:
    """The C library where the library lies on FUSE, whose `syncfs` answers and does nothing."""

    def __init__(self) -> None:
        self._libc = syscalls._libc

    def __getattr__(self, name: str) -> object:
        return getattr(self._libc, name)

    def fstatfs(self, fd: int, found: Array[c_char]) -> int:
        c_long.from_buffer(found).value = 0x65735546
        return 0


@pytest.mark.parametrize("why", ["an old kernel", "FUSE"])
def test_without_an_honest_syncfs_everything_is_synced_by_itself(
    library: LocalLibrary, monkeypatch: pytest.MonkeyPatch, why: str
):
    if why == "FUSE":
        monkeypatch.setattr(syscalls, "_libc", Fuse())
    else:
        monkeypatch.setattr(syscalls, "_reports_lost_writes", lambda: False)
    job = sample_job()
    for number in range(50):
        job.file(b"x%d" % number, b"content")
    writer = library.write_job(PLACE, header(), source_key="source")
    small = [file for file in job.files if len(file.chunks) == 1]

    with watched(lambda *_: None) as calls:
        writer.write_batch([(e, memoryview(job.content[e.path])) for e in small])
        writer.record([Done(e.path, e.chunks[0]) for e in small])
        write_chunks(writer, job, [d for d in job.dones if d.path == b"tree/big"])
        writer.publish(header(), job.entries)

    assert "syncfs" not in calls.log
    assert calls.log.count("fdatasync") >= len(small)
    assert calls.log.count("fsync") >= len(job.files)
    check_copy(library, job)


def test_what_was_published_before_a_crash_is_synced_again(library: LocalLibrary):
    copy_job(library, sample_job())

    with watched(lambda *_: None) as calls, pytest.raises(DestinationExists):
        library.write_job(PLACE, header(), source_key="source")

    assert calls.log.count("fsync") == 4  # policy, copy and partial directories, and again copy


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, DestinationFull),
        (errno.EDQUOT, DestinationFull),
        (errno.EFBIG, DestinationFull),
        (errno.EIO, DestinationWrite),
        (errno.EROFS, DestinationRefused),
        (errno.EACCES, DestinationRefused),
        (errno.ENODEV, LibraryOffline),
        (errno.ESTALE, LibraryOffline),
        (errno.ELOOP, UnsafeName),
    ],
)
def test_errors_of_the_disk_have_their_kind(
    library: LocalLibrary, code: int, kind: type[StorageError]
):
    job = sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    handle = writer.open_file(job.files[0])

    with watched(failing(1, code)), pytest.raises(kind) as failed:
        handle.write(job.chunk_bytes(job.dones[0]), 0)

    assert "cannot write tree/big" in failed.value.message
    assert type(failed.value) is kind
    handle.close()
    writer.close()


def test_errors_of_a_source_are_of_the_source(library: LocalLibrary):
    job = sample_job()
    copy_job(library, job)
    reader = library.read_job(PLACE, 7)
    handle = reader.open_file(job.files[0])

    for code in (errno.EIO, errno.ENOSPC, errno.ESTALE):
        with watched(failing(1, code)), pytest.raises(SourceRead, match="cannot read tree/big"):
            handle.read_into(memoryview(bytearray(10)), 0)
    handle.close()
    reader.close()


@needs_root
@pytest.mark.parametrize("options", ["size=300k", "size=8m,nr_inodes=16"])
def test_a_full_disk_stops_cleanly_and_goes_on_after_it_grew(fast_path: Path, options: str):
    root = fast_path / "small"
    root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "none", str(root)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("NOT PROVEN HERE: no tmpfs can be mounted")
    try:
        library = opened(root)
        library.initialise(IDENTITY)
        job = sample_job()
        for number in range(20):
            job.file(b"x%d" % number, b"content" * 100)

        with pytest.raises(DestinationFull) as full:
            copy_job(library, job)
        assert full.value.hint
        assert library.published(PLACE) == []
        partial = library.partial(PLACE)
        subprocess.run(["mount", "-o", "remount,size=64m,nr_inodes=1000", str(root)], check=True)

        assert partial == [7]
        writer = library.write_job(PLACE, header(), source_key="source")
        assert writer.resumed
        writer.close()
        copy_job(library, job)
        check_copy(library, job)
    finally:
        subprocess.run(["umount", "-l", str(root)], check=True)


@needs_root
def test_a_disk_that_is_unmounted_lazily_is_noticed(fast_path: Path):
    root = fast_path / "small"
    root.mkdir()
    mount = ["mount", "-t", "tmpfs", "none", str(root)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("NOT PROVEN HERE: no tmpfs can be mounted")
    library = opened(root)
    try:
        library.initialise(IDENTITY)
        job = sample_job()
        writer = library.write_job(PLACE, header(), source_key="source")
        write_chunks(writer, job)
    finally:
        subprocess.run(["umount", "-l", str(root)], check=True)

    with pytest.raises(LibraryOffline):
        writer.publish(header(), job.entries)

    writer.close()
    assert os.listdir(root) == []
