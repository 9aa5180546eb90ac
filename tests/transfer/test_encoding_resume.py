"""What a restart finds of encoded files: frames are gone on with, encrypted files begin anew."""

from __future__ import annotations

from dataclasses import replace

import pytest
import zstandard
from blake3 import blake3

from engine.model.encoding import Encoding, encoding_of
from engine.model.entries import Chunk, FileEntry, PieceEnd, original
from engine.model.errors import DestinationFull, DestinationWrite
from engine.transfer import encoding as encoding_module
from engine.transfer.orders import OrderDestination
from engine.transfer.resume_point import FRESH, resume_point
from tests.transfer.fakes import FakeSource, Store, destination, order
from tests.transfer.running import Session, copy
from tests.transfer.test_copying import some_bytes

STEP = 400_000
ZSTD = encoding_of("zstd", ())
AGE = encoding_of("none", ("age1gagawleskhnpzg0u4ey4clt3p3psc6tajsr0pun4prfaxuyjngxsjnlkyj",))
BOTH = replace(AGE, compression="zstd")


def source_of(*, size: int = 5 * STEP + 77) -> FakeSource:
    """One file of six chunks that hardly shrinks."""
    return FakeSource({b"large": some_bytes(size)}, chunk_bytes=STEP)


def encoded(store: Store, encoding: Encoding, **hooks: object) -> OrderDestination:
    return replace(destination(lambda: store.writer(**hooks)), encoding=encoding, encodes=True)


def read_chunks(source: FakeSource) -> set[int]:
    """Which chunks of the source were read."""
    return {offset // STEP for _, offset, _ in source.reads}


def decoded(store: Store) -> dict[bytes, bytes]:
    """The published files of a compressed copy, decompressed and checked with their manifest."""
    assert store.published is not None
    found = {}
    for entry in store.published:
        if not isinstance(entry, FileEntry):
            continue
        stored = store.synced[entry.path]
        assert len(stored) == entry.size
        for chunk in entry.chunks:
            part = stored[chunk.offset : chunk.offset + chunk.length]
            assert blake3(part).digest() == chunk.digest
        reader = zstandard.ZstdDecompressor().stream_reader(stored, read_across_frames=True)
        content = reader.read()
        before = original(entry)
        assert isinstance(before, FileEntry)
        for chunk in before.chunks:
            part = content[chunk.offset : chunk.offset + chunk.length]
            assert blake3(part).digest() == chunk.digest
        found[before.path] = content
    return found


def full_after(count: int):
    """A write hook: the disk is full once so many bytes were written."""
    written = 0

    def on_write(path: bytes, offset: int, length: int) -> None:
        nonlocal written
        written += length
        if written > count:
            raise DestinationFull("no space left on device")

    return on_write


async def test_a_compressed_file_goes_on_behind_the_last_frame():
    store, first, second = Store(), source_of(), source_of()
    [failed] = await copy(order(first, encoded(store, ZSTD, on_write=full_after(4 * STEP))))
    assert isinstance(failed.outcomes[0].error, DestinationFull)
    done = failed.outcomes[0].chunks_done
    assert 1 <= done <= 4

    [result] = await copy(order(second, encoded(store, ZSTD)))

    assert result.outcomes[0].error is None
    assert read_chunks(second) == set(range(done, 6))
    assert result.outcomes[0].chunks_done == result.chunks == 6
    assert result.bytes_reused == done * STEP
    assert decoded(store) == first.contents


async def test_what_follows_the_last_frame_must_come_out_as_before(monkeypatch):
    """Frames of another version of zstd are not put into a chunk that is proven already."""
    text = bytes(byte % 32 for byte in some_bytes(12 * STEP))
    store, sources = Store(), [FakeSource({b"t": text}, chunk_bytes=STEP) for _ in range(3)]
    await copy(order(sources[0], encoded(store, ZSTD, on_write=full_after(5 * STEP))))
    [path] = store.ends
    assert store.ends[path][-1].at % STEP  # the last frame ends inside of a proven chunk
    monkeypatch.setattr(encoding_module, "LEVEL", 19)

    [refused] = await copy(order(sources[1], encoded(store, ZSTD)))
    [result] = await copy(order(sources[2], encoded(store, ZSTD)))

    assert isinstance(refused.outcomes[0].error, DestinationWrite)
    assert "cannot be gone on with" in refused.outcomes[0].error.message
    assert result.outcomes[0].error is None
    assert decoded(store) == {b"t": text}


@pytest.mark.parametrize("encoding", [AGE, BOTH])
async def test_an_encrypted_file_begins_anew(encoding):
    store, again = Store(), source_of()
    [failed] = await copy(
        order(source_of(), encoded(store, encoding, on_write=full_after(4 * STEP)))
    )
    assert failed.outcomes[0].chunks_done == 0

    [result] = await copy(order(again, encoded(store, encoding)))

    assert result.outcomes[0].error is None
    assert read_chunks(again) == set(range(6))


@pytest.mark.parametrize("encoding", [ZSTD, AGE, BOTH])
async def test_complete_files_are_not_read_again(encoding):
    contents = {b"large": some_bytes(3 * STEP), b"small": b"s" * 5000, b"empty": b""}
    store = Store()

    def fail() -> None:
        raise DestinationWrite("the library went away")

    first = FakeSource(contents, chunk_bytes=STEP)
    again = FakeSource(contents, chunk_bytes=STEP)
    await copy(order(first, encoded(store, encoding, on_publish=fail)))

    [result] = await copy(order(again, encoded(store, encoding)))

    assert result.outcomes[0].error is None
    assert again.reads == []
    assert result.bytes_reused == result.size_bytes
    assert len(store.published or ()) == 3


async def test_a_digest_that_differs_from_the_journal_is_made_anew_by_the_next_try():
    content = some_bytes(6 * STEP)[::-1]
    store = Store()
    other = FakeSource({b"large": content}, chunk_bytes=STEP, with_digests=True)
    await copy(order(source_of(size=6 * STEP), encoded(store, ZSTD, on_write=full_after(4 * STEP))))

    [refused] = await copy(order(other, encoded(store, ZSTD)))
    [result] = await copy(order(other, encoded(store, ZSTD)))

    assert isinstance(refused.outcomes[0].error, DestinationWrite)
    assert refused.outcomes[0].error.retryable
    assert result.outcomes[0].error is None
    assert decoded(store) == other.contents


async def test_a_full_copy_drops_out_alone():
    plain, packed = Store(), Store()
    target = destination(plain.writer, 3)

    [result] = await copy(
        order(source_of(), target, encoded(packed, BOTH, on_write=full_after(2 * STEP)))
    )

    assert result.outcomes[0].error is None
    assert isinstance(result.outcomes[1].error, DestinationFull)
    assert plain.content() == source_of().contents
    assert packed.published is None


async def test_a_run_that_is_cancelled_in_the_middle_goes_on():
    store = Store()
    session = Session([])
    source = source_of()

    def stop_after(path: bytes, offset: int, length: int) -> None:
        if offset > 3 * STEP:
            session.cancel.cancel("suspended")

    session._orders = iter([order(source, encoded(store, ZSTD, on_write=stop_after))])
    [stopped] = await session.to_end()
    assert stopped.outcomes[0].state == "cancelled"

    again = source_of()
    [result] = await copy(order(again, encoded(store, ZSTD)))

    assert result.outcomes[0].error is None
    assert 0 not in read_chunks(again)
    assert decoded(store) == again.contents


G = 100


def chunk(at: int, length: int = G) -> Chunk:
    return Chunk(at, length, b"d" * 32)


def end(at: int) -> PieceEnd:
    return PieceEnd(at, b"e" * 32)


@pytest.mark.parametrize(
    ("why", "chunks", "ends", "goes_on", "expected"),
    [
        ("nothing there", [], [], True, FRESH),
        ("complete", [chunk(0), chunk(100, 7)], [end(60), end(107)], False, "complete"),
        ("on behind a frame", [chunk(0)], [end(60)], True, 1),
        ("no frame is finished", [chunk(0)], [], True, 0),
        ("encrypted", [chunk(0)], [end(60)], False, None),
        ("the last end is missing", [chunk(0), chunk(100, 7)], [end(60)], True, None),
        ("a hole", [chunk(0), chunk(200)], [end(60)], True, None),
        ("not from the begin", [chunk(100)], [end(60)], True, None),
        ("an end behind what is proven", [chunk(0)], [end(60), end(130)], True, 1),
        ("too many ends", [chunk(0)], [end(20), end(40), end(60)], True, None),
        ("an odd chunk in the middle", [chunk(0, 50), chunk(50)], [end(60)], True, None),
    ],
)
def test_what_of_an_earlier_try_is_used(why, chunks, ends, goes_on, expected):
    found = resume_point(2, G, chunks, ends, goes_on=goes_on)

    if expected is None or expected is FRESH:
        assert found is expected
    elif expected == "complete":
        assert found is not None
        assert found.is_complete
    else:
        assert found is not None
        assert (len(found.ends), found.is_complete) == (expected, False)
