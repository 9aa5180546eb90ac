"""A run after a stopped one reads exactly what is not proven yet."""

from __future__ import annotations

import pytest

from engine.model.errors import DestinationWrite, SourceCorrupt
from tests.transfer.fakes import FakeSource, Store, chunks_of, destination, order
from tests.transfer.running import Session, copy
from tests.transfer.test_copying import MIB, mixed, some_bytes


def chunk_keys(source: FakeSource) -> set[tuple[bytes, int]]:
    """Every chunk of a source by path and offset."""
    return {
        (path, chunk.offset)
        for path, content in source.contents.items()
        for chunk in chunks_of(content, source.chunk_bytes)
    }


def read_keys(source: FakeSource) -> set[tuple[bytes, int]]:
    """The chunks that were read."""
    assert source.chunk_bytes is not None
    return {(path, at - at % source.chunk_bytes) for path, at, length in source.reads if length}


async def stop_half_way(store: Store, *, with_digests: bool) -> None:
    """Copies until the journal has some chunks and some files, then fails."""
    journaled = 0

    def fail(done: list[object]) -> None:
        nonlocal journaled
        journaled += len(done)
        if journaled > 260:
            raise DestinationWrite("pulled out")

    source = FakeSource(mixed(), with_digests=with_digests, chunk_bytes=MIB)
    [result] = await copy(order(source, destination(store.writer(on_record=fail))))
    assert result.outcomes[0].state == "failed"
    assert result.outcomes[0].chunks_done == len(store.journal)
    assert 0 < len(store.journal) < len(chunk_keys(source))


@pytest.mark.parametrize("with_digests", [True, False])
async def test_a_restart_reads_exactly_the_chunks_that_are_not_in_the_journal(with_digests):
    store = Store()
    await stop_half_way(store, with_digests=with_digests)
    proven = set(store.journal)
    source = FakeSource(mixed(), with_digests=with_digests, chunk_bytes=MIB)

    [result] = await copy(order(source, destination(store.writer())))

    assert read_keys(source) == chunk_keys(source) - proven
    assert source.bytes_read == sum(length for _, _, length in source.reads)
    assert result.bytes_read + result.bytes_reused == result.size_bytes
    assert result.outcomes[0].chunks_done == result.chunks
    assert store.content() == source.contents


async def test_a_restarted_file_shows_what_it_has_already():
    contents = {b"big": some_bytes(4 * MIB)}
    store = Store()

    def fail() -> None:
        raise DestinationWrite("pulled out")

    broken = destination(store.writer(on_publish=fail))
    await copy(order(FakeSource(contents, chunk_bytes=MIB), broken))
    for lost in list(store.journal)[3:]:
        del store.journal[lost]
    source = FakeSource(contents, chunk_bytes=MIB)
    session = Session([order(source, destination(store.writer()))], streams=1)
    seen: list[int] = []
    source.on_read = lambda *_: seen.extend(
        stream.file_bytes_done for stream in session.run.snapshot().streams
    )

    await session.to_end()

    assert seen[0] == 3 * MIB


async def test_a_second_restart_of_a_complete_copy_reads_nothing():
    store = Store()
    contents = {b"big": some_bytes(3 * MIB), b"small": b"abc"}

    def fail() -> None:
        raise DestinationWrite("pulled out")

    await copy(
        order(FakeSource(contents, chunk_bytes=MIB), destination(store.writer(on_publish=fail)))
    )
    source = FakeSource(contents, chunk_bytes=MIB)

    await copy(order(source, destination(store.writer())))

    assert source.reads == []
    assert store.content() == contents


async def test_a_chunk_that_only_one_destination_lacks_is_written_to_that_one_only():
    partial, fresh = Store(), Store()
    await stop_half_way(partial, with_digests=False)
    proven, before = set(partial.journal), partial.writes
    source = FakeSource(mixed(), chunk_bytes=MIB)
    written: list[tuple[bytes, int]] = []
    writer = partial.writer(
        on_write=lambda path, at, _: written.append((path, at - at % MIB)),
        on_batch=lambda paths: written.extend((path, 0) for path in paths),
    )

    [result] = await copy(order(source, destination(writer, 1), destination(fresh.writer(), 2)))

    assert read_keys(source) == chunk_keys(source)
    assert partial.writes >= before
    assert not proven & set(written)
    assert partial.content() == fresh.content() == source.contents
    assert [outcome.chunks_done for outcome in result.outcomes] == [result.chunks] * 2


async def test_a_chunk_that_reads_differently_than_a_journal_says_is_not_published():
    partial, fresh = Store(), Store()
    await stop_half_way(partial, with_digests=False)
    path = next(iter(partial.journal))[0]
    source = FakeSource(mixed(), chunk_bytes=MIB)
    wrong = bytearray(source.contents[path])
    wrong[0] ^= 1
    source.shown_contents[path] = bytes(wrong)

    [result] = await copy(
        order(source, destination(partial.writer(), 1), destination(fresh.writer(), 2))
    )

    assert [type(outcome.error) for outcome in result.outcomes] == [SourceCorrupt] * 2


async def test_a_journal_that_differs_from_the_source_manifest_is_not_believed():
    store = Store()
    old = FakeSource({b"f": some_bytes(3 * MIB, 1)}, with_digests=True, chunk_bytes=MIB)

    def fail() -> None:
        raise DestinationWrite("pulled out")

    await copy(order(old, destination(store.writer(on_publish=fail))))
    new = FakeSource({b"f": some_bytes(3 * MIB, 2)}, with_digests=True, chunk_bytes=MIB)

    await copy(order(new, destination(store.writer())))

    assert new.bytes_read == 3 * MIB
    assert store.content() == new.contents


async def test_journals_that_disagree_are_both_written_anew():
    stores = [Store(), Store()]

    def fail() -> None:
        raise DestinationWrite("pulled out")

    for seed, store in enumerate(stores):
        source = FakeSource({b"f": some_bytes(MIB, seed), b"s": b"%d" % seed}, chunk_bytes=MIB)
        await copy(order(source, destination(store.writer(on_publish=fail))))
    source = FakeSource({b"f": some_bytes(MIB, 1), b"s": b"1"}, chunk_bytes=MIB)

    await copy(order(source, *(destination(s.writer(), n) for n, s in enumerate(stores))))

    assert [store.content() for store in stores] == [source.contents] * 2
