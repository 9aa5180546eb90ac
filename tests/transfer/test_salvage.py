"""What is right of a damaged file comes back beside its name, its holes named; never under it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.model.entries import Chunk, HardlinkEntry
from engine.model.errors import SourceCorrupt, SourceRead
from engine.model.names import RelPath, rel_path
from engine.transfer import restoring, salvage
from engine.transfer.salvage import holes_of, name_of_rest
from tests.transfer.fakes import FakeSource
from tests.transfer.test_copying import MIB, some_bytes
from tests.transfer.test_restoring import restore

CHUNKS = 5


@pytest.fixture
def to(tmp_path: Path) -> bytes:
    return os.fsencode(tmp_path / "restored")


def damaged(*chunks: int) -> tuple[FakeSource, bytes]:
    """A backup job of one file, with one wrong byte in each of some chunks; and what is right of it."""
    source = FakeSource({b"d/big": some_bytes(CHUNKS * MIB)}, with_digests=True, chunk_bytes=MIB)
    wrong, right = bytearray(source.contents[b"d/big"]), bytearray(source.contents[b"d/big"])
    for chunk in chunks:
        wrong[chunk * MIB + MIB // 2] ^= 1
        right[chunk * MIB : (chunk + 1) * MIB] = bytes(MIB)
    source.shown_contents[b"d/big"] = bytes(wrong)
    return source, bytes(right)


def put(to: bytes, name: str, content: bytes) -> None:
    os.makedirs(to + b"/d")
    Path(os.fsdecode(to), "d", name).write_bytes(content)


def read(to: bytes, name: str) -> bytes:
    return Path(os.fsdecode(to), "d", name).read_bytes()


@pytest.mark.parametrize("streams", [1, 3])
@pytest.mark.parametrize("has_holes", [True, False])
@pytest.mark.parametrize("in_order", [True, False])
async def test_what_is_right_of_a_damaged_file_is_kept(
    to, monkeypatch, streams, has_holes, in_order
):
    if not has_holes:
        monkeypatch.setattr(salvage, "punch_hole", lambda *_: False)
    monkeypatch.setattr(restoring, "reads_in_order", lambda _: in_order)
    source, right = damaged(2)
    if in_order:  # behind a damage nothing can be read
        right = right[: 2 * MIB] + bytes(3 * MIB)

    result = await restore(source, to, streams=streams, keeps_rests=True)

    (failed,) = result.failed
    assert (result.files, result.rests, failed.path) == (0, 1, b"d/big")
    assert isinstance(failed.error, SourceCorrupt)
    end = CHUNKS * MIB if in_order else 3 * MIB
    assert (
        f"d/big.incomplete, with zeros for bytes {2 * MIB} to {end}" in result.told(failed).message
    )
    assert "incomplete" not in failed.error.message  # that is no matter of the copy
    assert result.size_bytes == (2 if in_order else 4) * MIB
    assert os.listdir(to + b"/d") == [b"big.incomplete"]
    assert read(to, "big.incomplete") == right
    assert source.open_handles == 0


async def test_every_hole_is_named(to):
    source, right = damaged(0, 1, 4)

    result = await restore(source, to, keeps_rests=True)

    assert f"bytes 0 to {2 * MIB}, {4 * MIB} to {5 * MIB}" in result.told(result.failed[0]).message
    assert read(to, "big.incomplete") == right


async def test_a_file_of_which_nothing_is_right_leaves_nothing(to):
    source, _ = damaged(*range(CHUNKS))

    result = await restore(source, to, keeps_rests=True)

    assert (result.rests, len(result.failed)) == (0, 1)
    assert os.listdir(to + b"/d") == []


async def test_a_rest_is_kept_only_where_nothing_else_gives_the_file(to):
    source, _ = damaged(2)

    result = await restore(source, to)

    assert (result.rests, len(result.failed)) == (0, 1)
    assert os.listdir(to + b"/d") == []


async def test_what_stands_in_its_place_is_not_replaced(to):
    put(to, "big.incomplete", b"mine")
    source, right = damaged(2)

    result = await restore(source, to, keeps_rests=True)

    assert read(to, "big.incomplete") == b"mine"
    assert result.rests == 0
    assert "what is right of it was not kept" in result.told(result.failed[0]).message

    again, _ = damaged(2)
    assert (await restore(again, to, keeps_rests=True, overwrite=True)).rests == 1
    assert read(to, "big.incomplete") == right


async def test_a_further_name_of_a_damaged_file_is_not_made(to):
    source, right = damaged(2)
    source.extra = (HardlinkEntry(path=rel_path(b"d/other"), to=rel_path(b"d/big")),)

    result = await restore(source, to, keeps_rests=True)

    assert [type(one.error) for one in result.failed] == [SourceCorrupt, SourceRead]
    assert os.listdir(to + b"/d") == [b"big.incomplete"]
    assert read(to, "big.incomplete") == right


def test_a_long_name_stays_one() -> None:
    assert name_of_rest(RelPath(b"a/" + b"x" * 255)) == b"a/" + b"x" * 244 + b".incomplete"


def test_many_holes_are_counted() -> None:
    told = holes_of(Chunk(2 * at * 10, 10, b"") for at in range(23))

    assert told.startswith("bytes 0 to 10, 20 to 30, ")
    assert told.endswith(" and 3 more places")
