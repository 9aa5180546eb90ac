"""The publication during the last syncs: it takes what is committed, and nothing is published too early."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from engine.library.local_writer import LocalJobWriter
from engine.model.entries import (
    Entry,
    FileEntry,
    HardlinkEntry,
    ManifestHeader,
    SymlinkEntry,
)
from engine.model.errors import Cancelled, DestinationFull, SourceRead
from engine.model.names import rel_path
from engine.transfer import run, work
from engine.transfer.orders import OutcomeState
from engine.transfer.settled import Settled
from tests.transfer.fakes import META, FakeSource, FollowedWriter, Store, destination, order
from tests.transfer.running import Session, copy
from tests.transfer.trees import PLACE, Estate, described, make_tree

FILES = 40
LONG_S = 3  # for what comes at once, on a busy host


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    return Estate(tmp_path)


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few files in many batches are what thousands are: at most 16 batches share a record."""
    monkeypatch.setattr(run, "FOLLOWED_FROM", 3)
    monkeypatch.setattr(work, "BATCH_FILES", 2)


def source_of(files: int, **more: object) -> FakeSource:
    return FakeSource({b"f%03d" % n: b"x" * n for n in range(files)}, **more)


async def test_files_are_taken_while_others_are_synced():
    """Also large ones, and empty ones, which have no chunk."""
    store, written, taken = Store(), threading.Event(), threading.Event()
    source = source_of(12)
    source.contents[b"f010-large"] = bytes(2 * 1024 * 1024 + 1)

    def last_batch(paths: object) -> None:
        if store.batches == 5:
            written.set()

    def wait(_: object) -> None:
        """The first record is for less than all, the second one is late."""
        assert (taken if store.records else written).wait(LONG_S)

    def take(entry: Entry) -> None:
        assert store.published is None
        taken.set()

    writer = FollowedWriter(store, on_batch=last_batch, on_record=wait, on_taken=take)

    [result] = await copy(order(source, destination(writer)), streams=1)

    assert result.outcomes[0].state == "published"
    assert result.outcomes[0].manifest_digest
    assert store.content() == source.contents
    assert store.records > 1
    assert writer.closed


async def test_links_are_taken_when_every_file_is_committed():
    store = Store()
    link = SymlinkEntry(path=rel_path(b"f001-link"), target=b"x", meta=META)
    hard = HardlinkEntry(path=rel_path(b"f001-more"), to=rel_path(b"f001"))
    source = source_of(FILES, extra=(link, hard))
    journaled: list[int] = []

    def take(entry: Entry) -> None:
        if not isinstance(entry, FileEntry):
            journaled.append(len(store.journal))

    await copy(order(source, destination(FollowedWriter(store, on_taken=take))))

    assert journaled == [FILES - 1] * 2
    assert store.published is not None
    assert len(store.published) == FILES + 2


async def test_a_source_that_fails_late_is_not_published():
    store = Store()
    source = source_of(FILES)

    def fail(path: bytes, *_: int) -> None:
        if path == b"f039":
            raise SourceRead("the disk is gone")

    source.on_read = fail
    writer = FollowedWriter(store)

    [result] = await copy(order(source, destination(writer)))

    assert result.outcomes[0].state is OutcomeState.FAILED
    assert isinstance(result.outcomes[0].error, SourceRead)
    assert result.outcomes[0].path == b"f039"
    assert store.published is None
    assert writer.closed


async def test_what_is_stopped_meanwhile_is_not_published_and_keeps_its_journal():
    store, taken = Store(), threading.Event()

    def take(_: Entry) -> None:
        if not taken.is_set():
            taken.set()
            session.cancel.cancel("suspended by op")

    writer = FollowedWriter(store, on_taken=take)
    session = Session([order(source_of(FILES), destination(writer))])

    [result] = await session.to_end()

    [outcome] = result.outcomes
    assert outcome.state is OutcomeState.CANCELLED
    assert outcome.error is not None
    assert outcome.error.message == "suspended by op"
    assert outcome.chunks_done == len(store.journal) > 0
    assert taken.is_set()
    assert store.published is None
    assert writer.closed


async def test_what_winds_down_meanwhile_is_not_published():
    store = Store()
    source = source_of(FILES)
    session = Session([order(source, destination(FollowedWriter(store)))], streams=1)
    source.on_read = lambda *_: session.run.drain("the service stops")

    [result] = await session.to_end()

    assert result.outcomes[0].state is OutcomeState.CANCELLED
    assert store.published is None


async def test_a_destination_whose_publication_fails_drops_out_and_the_other_goes_on():
    stores = [Store(), Store()]

    def fail(entry: Entry) -> None:
        if entry.path == b"f005":
            raise DestinationFull("no room for the manifest")

    writers = [FollowedWriter(stores[0], on_taken=fail), FollowedWriter(stores[1])]

    [result] = await copy(
        order(source_of(FILES), *(destination(writer, n) for n, writer in enumerate(writers)))
    )

    assert [outcome.state for outcome in result.outcomes] == ["failed", "published"]
    assert isinstance(result.outcomes[0].error, DestinationFull)
    assert [store.published is None for store in stores] == [True, False]
    assert all(writer.closed for writer in writers)


async def test_a_destination_whose_last_record_fails_ends_its_publication():
    store, written, taken = Store(), threading.Event(), threading.Event()

    def last_batch(_: object) -> None:
        if store.batches == 5:
            written.set()

    def fail(_: object) -> None:
        assert (taken if store.records else written).wait(LONG_S)
        if store.records:
            raise DestinationFull("no room for the journal")

    writer = FollowedWriter(
        store, on_batch=last_batch, on_record=fail, on_taken=lambda _: taken.set()
    )

    [result] = await copy(order(source_of(12), destination(writer)), streams=1)

    assert result.outcomes[0].state is OutcomeState.FAILED
    assert isinstance(result.outcomes[0].error, DestinationFull)
    assert store.published is None
    assert writer.closed


async def test_a_destination_that_fails_ends_the_wait_of_its_publication_at_once():
    """Not only at the end of the order, which another destination may hold up for hours."""
    stores = [Store(), Store()]
    begun, ended = threading.Event(), threading.Event()

    class Waiting(FollowedWriter):
        def publish_behind(self, header: ManifestHeader, entries: Iterable[Entry]) -> bytes:
            begun.set()
            try:
                return super().publish_behind(header, entries)
            finally:
                ended.set()

    def fail(_: object) -> None:
        assert begun.wait(LONG_S)
        raise DestinationFull("no room for the journal")

    def wait(_: object) -> None:
        assert ended.wait(LONG_S), "the publication waits on for a destination that has failed"

    writers = [Waiting(stores[0], on_record=fail), FollowedWriter(stores[1], on_record=wait)]

    [result] = await copy(
        order(source_of(4), *(destination(writer, n) for n, writer in enumerate(writers)))
    )

    assert [outcome.state for outcome in result.outcomes] == ["failed", "published"]
    assert isinstance(result.outcomes[0].error, DestinationFull)
    assert [store.published is None for store in stores] == [True, False]


@pytest.mark.parametrize("fails", [True, False])
async def test_the_last_step_comes_when_the_digests_are_remembered(fails: bool):
    store = Store()
    kept: list[int] = []

    def remember(_: object, entries: object) -> None:
        assert store.published is None
        assert len(store.journal) == FILES - 1
        kept.append(len(entries))  # type: ignore[arg-type]
        if fails:
            raise DestinationFull("no space for the manifest")

    writer = FollowedWriter(store)

    [result] = await copy(order(source_of(FILES), destination(writer), remember=remember))

    assert kept == [FILES]
    assert result.outcomes[0].state == ("failed" if fails else "published")
    assert (store.published is None) == fails
    assert writer.closed


async def test_what_an_earlier_try_has_is_not_followed():
    """What it has may be read again and found different."""
    store, source = Store(), source_of(FILES)
    first = Session([order(source, destination(store.writer()))])
    source.on_read = lambda path, *_: path == b"f030" and first.cancel.cancel("stopped")
    await first.to_end()
    assert store.journal
    taken: list[Entry] = []

    [result] = await copy(
        order(source_of(FILES), destination(FollowedWriter(store, on_taken=taken.append)))
    )

    assert result.outcomes[0].state == "published"
    assert taken == []


async def test_a_bug_of_the_publication_is_raised():
    def bug(_: object) -> None:
        raise ZeroDivisionError

    writer = FollowedWriter(Store(), on_taken=bug)
    session = Session([order(source_of(FILES), destination(writer))])

    with pytest.raises(ZeroDivisionError):
        await session.to_end()

    assert writer.closed
    assert len(session.results) == 1


async def test_a_tree_arrives_with_its_publication_begun_early(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
):
    def publish(*_: object) -> bytes:
        raise AssertionError("it was not followed")

    monkeypatch.setattr(LocalJobWriter, "publish", publish)
    monkeypatch.setattr(work, "BATCH_FILES", 256)
    make_tree(estate.entry)

    [result] = await copy(estate.order("a", "b"))

    assert [outcome.error for outcome in result.outcomes] == [None, None]
    assert estate.data("a") == estate.data("b") == described(estate.landing)
    digests = {outcome.manifest_digest for outcome in result.outcomes}
    assert digests == {estate.library("a").manifest_digest(PLACE, 1)}


def test_settled_files_count_from_the_first_on():
    settled = Settled()
    settled.add([2, 0])
    assert settled.wait_for(0) == 1
    settled.add([1])
    assert settled.wait_for(1) == 3

    settled.complete()
    assert settled.wait_for(5) == 6  # one that was forgotten is refused, and waited for by nobody
    settled.wait_for_all()
    settled.stop()
    with pytest.raises(Cancelled):
        settled.wait_for(0)
    with pytest.raises(Cancelled):
        settled.wait_for_all()
