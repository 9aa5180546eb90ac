"""Direct I/O: the same bytes as through the page cache, and never a failure of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.library.file_handles import FileReader
from engine.model.names import rel_path
from engine.transfer.buffers import Buffers, buffer_bytes_for
from engine.transfer.cancel import CancelToken
from engine.transfer.direct import DirectFile, cached_ratio, reserve
from engine.transfer.flow import FileRead, PieceSize, Span

KIB = 1024
CONTENT = os.urandom(300 * KIB + 123)


@pytest.fixture
def buffer() -> memoryview:
    return Buffers(512 * KIB, 1).get(CancelToken())


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    """A file on the disk of the tests, out of the page cache."""
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    fd = os.open(path, os.O_RDWR)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    ("offset", "length", "least"),
    [
        (0, len(CONTENT), 300 * KIB),
        (4 * KIB, 64 * KIB, 64 * KIB),
        (4 * KIB, 4 * KIB + 1, 4 * KIB),
        (1, 8 * KIB, 0),
        (300 * KIB, 123, 0),
    ],
)
def test_whole_blocks_are_read_and_the_rest_is_left_to_the_handle(
    fd, buffer, offset, length, least
):
    direct = DirectFile(fd, os.O_RDONLY)

    count = direct.read(buffer[:length], offset)

    direct.close()
    assert count in (0, least)  # 0 where the file system of the tests has no direct I/O
    assert bytes(buffer[:count]) == CONTENT[offset : offset + count]


def test_a_file_is_read_whole_whichever_way(fd, buffer):
    for direct in (None, DirectFile(None, os.O_RDONLY), DirectFile(fd, os.O_RDONLY)):
        source = FileRead(rel_path(b"f"), FileReader(os.dup(fd), rel_path(b"f")), direct)

        source.fill(buffer[: len(CONTENT)], 0)

        source.close()
        assert bytes(buffer[: len(CONTENT)]) == CONTENT


def test_an_end_before_the_expected_size_is_no_success(fd, buffer):
    direct = DirectFile(fd, os.O_RDONLY)

    assert direct.read(buffer[: 512 * KIB], 0) <= len(CONTENT)
    assert direct.read(buffer[: 8 * KIB], 1024 * KIB) == 0

    direct.close()


def test_whole_blocks_are_written(fd, buffer):
    new = os.urandom(64 * KIB)
    buffer[: len(new)] = new
    direct = DirectFile(fd, os.O_WRONLY)

    count = direct.write(buffer[: 64 * KIB + 5], 8 * KIB)

    direct.close()
    assert count in (0, 64 * KIB)
    expected = CONTENT[: 8 * KIB] + new[:count] + CONTENT[8 * KIB + count :]
    assert os.pread(fd, len(CONTENT), 0) == expected


def test_a_file_that_direct_io_cannot_serve_is_left_to_the_handle(buffer):
    read_end, write_end = os.pipe()
    try:
        assert DirectFile(read_end, os.O_RDONLY).read(buffer, 0) == 0
        reserve(write_end, 4096)
        reserve(None, 4096)
    finally:
        os.close(read_end)
        os.close(write_end)


def test_an_error_of_the_device_is_left_to_the_handle(fd, buffer):
    direct = DirectFile(fd, os.O_RDONLY)

    assert direct.write(buffer[: 8 * KIB], 0) == 0  # opened for reading only

    direct.close()


def test_a_range_in_the_page_cache_is_read_from_there(fd):
    os.pread(fd, len(CONTENT), 0)
    direct = DirectFile(fd, os.O_RDONLY)
    source = FileRead(rel_path(b"f"), FileReader(os.dup(fd), rel_path(b"f")), direct)

    ratio = cached_ratio(fd, 0, len(CONTENT))

    best = source.for_range(Span(0, len(CONTENT)))
    assert (best.direct is None) == best.is_cached == (ratio >= 0.5)
    source.close()


def test_reserved_blocks_read_as_zeros_and_keep_what_is_there(fd):
    reserve(fd, 1024 * KIB)

    assert os.pread(fd, len(CONTENT), 0) == CONTENT
    assert set(os.pread(fd, KIB, 600 * KIB)) <= {0}


def test_pieces_shrink_on_a_slow_device_and_grow_again():
    size = PieceSize(8 << 20)

    for _ in range(10):
        size.took(0.2)
    smallest = size.now_bytes
    for _ in range(10):
        size.took(0.001)

    assert (smallest, size.now_bytes) == (256 * KIB, 8 << 20)


@pytest.mark.parametrize(("streams", "each"), [(1, 8 << 20), (4, 8 << 20), (16, 4 << 20)])
def test_buffers_of_all_streams_together_stay_within_the_memory(streams, each):
    assert buffer_bytes_for(192 << 20, streams) == each
    assert 3 * streams * each <= 192 << 20
