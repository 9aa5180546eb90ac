"""Whether a backup job has room on a copy: asked of the library, but not where blocks are shared."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from engine.library.interface import LibraryIdentity, Probe
from engine.model.errors import DestinationFull
from engine.operations.planning import Scope
from engine.operations.room import Room

GIB = 1024**3
IDENTITY = LibraryIdentity(uuid="u", name="vault", commcell_id="c", commcell="cell")


def room(*, reflink: bool, promised: dict[tuple[int, int], int] | None = None) -> Room:
    """Copies 1 and 2 on a library with 10 GiB free of 11; copy 1 may share blocks."""
    copies = {
        number: SimpleNamespace(
            id=number, name="snap", library_id=7, reflink=reflink and number == 1
        )
        for number in (1, 2)
    }
    scope = SimpleNamespace(
        copies=copies, library_id=lambda _: 7, policy=SimpleNamespace(name="databases")
    )
    library = SimpleNamespace(
        name="vault",
        probe=lambda: Probe(identity=IDENTITY, free_bytes=10 * GIB, total_bytes=11 * GIB),
        occupied_bytes=lambda *_: 0,
    )
    return Room(cast("Scope", scope), {7: library}, lambda: promised or {})  # type: ignore[dict-item]


@pytest.mark.parametrize("reflink", [True, False])
async def test_what_shares_its_blocks_needs_no_room(reflink: bool):
    refused = await room(reflink=reflink).refusal((1, 5), 20 * GIB)

    assert (refused is None) == reflink
    assert reflink or isinstance(refused, DestinationFull)


@pytest.mark.parametrize("reflink", [True, False])
async def test_nor_does_it_take_the_room_of_others(reflink: bool):
    promised = {(1, 5): 20 * GIB}

    refused = await room(reflink=reflink, promised=promised).refusal((2, 5), GIB)

    assert (refused is None) == reflink
