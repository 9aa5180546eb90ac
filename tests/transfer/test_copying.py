"""A run over fakes: what is read once, written to every destination, and published."""

from __future__ import annotations

import random

import pytest

from engine.model.entries import FileEntry
from engine.model.errors import (
    DestinationFull,
    DestinationWrite,
    LibraryOffline,
    ManifestError,
    SourceChanged,
    SourceCorrupt,
    SourceRead,
)
from engine.transfer.orders import TransferOrder
from tests.transfer.fakes import FakeSource, Store, destination, directory, nothing, order
from tests.transfer.running import Session, copy

MIB = 1024 * 1024


def some_bytes(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def mixed() -> dict[bytes, bytes]:
    """Large, small, tiny and empty files, in directories, with names from strangers."""
    contents = {
        b"big": some_bytes(5 * MIB + 123, 1),
        b"dir/exact": some_bytes(2 * MIB, 2),
        b"dir/empty": b"",
        b"bad \xff\n[red]\x1b[2J": some_bytes(100, 3),
    }
    for number in range(600):
        contents[b"many/%d" % number] = some_bytes(number, number)
    return contents


@pytest.mark.parametrize("with_digests", [True, False])
@pytest.mark.parametrize("streams", [1, 4])
async def test_every_file_is_published_whole_on_every_destination(with_digests, streams):
    source = FakeSource(
        mixed(), with_digests=with_digests, chunk_bytes=MIB, extra=(directory(b"dir"),)
    )
    stores = [Store(), Store()]
    writers = [store.writer() for store in stores]

    [result] = await copy(
        order(source, *(destination(w, number) for number, w in enumerate(writers))),
        streams=streams,
    )

    for store, writer, outcome in zip(stores, writers, result.outcomes, strict=True):
        assert outcome.state == "published"
        assert outcome.error is None
        assert store.content() == source.contents
        assert outcome.chunks == outcome.chunks_done == result.chunks
        assert outcome.bytes_done == result.size_bytes
        assert writer.closed
        assert writer.open_handles == 0
    total = sum(map(len, source.contents.values()))
    assert source.bytes_read == result.bytes_read == result.size_bytes == total
    assert (result.entries, result.files) == (len(source.contents) + 1, len(source.contents))
    assert source.open_handles == 0
    assert source.closed


async def test_small_files_share_a_write_and_a_journal_record():
    source = FakeSource({b"%d" % n: b"x" * n for n in range(1, 513)})
    store = Store()

    await copy(order(source, destination(store.writer())))

    assert store.batches == 2
    assert store.records <= 2


async def test_results_come_for_every_order_and_orders_are_read_in_sequence():
    sources = [FakeSource({b"f": some_bytes(3 * MIB, n)}, chunk_bytes=MIB) for n in range(20)]
    stores = [Store() for _ in sources]
    firsts: list[int] = []
    for number, source in enumerate(sources):
        source.on_open = lambda _, n=number: firsts.append(n)

    results = await copy(
        *(
            order(source, destination(store.writer()), job_id=n)
            for n, (source, store) in enumerate(zip(sources, stores, strict=True))
        ),
        streams=1,
    )

    assert sorted(result.order.backup_job_id for result in results) == list(range(20))
    assert firsts == sorted(firsts)
    assert [store.content() for store in stores] == [source.contents for source in sources]


async def test_an_order_without_files_is_published():
    store = Store()

    [result] = await copy(
        order(FakeSource({}, extra=(directory(b"d"),)), destination(store.writer()))
    )

    assert result.outcomes[0].state == "published"
    assert store.published == [directory(b"d")]


async def test_a_run_without_orders_ends():
    assert await copy() == []


@pytest.mark.parametrize(
    "hook", ["on_write", "on_sync", "on_batch", "on_record", "on_publish", "on_open"]
)
async def test_a_failing_destination_drops_out_and_the_other_goes_on(hook):
    source = FakeSource(mixed(), chunk_bytes=MIB)
    bad, good = Store(), Store()
    calls = 0

    def fail(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls > (hook != "on_publish"):
            raise DestinationFull("no space left")

    bad_writer = bad.writer(**{hook: fail})

    [result] = await copy(order(source, destination(bad_writer, 1), destination(good.writer(), 2)))

    first, second = result.outcomes
    assert first.state == "failed"
    assert isinstance(first.error, DestinationFull)
    assert bad.published is None
    assert bad_writer.closed
    assert bad_writer.open_handles == 0
    assert second.state == "published"
    assert good.content() == source.contents


async def test_nothing_more_is_read_when_every_destination_has_failed():
    source = FakeSource({b"big": some_bytes(20 * MIB)}, chunk_bytes=MIB)

    def fail(*_: object) -> None:
        raise DestinationWrite("broken")

    [result] = await copy(order(source, destination(Store().writer(on_write=fail))), streams=1)

    assert result.outcomes[0].path == b"big"
    assert source.bytes_read < 10 * MIB


async def test_a_destination_that_cannot_be_opened_is_refused_and_the_other_goes_on():
    source = FakeSource({b"f": b"content"})
    good = Store()

    def offline():
        raise LibraryOffline("not mounted")

    [result] = await copy(order(source, destination(offline, 1), destination(good.writer(), 2)))

    assert [outcome.state for outcome in result.outcomes] == ["failed", "published"]
    assert isinstance(result.outcomes[0].error, LibraryOffline)


async def test_an_order_without_any_destination_left_reads_nothing():
    source = FakeSource({b"f": b"content"})

    def offline():
        raise LibraryOffline("not mounted")

    [result] = await copy(order(source, destination(offline)))

    assert result.outcomes[0].state == "failed"
    assert source.reads == []
    assert source.closed


async def test_a_source_that_cannot_be_opened_fails_only_its_own_order():
    store = Store()

    def gone():
        raise SourceRead("gone")

    bad = order(FakeSource({}), destination(Store().writer()))
    bad = type(bad)(
        backup_job_id=9,
        header=bad.header,
        size_bytes=0,
        open_source=gone,
        destinations=bad.destinations,
    )

    results = await copy(bad, order(FakeSource({b"f": b"1"}), destination(store.writer())))

    states = {result.order.backup_job_id: result.outcomes[0].state for result in results}
    assert states == {9: "failed", 1: "published"}


@pytest.mark.parametrize("path", [b"big", b"many/300"])
async def test_an_unreadable_file_ends_only_its_order_and_is_named(path):
    bad_source = FakeSource(mixed(), chunk_bytes=MIB)

    def broken(read: bytes, *_: object) -> None:
        if read == path:
            raise SourceRead("input/output error")

    bad_source.on_read = broken
    bad, good = Store(), Store()

    results = await copy(
        order(bad_source, destination(bad.writer()), job_id=1),
        order(FakeSource(mixed(), chunk_bytes=MIB), destination(good.writer()), job_id=2),
    )

    outcome = {result.order.backup_job_id: result.outcomes[0] for result in results}
    assert outcome[1].state == "failed"
    assert isinstance(outcome[1].error, SourceRead)
    assert outcome[1].path == path
    assert bad.published is None
    assert bad_source.open_handles == 0
    assert outcome[2].state == "published"


@pytest.mark.parametrize("path", [b"big", b"many/300"])
async def test_a_source_that_changes_while_it_is_read_is_not_published(path):
    source = FakeSource(mixed(), chunk_bytes=MIB)
    source.on_read = lambda read, *_: source.changed.add(path) if read == path else None
    store = Store()

    [result] = await copy(order(source, destination(store.writer())))

    assert isinstance(result.outcomes[0].error, SourceChanged)
    assert result.outcomes[0].path == path
    assert store.published is None


@pytest.mark.parametrize("path", [b"big", b"many/300"])
async def test_a_source_that_is_shorter_than_it_was_is_a_change_and_not_an_end(path):
    source = FakeSource(mixed(), chunk_bytes=MIB)
    source.shown_contents[path] = source.contents[path][:-1]
    store = Store()

    [result] = await copy(order(source, destination(store.writer())))

    assert isinstance(result.outcomes[0].error, SourceChanged)
    assert store.published is None


@pytest.mark.parametrize("path", [b"big", b"many/300"])
async def test_what_does_not_have_its_digest_is_corrupt_and_not_published(path):
    source = FakeSource(mixed(), with_digests=True, chunk_bytes=MIB)
    wrong = bytearray(source.contents[path])
    wrong[-1] ^= 1
    source.shown_contents[path] = bytes(wrong)
    store = Store()

    [result] = await copy(order(source, destination(store.writer())))

    assert isinstance(result.outcomes[0].error, SourceCorrupt)
    assert result.outcomes[0].path == path
    assert store.published is None


async def test_a_damaged_source_manifest_fails_the_order():
    class Damaged(FakeSource):
        def entries(self):
            yield from list(super().entries())[:3]
            raise ManifestError("line 4 is damaged")

    store = Store()

    [result] = await copy(order(Damaged(mixed()), destination(store.writer())))

    assert isinstance(result.outcomes[0].error, ManifestError)
    assert store.published is None


async def test_digests_are_remembered_before_anything_is_published():
    source = FakeSource(mixed(), chunk_bytes=MIB)
    store = Store()
    kept = []

    def remember(header, entries):
        assert store.published is None
        kept.append((header.backup_job_id, len(entries), list(entries)))

    await copy(order(source, destination(store.writer()), job_id=7, remember=remember))

    [(job_id, count, entries)] = kept
    assert (job_id, count) == (7, len(source.contents))
    assert entries == store.published
    assert all(len(c.digest) == 32 for e in entries if isinstance(e, FileEntry) for c in e.chunks)


async def test_nothing_is_published_when_the_digests_cannot_be_remembered():
    store = Store()

    def remember(*_: object) -> None:
        raise DestinationFull("no space for the manifest")

    [result] = await copy(
        order(FakeSource({b"f": b"1"}), destination(store.writer()), remember=remember)
    )

    assert result.outcomes[0].state == "failed"
    assert store.published is None


@pytest.mark.parametrize("side", ["on_read", "on_write", "on_record", "on_publish", "on_batch"])
async def test_a_bug_stops_the_run_in_order_and_is_raised(side):
    def bug(*_: object) -> None:
        raise ZeroDivisionError

    source = FakeSource(mixed(), chunk_bytes=MIB, on_read=bug if side == "on_read" else nothing)
    writer = Store().writer(**{} if side == "on_read" else {side: bug})
    session = Session([order(source, destination(writer)), *many_orders(20)])

    with pytest.raises(ZeroDivisionError):
        await session.to_end()

    assert len(session.results) == session.pulled
    assert source.closed
    assert writer.closed


async def test_an_error_of_the_caller_stops_the_run_in_order_and_is_raised():
    session = Session(many_orders(20))

    async def refuse(_: object) -> None:
        raise LibraryOffline("the catalog is gone")

    session.run._on_result = refuse

    with pytest.raises(LibraryOffline):
        await session.to_end()


async def test_an_order_that_cannot_be_got_stops_the_run_in_order_and_is_raised():
    orders = many_orders(3)
    session = Session([])

    async def next_order():
        if not orders:
            raise LibraryOffline("the catalog is gone")
        return orders.pop()

    with pytest.raises(LibraryOffline):
        await session.run.run(next_order)

    assert len(session.results) == 3


def many_orders(count: int) -> list[TransferOrder]:
    """Orders of a small file each."""
    return [
        order(FakeSource({b"f": b"1"}), destination(Store().writer()), job_id=number)
        for number in range(count)
    ]


async def test_files_that_are_committed_are_forgotten():
    contents = {b"%d" % number: b"x" * MIB for number in range(50)}
    source = FakeSource(contents, chunk_bytes=MIB)
    held: list[int] = []
    session = Session([order(source, destination(Store().writer()))], streams=1)
    source.on_read = lambda *_: held.extend(len(o.files) for o in session.run._open.copy())

    await session.to_end()

    assert max(held) < 30


async def test_orders_are_pulled_only_as_streams_run_dry():
    session: Session
    seen: list[int] = []

    def orders():
        for number in range(40):
            source = FakeSource({b"f": b"x" * 2 * MIB}, chunk_bytes=MIB)
            source.on_read = lambda *_: seen.append(session.pulled)
            yield order(source, destination(Store().writer()), job_id=number)

    session = Session(orders(), streams=1)

    await session.to_end()

    assert seen[0] <= 9
    assert session.pulled == 40
