"""Encoded copies on every library: written, gone on with after a stop, moved on, verified, restored."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pyrage
import pytest

from engine.library.age import Identities
from engine.library.interface import Library
from engine.model.encoding import Encoding, encoding_of
from engine.model.entries import encoded_header
from engine.model.errors import AuxError, DestinationWrite
from engine.transfer.cancel import CancelToken
from engine.transfer.decoding import readable
from engine.transfer.orders import OrderDestination, TransferOrder
from engine.transfer.restoring import restore_job
from engine.transfer.throttle import Throttle
from engine.transfer.verifying import verify_job
from tests.library.samples import PLACE, header
from tests.transfer.fakes import FakeSource
from tests.transfer.running import copy
from tests.transfer.test_copying import some_bytes

KEY = pyrage.x25519.Identity.generate()
KEYS = Identities(keys=(KEY,), recipients=frozenset({str(KEY.to_public())}))
STEP = 600_000
CONTENTS = {b"large": some_bytes(5 * STEP + 9), b"odd \xff\n": b"s" * 5000, b"empty": b""}


def encoding(name: str) -> Encoding:
    recipients = () if name == "zstd" else (str(KEY.to_public()),)
    return encoding_of("zstd", recipients)


def order_to(
    library: Library, source: FakeSource, how: Encoding, **changes: object
) -> TransferOrder:
    of = encoded_header(header(), how)
    return TransferOrder(
        backup_job_id=7,
        header=header(),
        size_bytes=0,
        open_source=lambda: source,
        destinations=(
            OrderDestination(
                copy_id=1,
                copy_name="offsite",
                library=library.name,
                open_writer=lambda: library.write_job(PLACE, of, source_key="key"),
                encoding=how,
                encodes=True,
            ),
        ),
        **changes,  # type: ignore[arg-type]
    )


def unfinished(*_: object) -> None:
    """Nothing is published: as if it was killed just before."""
    raise DestinationWrite("killed")


@pytest.mark.parametrize("name", ["zstd", "zstd and age"])
async def test_it_is_written_and_comes_back(library: Library, tmp_path: Path, name: str):
    source = FakeSource(CONTENTS, chunk_bytes=STEP)

    [result] = await copy(order_to(library, source, encoding(name)))

    assert result.outcomes[0].error is None
    reader = library.read_job(PLACE, 7)
    assert reader.header.encoding == encoding(name)
    assert await verify_job(reader, cancel=CancelToken(), throttle=Throttle()) == []
    back = readable(reader, KEYS)
    found = await restore_job(back, tmp_path / "back", cancel=CancelToken(), throttle=Throttle())
    back.close()
    assert found.failed == ()
    for path, content in CONTENTS.items():
        assert (tmp_path / "back" / os.fsdecode(path)).read_bytes() == content


@pytest.mark.parametrize("name", ["zstd", "zstd and age"])
async def test_what_is_there_is_not_made_again(library: Library, name: str):
    first, again = (FakeSource(CONTENTS, chunk_bytes=STEP) for _ in range(2))
    [failed] = await copy(order_to(library, first, encoding(name), remember=unfinished))
    assert isinstance(failed.outcomes[0].error, AuxError)

    [result] = await copy(order_to(library, again, encoding(name)))

    assert result.outcomes[0].error is None
    assert again.reads == []
    assert library.published(PLACE) == [7]


async def test_a_compressed_file_is_gone_on_with_after_a_stop(library: Library):
    cut = FakeSource(CONTENTS, chunk_bytes=STEP)

    def fail(path: bytes, offset: int, _length: int) -> None:
        if offset >= 4 * STEP:
            raise DestinationWrite("the line was cut")

    cut.on_read = fail
    again = replace(cut, on_read=lambda *_: None, reads=[])
    [failed] = await copy(order_to(library, cut, encoding("zstd")))
    assert failed.outcomes[0].error is not None

    [result] = await copy(order_to(library, again, encoding("zstd")))

    assert result.outcomes[0].error is None
    offsets = {offset for path, offset, _ in again.reads if path == b"large"}
    assert offsets
    assert min(offsets) >= 2 * STEP
    reader = library.read_job(PLACE, 7)
    assert await verify_job(reader, cancel=CancelToken(), throttle=Throttle()) == []
    reader.close()
