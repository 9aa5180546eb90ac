"""Landing directory to local libraries and on to the next: everything arrives as it was."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from engine.library.landing import LandingReader
from engine.model.errors import SourceChanged, SourceCorrupt
from engine.transfer.orders import OrderDestination, TransferOrder
from tests.transfer.fakes import HEADER
from tests.transfer.running import copy
from tests.transfer.trees import ENTRY, PLACE, Estate, described, differences, make_tree, spoil


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    estate = Estate(tmp_path)
    make_tree(estate.entry)
    return estate


async def test_a_tree_with_everything_in_it_arrives_on_two_libraries(estate):
    before = described(estate.landing)

    [result] = await copy(estate.order("a", "b"))

    assert [outcome.error for outcome in result.outcomes] == [None, None]
    assert estate.data("a") == estate.data("b") == before
    assert described(estate.landing) == before
    digests = {outcome.manifest_digest for outcome in result.outcomes}
    assert digests == {estate.library("a").manifest_digest(PLACE, 1)}


async def test_an_independent_program_finds_no_difference(estate, tmp_path):
    await copy(estate.order("a"))

    data = os.fsencode(tmp_path / "a" / "p" / "copy" / "1" / "data")

    assert differences(estate.landing, data) == (0, b"")


async def test_holes_stay_holes(estate, tmp_path):
    await copy(estate.order("a"))

    found = os.stat(tmp_path / "a" / "p" / "copy" / "1" / "data" / "dump" / "sparse")
    assert found.st_size == 9 * 1024 * 1024
    assert found.st_blocks * 512 < 1024 * 1024


async def test_a_copy_is_the_source_of_the_next_copy(estate):
    await copy(estate.order("a"))
    first, second = estate.library("a"), estate.library("b")

    [result] = await copy(
        TransferOrder(
            backup_job_id=1,
            header=HEADER,
            size_bytes=0,
            open_source=lambda: first.read_job(PLACE, 1),
            destinations=(
                OrderDestination(
                    copy_id=3,
                    copy_name="b",
                    library="b",
                    open_writer=lambda: second.write_job(PLACE, HEADER, source_key="k"),
                ),
            ),
        )
    )

    assert result.outcomes[0].error is None
    assert estate.data("b") == estate.data("a") == described(estate.landing)


@pytest.mark.parametrize("path", ["large", "nested/-rf"])
async def test_a_damaged_copy_is_never_the_source_of_another(estate, tmp_path, path):
    await copy(estate.order("a"))
    spoil(os.fsencode(tmp_path / "a" / "p" / "copy" / "1" / "data" / "dump" / path), "rewrite")
    library = estate.library("a")
    order = replace(estate.order("b"), open_source=lambda: library.read_job(PLACE, 1))

    [result] = await copy(order)

    assert isinstance(result.outcomes[0].error, SourceCorrupt)
    assert result.outcomes[0].path == b"dump/" + path.encode()
    assert not estate.is_published("b")


@pytest.mark.parametrize("path", [b"large", b"nested/-rf"])
@pytest.mark.parametrize("how", ["append", "truncate", "rewrite", "replace", "attributes"])
async def test_what_differs_from_what_was_adopted_is_not_copied(estate, path, how):
    entries, _ = estate.adopt()
    spoil(estate.entry + b"/" + path, how)

    [result] = await copy(estate.order("a", entries=entries))

    assert isinstance(result.outcomes[0].error, SourceChanged)
    assert result.outcomes[0].path == ENTRY + b"/" + path
    assert not estate.is_published("a")


async def test_a_file_that_is_written_while_it_is_read_is_not_published(estate):
    class Rewriting(LandingReader):
        def open_file(self, entry):
            handle = super().open_file(entry)
            if entry.path == ENTRY + b"/large":
                spoil(estate.entry + b"/large", "rewrite")
            return handle

    entries, _ = estate.adopt()
    order = replace(
        estate.order("a"),
        open_source=lambda: Rewriting(estate.landing, HEADER, entries, has_digests=False),
    )

    [result] = await copy(order)

    assert isinstance(result.outcomes[0].error, SourceChanged)
    assert not estate.is_published("a")


async def test_the_digests_that_are_remembered_prove_the_landing_files_later(estate):
    kept = []
    order = replace(estate.order("a"), remember=lambda _, entries: kept.extend(entries))
    await copy(order)
    spoil(estate.entry + b"/nested/deep/f200", "rewrite")

    [result] = await copy(
        replace(
            estate.order("b"),
            open_source=lambda: LandingReader(estate.landing, HEADER, kept, has_digests=True),
        )
    )

    assert isinstance(result.outcomes[0].error, SourceCorrupt)
    assert not estate.is_published("b")
