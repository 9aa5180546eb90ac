"""Encoded copies: standard files, everything as it was on the way back, and one read for all copies."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from engine.library.age import Identities
from engine.model.encoding import PLAIN, Encoding
from engine.model.entries import FileEntry, HardlinkEntry, original
from engine.model.errors import AuxError, SourceCorrupt, SourceLocked
from engine.transfer.cancel import CancelToken
from engine.transfer.restoring import RestoreResult, restore_job
from engine.transfer.throttle import Throttle
from engine.transfer.verifying import verify_job
from tests.transfer.encodings import (
    ZSTD,
    Key,
    age,
    decoded_by_tools,
    encoded,
    order_from,
    read_back,
)
from tests.transfer.running import copy
from tests.transfer.trees import PLACE, Estate, described, make_tree, spoil


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return Key.generate(tmp_path_factory.mktemp("keys") / "key")


@pytest.fixture(params=["zstd", "age", "zstd and age"])
def encoding(request: pytest.FixtureRequest, key: Key) -> Encoding:
    kinds = {"zstd": ZSTD, "age": age(key), "zstd and age": age(key, compression="zstd")}
    return kinds[request.param]


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    """Large files have several chunks."""
    estate = Estate(tmp_path, chunk_bytes=700_000)
    make_tree(estate.entry)
    return estate


async def restored(estate: Estate, name: str, to: Path, *keys: Key) -> RestoreResult:
    reader = read_back(estate, name, *keys)
    try:
        return await restore_job(reader, to, cancel=CancelToken(), throttle=Throttle())
    finally:
        reader.close()


async def test_a_tree_with_everything_comes_back_as_it_was(estate, encoding, key, tmp_path):
    [result] = await copy(
        order_from(estate.order().open_source, encoded(estate.library("a"), encoding))
    )
    assert [outcome.error for outcome in result.outcomes] == [None]

    found = await restored(estate, "a", tmp_path / "back", key)

    assert (found.failed, found.refused) == ((), ())
    assert described(os.fsencode(tmp_path / "back")) == described(estate.landing)


async def test_the_files_are_what_the_standard_programs_open(estate, encoding, key, tmp_path):
    await copy(order_from(estate.order().open_source, encoded(estate.library("a"), encoding)))

    found = decoded_by_tools(tmp_path / "a", encoding, key.path)

    before = {path: of for path, of in described(estate.landing).items() if of[0] == "file"}
    assert {before[path][2] for path in before} == set(found.values())
    assert all(before[path][2] == content for path, content in found.items())


async def test_the_manifest_names_the_encoding_and_both_sides(estate, encoding, tmp_path):
    await copy(order_from(estate.order().open_source, encoded(estate.library("a"), encoding)))

    reader = estate.library("a").read_job(PLACE, 1)
    entries = list(reader.entries())
    assert reader.header.encoding == encoding
    adopted = {entry.path: entry for entry in estate.adopt()[0]}
    for entry in entries:
        before = original(entry)
        assert before.path in adopted
        if isinstance(entry, FileEntry | HardlinkEntry):
            assert entry.plain is not None
            assert entry.path != before.path
        if isinstance(entry, FileEntry):
            assert before.size == adopted[before.path].size
            assert all(len(chunk.digest) == 32 for chunk in (*entry.chunks, *before.chunks))
    reader.close()


async def test_it_is_verified_without_any_key(estate, encoding):
    await copy(order_from(estate.order().open_source, encoded(estate.library("a"), encoding)))
    reader = estate.library("a").read_job(PLACE, 1)

    assert await verify_job(reader, cancel=CancelToken(), throttle=Throttle()) == []

    reader.close()


async def test_one_read_feeds_plain_and_encoded_copies(estate, key):
    zstd_and_age = age(key, compression="zstd")
    order = estate.order("plain")
    order = replace(
        order,
        destinations=(
            *order.destinations,
            encoded(estate.library("z"), ZSTD, 8),
            encoded(estate.library("e"), zstd_and_age, 9),
        ),
    )

    [result] = await copy(order)

    assert [outcome.error for outcome in result.outcomes] == [None] * 3
    assert result.bytes_read == result.size_bytes
    assert {outcome.bytes_done for outcome in result.outcomes} == {result.size_bytes}
    assert {outcome.chunks_done for outcome in result.outcomes} == {result.chunks}
    assert estate.data("plain") == described(estate.landing)


async def test_a_copy_with_the_same_encoding_is_moved_byte_for_byte(estate, encoding, tmp_path):
    first, second = estate.library("a"), estate.library("b")
    await copy(order_from(estate.order().open_source, encoded(first, encoding)))

    [result] = await copy(
        order_from(lambda: first.read_job(PLACE, 1), encoded(second, encoding, encodes=False))
    )

    assert result.outcomes[0].error is None
    assert estate.data("a") == estate.data("b")
    assert first.manifest_digest(PLACE, 1) == second.manifest_digest(PLACE, 1)


@pytest.mark.parametrize("to", ["plain", "zstd", "other key"])
async def test_another_encoding_is_made_on_the_way(estate, encoding, key, to, tmp_path):
    other = Key.generate(tmp_path / "other")
    target = {"plain": PLAIN, "zstd": ZSTD, "other key": age(other, compression="zstd")}[to]
    first, second = estate.library("a"), estate.library("b")
    await copy(order_from(estate.order().open_source, encoded(first, encoding)))

    [result] = await copy(
        order_from(
            lambda: read_back(estate, "a", key),
            encoded(second, target, encodes=not target.is_plain),
        )
    )

    assert result.outcomes[0].error is None
    assert (await restored(estate, "b", tmp_path / "back", other)).failed == ()
    assert described(os.fsencode(tmp_path / "back")) == described(estate.landing)


async def test_without_a_key_nothing_is_given(estate, key, tmp_path):
    await copy(order_from(estate.order().open_source, encoded(estate.library("a"), age(key))))
    other = Key.generate(tmp_path / "other")

    with pytest.raises(SourceLocked, match="none of the identities opens it"):
        await restored(estate, "a", tmp_path / "back", other)
    with pytest.raises(SourceLocked, match="no identity is known"):
        await restored(estate, "a", tmp_path / "back")

    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize("path", ["large", "nested/-rf", "empty"])
@pytest.mark.parametrize("how", ["rewrite", "truncate", "append"])
async def test_a_damaged_file_is_found_and_not_restored(estate, encoding, key, tmp_path, path, how):
    await copy(order_from(estate.order().open_source, encoded(estate.library("a"), encoding)))
    stored = os.fsencode(tmp_path / "a/p/copy/1/data/dump") + b"/" + path.encode()
    spoil(stored + encoding.suffix, how)

    reader = estate.library("a").read_job(PLACE, 1)
    damaged = await verify_job(reader, cancel=CancelToken(), throttle=Throttle())
    reader.close()
    result = await restored(estate, "a", tmp_path / "back", key)

    name = b"dump/" + path.encode()
    assert {one.path for one in damaged} == {name + encoding.suffix}
    back = described(os.fsencode(tmp_path / "back"))
    assert name not in back or back[name][2] == described(estate.landing)[name][2]
    assert {failed.path for failed in result.failed} <= {name}
    is_read = path != "empty"  # nothing of an empty file is read for a restore
    if is_read and (path == "large" or how == "rewrite" or encoding.is_encrypted):
        assert name in {failed.path for failed in result.failed}


async def test_a_job_copy_that_is_damaged_is_never_the_source_of_another(
    estate, encoding, key, tmp_path
):
    await copy(order_from(estate.order().open_source, encoded(estate.library("a"), encoding)))
    spoil(os.fsencode(tmp_path / "a/p/copy/1/data/dump/large") + encoding.suffix, "rewrite")

    [result] = await copy(
        order_from(
            lambda: read_back(estate, "a", key), encoded(estate.library("b"), PLAIN, encodes=False)
        )
    )

    assert isinstance(result.outcomes[0].error, SourceCorrupt)
    assert result.outcomes[0].path == b"dump/large"
    assert not estate.is_published("b")


async def test_no_key_is_in_an_error(estate, key, tmp_path):
    assert isinstance(key.identities, Identities)
    bad = tmp_path / "bad"
    bad.write_text(key.secret[:-1] + ("P\n" if key.secret.endswith("Q") else "Q\n"))
    bad.chmod(0o600)
    await copy(order_from(estate.order().open_source, encoded(estate.library("a"), age(key))))

    with pytest.raises(AuxError) as caught:
        await restored(estate, "a", tmp_path / "back", Key(bad))

    assert key.secret[20:40] not in f"{caught.value.message} {caught.value.hint}"
