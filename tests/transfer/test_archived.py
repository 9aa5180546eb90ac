"""Files read out of an archive are the originals, from any offset; what is damaged is never believed."""

from __future__ import annotations

import io
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zstandard
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.archive.index import ArchiveFrame
from engine.archive.index_file import IndexFile, IndexWriter
from engine.archive.packing import Content, Packer
from engine.archive.stream import TarStream
from engine.library.memory_reading import MemoryReadHandle
from engine.model.entries import FileEntry, Metadata
from engine.model.errors import AuxError, SourceError
from engine.operations import content_restore
from engine.transfer.archive_frames import Archive, CopyOpener, FrameCache
from engine.transfer.archived import ArchivedJob
from engine.transfer.volumes import volume_name
from tests.archive.packs import FRAME, header

VOLUME = 50_000


class Volumes:
    """A job copy in memory: the volumes of an archive."""

    def __init__(self, archive: bytes) -> None:
        self.files = {
            volume_name(at // VOLUME + 1): archive[at : at + VOLUME]
            for at in range(0, len(archive), VOLUME)
        }

    def entries(self):
        meta = Metadata(mode=0o600, mtime_ns=0, uid=0, gid=0)
        for path, content in self.files.items():
            yield FileEntry(path=path, size=len(content), meta=meta)

    def open_file(self, entry):
        return OneAtATime(bytearray(self.files[entry.path]), lambda: None)

    def close(self):
        return


class OneAtATime(MemoryReadHandle):
    """A handle that is read by one thread at a time, and never after it was closed."""

    is_busy = is_closed = False

    def read_into(self, buffer: memoryview, offset: int) -> int:
        assert (self.is_busy, self.is_closed) == (False, False)
        self.is_busy = True
        time.sleep(0)  # lets another thread come between
        count = super().read_into(buffer, offset)
        assert not self.is_closed
        self.is_busy = False
        return count

    def close(self) -> None:
        self.is_closed = True
        super().close()


def archived(source: Path) -> tuple[bytes, bytes]:
    """The archive of a tree, and its index."""
    packed, frames = bytearray(), []

    def deliver(buffer: bytearray, filled: int) -> bytearray:
        frame = zstandard.ZstdCompressor().compress(bytes(buffer[:filled]))
        frames.append(ArchiveFrame(len(packed), len(frame), blake3(frame).digest()))
        packed.extend(frame)
        return buffer

    stream, target = TarStream(deliver, FRAME), io.BytesIO()
    writer = IndexWriter(target, header(1))
    result = Packer(Content(paths=(str(source),)), 1, stream, writer).run()
    total = stream.finish()
    writer.finish(frames, tar_bytes=total, volumes=1, volume_bytes=VOLUME, archived=result.archived)
    return bytes(packed), target.getvalue()


def job_of(index: bytes, *archives: bytes, said: list[str] | None = None) -> ArchivedJob:
    """The backup job, on copies a, b .. with these archives."""
    openers = [
        CopyOpener("abc"[number], lambda archive=archive: Volumes(archive))
        for number, archive in enumerate(archives)
    ]
    notes = [] if said is None else said
    archive = Archive(
        IndexFile(io.BytesIO(index)),
        openers,
        FrameCache(2),
        lambda copy, _, error: notes.append(f"{copy}: {error.message}"),
    )
    return ArchivedJob(None, IndexFile(io.BytesIO(index)), {1: archive})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, bytes]:
    source = tmp_path_factory.mktemp("source")
    (source / "large").write_bytes(os.urandom(3 * FRAME + 77))
    (source / "small").write_bytes(b"small")
    with (source / "sparse").open("wb") as file:
        for at in (200_000, 900_000):
            file.seek(at)
            file.write(os.urandom(5000))
        file.truncate(1_500_000)
    (source / "zeros").write_bytes(b"")
    return source, *archived(source)


def files(job: ArchivedJob) -> dict[str, FileEntry]:
    found = [entry for entry in job.entries() if isinstance(entry, FileEntry)]
    return {os.fsdecode(entry.path).rpartition("/")[2]: entry for entry in found}


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_range_of_any_file(made: tuple[Path, bytes, bytes], data: st.DataObject):
    source, archive, index = made
    job = job_of(index, archive)
    name = data.draw(st.sampled_from(["large", "small", "sparse", "zeros"]))
    content = (source / name).read_bytes()
    at = data.draw(st.integers(0, len(content)))
    length = data.draw(st.integers(0, 2 * FRAME))
    buffer = bytearray(b"?" * length)
    count = job.open_file(files(job)[name]).read_into(memoryview(buffer), at)
    assert bytes(buffer[:count]) == content[at : at + length]
    job.close()


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_flipped_bit_is_found_and_the_next_copy_asked(
    made: tuple[Path, bytes, bytes], data: st.DataObject
):
    source, archive, index = made
    at = data.draw(st.integers(0, len(archive) - 1))
    bad = bytearray(archive)
    bad[at] ^= 1 << data.draw(st.integers(0, 7))
    said: list[str] = []
    for archives in ((bytes(bad),), (bytes(bad), archive), (archive[:at], archive)):
        job = job_of(index, *archives, said=said)
        for name, entry in files(job).items():
            content = (source / name).read_bytes()
            buffer = bytearray(entry.size)
            try:
                job.open_file(entry).read_into(memoryview(buffer), 0)
            except SourceError:
                assert len(archives) == 1
                continue
            assert bytes(buffer) == content
        job.close()
    assert all(note.startswith("a: ") for note in said)


def test_an_index_that_points_nowhere_is_an_error(made: tuple[Path, bytes, bytes]):
    _, archive, index = made
    job = job_of(index, archive)
    entry = files(job)["small"]
    for wrong in (10**9, 2**60):
        handle = job.open_file(type(entry)(**{**vars_of(entry), "at": wrong}))
        with pytest.raises(AuxError):
            handle.read_into(memoryview(bytearray(5)), 0)
    job.close()


def vars_of(entry: FileEntry) -> dict[str, object]:
    names = [name for kind in type(entry).__mro__ for name in getattr(kind, "__slots__", ())]
    return {name: getattr(entry, name) for name in names}


@pytest.mark.parametrize("most", [4, 3])
def test_a_restore_reads_an_index_once_while_that_is_little_enough_to_keep(
    made: tuple[Path, bytes, bytes], most: int, monkeypatch: pytest.MonkeyPatch
):
    _, archive, index = made
    read = IndexFile(io.BytesIO(index))
    above = sum(1 for entry in read.entries() if entry.kind == "directory")
    monkeypatch.setattr(content_restore, "KEPT_AT_MOST", most + above)
    survey = content_restore._survey(read, lambda path: path.endswith(b"/small"))
    job = job_of(index, archive)
    every = tuple(job.entries())
    job.close()
    assert (survey.holders, len(survey.nodes), survey.unsure) == ({1}, 0, 0)
    assert survey.listed == (every if most == 4 else None)
    again = ArchivedJob(None, read, {}, survey.listed)
    monkeypatch.setattr(read, "entries", lambda: iter(()))
    assert tuple(again.entries()) == (every if most == 4 else ())


@pytest.mark.parametrize("first", ["whole", "bad", "unreadable"])
def test_several_streams_read_one_archive_at_once(made: tuple[Path, bytes, bytes], first: str):
    source, archive, index = made
    bad = bytearray(archive)
    bad[len(bad) // 2] ^= 1
    archives = {"whole": [archive], "bad": [bytes(bad), archive], "unreadable": [b"", archive]}
    said: list[str] = []
    job = job_of(index, *archives[first], said=said)
    found = files(job)
    content = {name: (source / name).read_bytes() for name in found}

    def is_right(step: int) -> bool:
        name = ("large", "sparse", "small")[step % 3]
        at = step * 7919 % len(content[name])
        buffer = bytearray(min(len(content[name]) - at, 2 * FRAME))
        job.open_file(found[name]).read_into(memoryview(buffer), at)
        return bytes(buffer) == content[name][at : at + len(buffer)]

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(is_right, range(120)))
    job.close()
    assert all(note.startswith("a: ") for note in said)
    assert bool(said) == (first != "whole")
