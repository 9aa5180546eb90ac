"""The journal proves what was synced and hashed, and nothing more."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.library import layout
from engine.library.interface import Done
from engine.library.journal import Journal, JournalHeader, boot_id, ends_in_order, read_journal
from engine.model.entries import Chunk, PieceEnd
from engine.model.errors import DestinationWrite
from engine.model.names import rel_path
from tests.library.broken_calls import failing, watched

HEADER = JournalHeader(backup_job_id=7, source_key="source", boot_id="boot")


def done(path: bytes, offset: int, length: int = 10) -> Done:
    return Done(rel_path(path), Chunk(offset, length, bytes([length]) * 32))


@pytest.fixture
def directory(fast_path: Path) -> Iterator[int]:
    fd = os.open(fast_path, os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.fixture
def file(fast_path: Path) -> Path:
    return fast_path / layout.JOURNAL.decode()


def journaled(directory: int, *chunks: Done) -> None:
    header = JournalHeader(backup_job_id=7, source_key="source", boot_id="boot")
    journal = Journal.begin(directory, header)
    for chunk in chunks:
        journal.append([chunk])
    journal.close()


def test_no_journal(directory: int):
    assert read_journal(directory) is None


def test_the_ends_of_encoded_files_are_read(directory: int):
    path = rel_path(b"a.zst")
    ends = tuple(PieceEnd(at, bytes([at]) * 32) for at in range(200))
    journaled(directory, Done(path, Chunk(0, 200, b"x" * 32), ends))

    content = read_journal(directory)

    assert content is not None
    assert content.damaged == 0
    assert ends_in_order(content.ends[path]) == ends


def test_the_ends_of_a_dropped_file_are_forgotten(directory: int):
    path = rel_path(b"a.zst")
    journal = Journal.begin(directory, HEADER)
    journal.append([Done(path, Chunk(0, 9, b"x" * 32), (PieceEnd(9, b"y" * 32),))])
    journal.drop(path)
    journal.close()

    content = read_journal(directory)

    assert content is not None
    assert (content.chunks, content.ends) == ({}, {})


def test_what_is_appended_is_read(directory: int):
    chunks = [done(b"a", 0), done(b"a", 10, 5), done(b"d/\xff\n", 0)]

    journaled(directory, *chunks)

    content = read_journal(directory)
    assert content is not None
    assert content.header == HEADER
    assert content.damaged == 0
    assert content.chunks == {
        b"a": {0: chunks[0].chunk, 10: chunks[1].chunk},
        b"d/\xff\n": {0: chunks[2].chunk},
    }


def test_the_last_word_on_a_chunk_counts(directory: int):
    journaled(directory, done(b"a", 0, 5), done(b"a", 0, 9))

    content = read_journal(directory)

    assert content is not None
    assert content.chunks == {b"a": {0: done(b"a", 0, 9).chunk}}


def test_a_dropped_file_is_not_proven(directory: int):
    journal = Journal.begin(directory, HEADER)
    journal.append([done(b"a", 0), done(b"b", 0)])
    journal.drop(rel_path(b"a"))
    journal.append([done(b"a", 10)])
    journal.close()

    content = read_journal(directory)

    assert content is not None
    assert content.chunks == {b"a": {10: done(b"a", 10).chunk}, b"b": {0: done(b"b", 0).chunk}}


def test_every_truncation_keeps_only_whole_lines(directory: int, file: Path):
    chunks = [done(b"file", at) for at in (0, 10, 20)]
    journaled(directory, *chunks)
    data = file.read_bytes()
    ends = [i + 1 for i, byte in enumerate(data) if byte == 10]

    for length in range(len(data)):
        file.write_bytes(data[:length])
        content = read_journal(directory)
        whole = sum(end <= length for end in ends)
        if whole == 0:
            assert content is None
        else:
            assert content is not None
            proven = content.chunks.get(rel_path(b"file"), {})
            assert sorted(proven) == [chunk.chunk.offset for chunk in chunks[: whole - 1]]
            assert content.damaged == (length not in ends)


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_proves_nothing(directory: int, file: Path, bit: int):
    chunks = [done(b"file", at) for at in (0, 10, 20)]
    journaled(directory, *chunks)
    data = file.read_bytes()
    true = {chunk.chunk for chunk in chunks}

    for at in range(len(data)):
        flipped = bytearray(data)
        flipped[at] ^= 1 << bit
        file.write_bytes(flipped)
        content = read_journal(directory)
        if content is not None:
            assert content.damaged > 0
            assert set(content.chunks) <= {b"file"}
            assert set(content.chunks.get(rel_path(b"file"), {}).values()) < true


@settings(max_examples=200, deadline=None)
@given(noise=st.binary(max_size=300))
def test_noise_proves_nothing(tmp_path_factory: pytest.TempPathFactory, noise: bytes):
    path = tmp_path_factory.getbasetemp() / "noise"
    path.mkdir(exist_ok=True)
    (path / layout.JOURNAL.decode()).write_bytes(noise)
    fd = os.open(path, os.O_RDONLY)

    assert read_journal(fd) is None

    os.close(fd)


def test_lines_of_another_journal_prove_nothing(directory: int, file: Path):
    journaled(directory, done(b"old", 0))
    old_lines = file.read_bytes().splitlines(keepends=True)[1:]
    journaled(directory, done(b"new", 0))
    with file.open("ab") as stream:
        stream.writelines(old_lines)

    content = read_journal(directory)

    assert content is not None
    assert set(content.chunks) == {b"new"}
    assert content.damaged == 1


def test_a_very_long_line_is_not_read_into_memory(directory: int, file: Path):
    journaled(directory, done(b"a", 0))
    with file.open("ab") as stream:
        stream.write(b"x" * 1_000_000 + b"\n")

    content = read_journal(directory)

    assert content is not None
    assert content.damaged > 0
    assert set(content.chunks) == {b"a"}


def test_going_on_after_a_torn_line(directory: int, file: Path):
    journaled(directory, done(b"a", 0), done(b"a", 10))
    file.write_bytes(file.read_bytes()[:-20])
    content = read_journal(directory)
    assert content is not None

    journal = Journal.go_on(directory, content.header)
    journal.append([done(b"a", 20)])
    journal.close()

    again = read_journal(directory)
    assert again is not None
    assert sorted(again.chunks[rel_path(b"a")]) == [0, 20]
    assert again.damaged == 1


def test_appending_is_one_write_and_one_sync(directory: int):
    journal = Journal.begin(directory, HEADER)

    with watched(lambda *_: None) as calls:
        journal.append([done(b"a", at) for at in range(0, 1000, 10)])

    assert calls.log == ["pwrite", "fdatasync"]
    journal.close()


@pytest.mark.parametrize("number", [1, 2])
def test_after_a_failed_sync_it_is_never_used_again(directory: int, number: int):
    journal = Journal.begin(directory, HEADER)
    with watched(failing(number, errno.EIO)), pytest.raises(OSError, match="Input/output"):
        journal.append([done(b"a", 0)])

    with watched(lambda *_: None) as calls, pytest.raises(DestinationWrite):
        journal.append([done(b"a", 10)])

    assert calls.log == []
    journal.close()


@pytest.mark.parametrize("number", range(1, 6))
def test_a_new_journal_replaces_the_old_one_whole(directory: int, fast_path: Path, number: int):
    journaled(directory, done(b"old", 0))

    with watched(failing(number, errno.EIO)), pytest.raises(OSError, match="Input/output"):
        Journal.begin(directory, HEADER, [done(b"new", 0)])

    content = read_journal(directory)
    assert content is not None
    assert set(content.chunks) in ({b"old"}, {b"new"})


def test_a_symbolic_link_in_its_place_is_not_followed(directory: int, file: Path):
    file.symlink_to("/etc/passwd")

    with pytest.raises(OSError, match="symbolic link"):
        read_journal(directory)


def test_the_boot_of_this_host_has_an_id():
    assert boot_id() == boot_id() != ""
