"""Restore from a job copy: everything as it was, nothing damaged, nothing outside, nothing replaced."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.library.interface import JobReader
from engine.model.entries import SymlinkEntry
from engine.model.errors import (
    AuxError,
    Cancelled,
    DestinationError,
    DestinationWrite,
    SourceCorrupt,
    SourceMissing,
    SourceRead,
)
from engine.model.names import RelPath, rel_path
from engine.transfer import restoring as restoring_module
from engine.transfer import target as target_module
from engine.transfer.cancel import CancelToken
from engine.transfer.progress import ReadProgress
from engine.transfer.restoring import RestoreResult, restore_job
from engine.transfer.target import RestoreTarget, SmallFile, on_target
from engine.transfer.throttle import Throttle
from engine.transfer.verifying import verify_job
from tests.library.unsynced import Unsynced, followed
from tests.transfer.fakes import META, FakeSource
from tests.transfer.running import copy
from tests.transfer.test_copying import MIB, mixed, some_bytes
from tests.transfer.trees import PLACE, Estate, described, make_tree, spoil


@pytest.fixture
async def estate(tmp_path: Path) -> Estate:
    estate = Estate(tmp_path)
    make_tree(estate.entry)
    await copy(estate.order("a"))
    return estate


@pytest.fixture
def media(tmp_path: Path) -> bytes:
    """Where the job copy lies."""
    return os.fsencode(tmp_path / "a" / "p" / "copy" / "1" / "data" / "dump")


async def restore(reader: JobReader, to: bytes, **options: object) -> RestoreResult:
    try:
        return await restore_job(
            reader,
            to,
            cancel=CancelToken(),
            throttle=Throttle(),
            **options,  # type: ignore[arg-type]
        )
    finally:
        reader.close()


def reader_of(estate: Estate) -> JobReader:
    return estate.library("a").read_job(PLACE, 1)


@pytest.fixture
def to(tmp_path: Path) -> bytes:
    """A target that is not there yet."""
    return os.fsencode(tmp_path / "restored" / "here")


def wants(*paths: bytes):
    return lambda path: path in paths


@pytest.mark.parametrize("streams", [1, 4])
async def test_a_backup_job_comes_back_as_it_was(estate, to, streams):
    progress = ReadProgress()

    result = await restore(reader_of(estate), to, streams=streams, progress=progress)

    assert described(to) == described(estate.landing)
    assert (result.failed, result.refused, result.warnings) == ((), (), ())
    assert result.files == progress.snapshot().files_done == 311
    assert result.size_bytes == progress.snapshot().bytes_done
    assert result.links == 3


async def test_more_entries_than_are_kept_are_read_again(estate, to, monkeypatch):
    monkeypatch.setattr(restoring_module, "KEPT_AT_MOST", 10)

    result = await restore(reader_of(estate), to)

    assert described(to) == described(estate.landing)
    assert result.files == 311


async def test_no_more_files_are_open_than_the_process_may_have(to, monkeypatch):
    most = 0

    def counted(target: RestoreTarget, files: Sequence[SmallFile]) -> None:
        nonlocal most
        most = max(most, len(files))
        kept(target, files)

    kept = RestoreTarget.keep_small
    monkeypatch.setattr(RestoreTarget, "keep_small", counted)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (24, 24))
    source = FakeSource({b"f%d" % number: b"x" for number in range(20)}, with_digests=True)

    result = await restore(source, to)

    assert (result.files, most) == (20, 3)


@pytest.mark.skipif(os.geteuid() != 0, reason="another group is given by root alone")
async def test_what_a_directory_gives_to_its_files_is_set_right(estate, to):
    os.makedirs(to)
    os.chown(to, -1, 4711)
    os.chmod(to, 0o2700)  # everything made below gets the group of the directory

    await restore(reader_of(estate), to)

    groups = {
        os.lstat(os.path.join(at, name)).st_gid for at, _, names in os.walk(to) for name in names
    }
    assert groups == {os.getegid()}
    assert described(to) == described(estate.landing)


async def test_holes_stay_holes(estate, to):
    await restore(reader_of(estate), to)

    assert os.stat(to + b"/dump/sparse").st_blocks * 512 < MIB


def refuse_to_sync(_: int) -> None:
    raise AssertionError("this does not reach all of it")


@pytest.mark.parametrize("how", ["no nameless files", "no syncfs", "others mounted below"])
async def test_lesser_file_systems_get_the_same(estate, to, how, monkeypatch):
    if how == "no syncfs":
        monkeypatch.setattr(target_module, "has_honest_syncfs", lambda _: False)
        monkeypatch.setattr(target_module, "sync_file_system", refuse_to_sync)
    elif how == "others mounted below":
        monkeypatch.setattr(target_module, "has_mounts_below", lambda _: True)
        monkeypatch.setattr(target_module, "sync_file_system", refuse_to_sync)
    else:
        monkeypatch.setattr("engine.transfer.aside._NAMELESS", os.O_RDWR)  # EISDIR, as they say

    await restore(reader_of(estate), to)
    again = await restore(reader_of(estate), to, overwrite=True)

    assert described(to) == described(estate.landing)
    assert again.failed == ()


async def test_a_link_that_stands_in_for_its_file_is_gone_on_with(estate, to):
    """Wanted alone it is made as a file; a try that was stopped after that left no other."""

    async def again(**how: object) -> RestoreResult:
        return await restore(reader_of(estate), to, only=lambda path: path == b"dump/small", **how)

    await again()

    assert (await again()).refused == (b"dump/small",)
    assert (await again(goes_on=True)).files == 1
    spoil(to + b"/dump/small", "append")
    assert (await again(goes_on=True)).refused == (b"dump/small",)


@pytest.mark.parametrize("is_lesser", [True, False])
async def test_all_of_it_is_durable_at_its_end(estate, to, tmp_path, monkeypatch, is_lesser):
    """Whatever a file system writes first: also the name of the target, made by this try or before."""
    if is_lesser:
        monkeypatch.setattr(target_module, "has_honest_syncfs", lambda _: False)
        monkeypatch.setattr("engine.transfer.aside._NAMELESS", os.O_RDWR)

    with followed(Unsynced(tmp_path)) as unsynced:
        os.mkdir(tmp_path / "restored")
        unsynced.inodes[os.stat(tmp_path).st_ino] = b"its name"
        unsynced.inodes[os.stat(tmp_path / "restored").st_ino] = b"what is in it"
        await restore(reader_of(estate), to)
        assert unsynced.below(os.fsencode(tmp_path / "restored")) == []
        unsynced.inodes[os.stat(tmp_path / "restored").st_ino] = b"a try that came no further"
        large = await restore(
            reader_of(estate), to, overwrite=True, only=lambda path: path == b"dump/large"
        )

    assert large.files == 1
    assert unsynced.below(os.fsencode(tmp_path / "restored")) == []


async def test_existing_files_are_refused_and_nothing_is_written(estate, to):
    os.makedirs(to + b"/dump/nested")
    os.link(estate.entry + b"/nested/-rf", to + b"/dump/small")
    os.symlink(b"nowhere", to + b"/dump/nested/dangling")
    before = described(to)

    result = await restore(reader_of(estate), to)

    assert result.refused == (b"dump/nested/dangling", b"dump/small")
    assert (result.files, result.directories) == (0, 0)
    assert described(to) == before


async def test_existing_files_are_replaced_when_that_is_wanted(estate, to):
    await restore(reader_of(estate), to)
    for name in (b"large", b"nested/-rf"):
        spoil(to + b"/dump/" + name, "append")
    os.unlink(to + b"/dump/etc")
    os.symlink(b"elsewhere", to + b"/dump/etc")

    result = await restore(reader_of(estate), to, overwrite=True)

    assert result.refused == ()
    assert described(to) == described(estate.landing)


async def test_a_directory_is_never_replaced_by_a_file(estate, to):
    os.makedirs(to + b"/dump/small/mine")

    result = await restore(reader_of(estate), to, overwrite=True)

    assert result.refused == (b"dump/small",)
    assert os.listdir(to + b"/dump") == [b"small"]


async def test_a_link_in_the_target_is_not_followed(estate, to, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    os.makedirs(to + b"/dump")
    os.symlink(os.fsencode(outside), to + b"/dump/nested")

    result = await restore(reader_of(estate), to, overwrite=True)

    assert result.refused[0] == b"dump/nested"
    assert list(outside.iterdir()) == []


async def test_a_file_below_a_link_in_the_target_is_refused_before_anything_is_written(
    estate, to, tmp_path
):
    os.makedirs(to + b"/dump")
    os.symlink(os.fsencode(tmp_path), to + b"/dump/nested")
    before = described(to)

    result = await restore(
        reader_of(estate), to, only=wants(b"dump/nested/-rf", b"dump/large"), overwrite=True
    )

    assert result.refused == (b"dump/nested/-rf",)
    assert described(to) == before


async def test_a_link_that_appears_during_the_restore_is_not_followed(to, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    source = FakeSource({b"d/f": b"x"}, with_digests=True)

    def plant(_: bytes) -> None:
        os.symlink(os.fsencode(outside), to + b"/d")

    source.on_open = plant

    with pytest.raises(AuxError, match="d/f"):
        await restore(source, to)

    assert list(outside.iterdir()) == []


async def test_a_file_that_appears_during_the_restore_is_not_replaced(to):
    source = FakeSource({b"f": b"x"}, with_digests=True)

    def plant(_: bytes) -> None:
        Path(os.fsdecode(to + b"/f")).write_bytes(b"mine")

    source.on_open = plant

    with pytest.raises(AuxError, match="appeared"):
        await restore(source, to)

    assert described(to)[b"f"][2] == b"mine"


@pytest.mark.parametrize("path", [b"dump/large", b"dump/nested/-rf"])
async def test_a_damaged_file_is_not_restored_and_the_others_are(estate, to, media, path):
    spoil(media + path.removeprefix(b"dump"), "rewrite")

    result = await restore(reader_of(estate), to)

    [(failed, error)] = result.failed
    assert failed == path
    assert isinstance(error, SourceCorrupt)
    found, wanted = described(to), described(estate.landing)
    assert wanted.keys() - found.keys() == {path}
    assert result.files == 310


async def test_further_names_of_a_damaged_file_fail_with_it(estate, to, media):
    spoil(media + b"/small", "rewrite")

    result = await restore(reader_of(estate), to)

    assert [path for path, _ in result.failed] == [
        b"dump/nested/another name of small",
        b"dump/small",
    ]
    assert isinstance(result.failed[1].error, SourceRead)


async def test_a_missing_file_fails_and_the_others_are_restored(estate, to, media):
    os.unlink(media + b"/large")

    result = await restore(reader_of(estate), to)

    assert [path for path, _ in result.failed] == [b"dump/large"]
    assert isinstance(result.failed[0].error, SourceRead)


async def test_only_what_is_wanted_is_restored(estate, to):
    result = await restore(
        reader_of(estate), to, only=wants(b"dump/nested/-rf", b"dump/nested/deep/f007")
    )

    assert result.files == 2
    files = {path: kept for path, kept in described(to).items() if kept[0] == "file"}
    wanted = described(estate.landing)
    assert files == {path: wanted[path] for path in (b"dump/nested/-rf", b"dump/nested/deep/f007")}


async def test_a_hard_link_brings_its_content_when_its_first_name_is_not_wanted(estate, to):
    await restore(reader_of(estate), to, only=wants(b"dump/small"))

    found = described(to)
    assert found.keys() == {b"dump", b"dump/small"}
    assert found[b"dump/small"][2] == b"small"


async def test_a_cancel_leaves_nothing_half_written(to, monkeypatch):
    monkeypatch.setattr("engine.transfer.aside._NAMELESS", os.O_RDWR)
    source = FakeSource({b"big": some_bytes(20 * MIB)}, with_digests=True, chunk_bytes=4 * MIB)
    cancel = CancelToken()
    source.on_read = lambda _, offset, __: offset >= 8 * MIB and cancel.cancel("killed")

    with pytest.raises(Cancelled, match="killed"):
        await restore_job(source, to, cancel=cancel, throttle=Throttle(), streams=1)

    assert list(os.walk(to)) == []  # nothing in it, so it went with the rest
    assert source.open_handles == 0


async def test_a_target_that_fails_ends_the_restore_and_leaves_nothing_half_written(
    to, monkeypatch
):
    monkeypatch.setattr("engine.transfer.aside._NAMELESS", os.O_RDWR)
    files = mixed()
    source = FakeSource(files, with_digests=True)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(target_module, "write_range", full)

    with pytest.raises(AuxError, match="no space left"):
        await restore(source, to)

    left = contents_of(to)  # small files may be whole by then
    assert left == {name: files.get(name) for name in left}


def contents_of(root: bytes) -> dict[bytes, bytes]:
    """Every file below a directory."""
    found = [
        os.path.relpath(os.path.join(above, name), root)
        for above, _, names in os.walk(root)
        for name in names
    ]
    return {path: Path(os.fsdecode(os.path.join(root, path))).read_bytes() for path in found}


async def test_a_target_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(AuxError, match="file"):
        await restore(FakeSource({}), os.fsencode(tmp_path / "file" / "below"))


async def test_links_of_any_target_are_made_and_not_followed(to):
    link = SymlinkEntry(path=rel_path(b"l"), target=b"/etc/passwd", meta=META)

    result = await restore(FakeSource({}, extra=(link,)), to)

    assert (result.links, os.readlink(to + b"/l")) == (1, b"/etc/passwd")


async def verify(reader: JobReader) -> list[tuple[RelPath, int, type[AuxError]]]:
    try:
        damaged = await verify_job(reader, cancel=CancelToken(), throttle=Throttle())
    finally:
        reader.close()
    return [(path, chunk.offset, type(error)) for path, chunk, error in damaged]


async def test_verification_of_a_good_copy_finds_nothing(estate):
    assert await verify(reader_of(estate)) == []


async def test_verification_names_every_damaged_chunk_in_manifest_order(estate, media):
    spoil(media + b"/nested/-rf", "rewrite")
    spoil(media + b"/large", "rewrite")
    spoil(media + b"/nested/deep/f100", "truncate")
    os.unlink(media + b"/empty")

    assert await verify(reader_of(estate)) == [
        (b"dump/empty", 0, SourceMissing),
        (b"dump/large", 0, SourceCorrupt),
        (b"dump/nested/-rf", 0, SourceCorrupt),
        (b"dump/nested/deep/f100", 0, SourceCorrupt),
    ]


async def test_verification_names_the_damaged_chunk_of_a_large_file():
    source = FakeSource({b"big": some_bytes(5 * MIB)}, with_digests=True, chunk_bytes=MIB)
    wrong = bytearray(source.contents[b"big"])
    wrong[3 * MIB + 5] ^= 1
    source.shown_contents[b"big"] = bytes(wrong)

    assert await verify(source) == [(b"big", 3 * MIB, SourceCorrupt)]
    assert source.open_handles == 0


async def test_a_bug_in_a_source_is_not_taken_for_damage():
    def bug(*_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await verify(FakeSource({b"f": b"1"}, on_read=bug, with_digests=True))


async def test_a_destination_error_is_final_also_in_the_middle(to):
    source = FakeSource(mixed(), with_digests=True)

    def gone(path: bytes) -> None:
        if path == b"many/300":
            raise DestinationWrite("not a source error at all")

    source.on_open = gone

    with pytest.raises(DestinationWrite):
        await restore(source, to)


@pytest.mark.parametrize(
    ("code", "what"), [(errno.ENOSPC, "make room in"), (errno.ENODEV, "mount")]
)
def test_a_target_is_no_library_and_its_restore_is_gone_on_with_by_hand(code, what):
    with pytest.raises(DestinationError) as caught, on_target("write", b"x"):
        raise OSError(code, os.strerror(code))
    assert what in caught.value.hint
    assert "the target, then `auxtui job resubmit`" in caught.value.hint.replace(" again", "")
