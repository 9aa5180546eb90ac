"""Addresses, keys, parts and notes: no store is asked."""

import asyncio
import threading
from collections import deque
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from engine.library.interface import Place
from engine.library.objects import connection
from engine.library.objects.address import S3Address, parse_address
from engine.library.objects.capabilities import Capabilities, capabilities_from, find_out
from engine.library.objects.faults import Kind, StoreFault
from engine.library.objects.files import Ready, put_all
from engine.library.objects.keys import JobKeys, escaped, generation_of, job_base, manifest_name
from engine.library.objects.notes import read_notes
from engine.library.objects.parts import MAX_PARTS, goes_straight, parts_of
from engine.library.objects.sending import Sender, Sent
from engine.model.entries import Chunk, FileEntry, chunk_bytes_for
from engine.model.errors import Cancelled, DestinationWrite, UsageError
from engine.model.names import rel_path
from tests.library.samples import meta

MIB = 1024**2


def test_an_address_with_everything():
    url = (
        "s3://vault/hq/copies?endpoint=https://s3.example:9000&profile=backup"
        "&region=eu-1&credentials=/etc/auxtui/keys&path_style=false"
    )

    assert parse_address("b2", url) == S3Address(
        bucket="vault",
        prefix="hq/copies",
        endpoint="https://s3.example:9000",
        profile="backup",
        region="eu-1",
        credentials="/etc/auxtui/keys",
        path_style=False,
    )


def test_a_short_address():
    found = parse_address("b2", "s3://vault")

    assert (found.root, found.key("a", "b")) == ("s3://vault", "a/b")
    assert not found.path_style
    assert parse_address("b2", "s3://vault?endpoint=http://[::1]:9").endpoint == "http://[::1]:9"
    assert parse_address("b2", "s3://vault?endpoint=http://host").path_style


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("s3://AKIA:secret@vault/x", "a secret"),
        ("s3://vault/x?endpoint=http://me:secret@host", "a secret"),
        ("s3://va/x", "name of a bucket"),
        ("s3://vault/a//b", "prefix"),
        ("s3://vault/../b", "prefix"),
        ("s3://vault/a%0Ab", "prefix"),
        ("s3://vault/" + "x" * 301, "300 bytes"),
        ("s3://vault/x#y", "#"),
        ("s3://vault/x?endpiont=http://host", "endpiont"),
        ("s3://vault/x?region=a&region=b", "twice"),
        ("s3://vault/x?region=", "empty"),
        ("s3://vault/x?endpoint=ftp://host", "address of a server"),
        ("s3://vault/x?endpoint=http://host/path", "address of a server"),
        ("s3://vault/x?endpoint=http://host:port", "not a URL"),
        ("s3://vault/x?credentials=keys", "absolute path"),
        ("s3://vault/x?path_style=yes", "path_style"),
        ("s3://vault/x?region=a/b", "region"),
        ("s3://vault/x?profile=a%0Ab", "profile"),
        ("s3://vault/x?region", "not a URL"),
    ],
)
def test_what_is_no_address(url: str, says: str):
    with pytest.raises(UsageError) as caught:
        parse_address("b2", url)

    assert says in caught.value.message
    assert "secret@" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (b"job1/base.tar", "job1/base.tar"),
        ("Jürgen/öl.txt".encode(), "Jürgen/öl.txt"),
        (b"100%", "100%25"),
        (b"new\nline", "new%0Aline"),
        (b"\xff\xfe", "%FF%FE"),
        (b"a\\b", "a%5Cb"),
        ("bidi\u202e".encode(), "bidi%E2%80%AE"),
    ],
)
def test_names_in_keys(path: bytes, key: str):
    assert escaped(path) == key


@given(st.binary(min_size=1, max_size=40), st.binary(min_size=1, max_size=40))
def test_keys_tell_names_apart_and_give_them_back(one: bytes, other: bytes):
    first, second = escaped(one), escaped(other)

    assert (first == second) == (one == other)
    pieces = first.split("%")
    back = pieces[0].encode() + b"".join(
        bytes.fromhex(piece[:2]) + piece[2:].encode() for piece in pieces[1:]
    )
    assert back == one


def test_what_is_too_long_for_a_key_has_its_digest():
    keys = JobKeys("copies/p/c/7/")
    deep, wide = rel_path(b"/".join([b"d" * 200] * 6)), rel_path(b"\xff" * 100)

    assert keys.of(deep) == f"copies/p/c/7/data/%long/{blake3(deep).hexdigest()}"
    assert keys.of(wide) == f"copies/p/c/7/data/%long/{blake3(wide).hexdigest()}"
    assert keys.of(rel_path(b"d" * 255)).endswith("d" * 255)


def test_generations_lie_beside_each_other():
    base = job_base(S3Address(bucket="b", prefix="x"), Place("p", "c"), 7)

    assert JobKeys(base).manifest == "x/p/c/7/manifest.jsonl.zst"
    assert JobKeys(base, 3).manifest == "x/p/c/7/manifest.3.jsonl.zst"
    assert JobKeys(base, 3).of(rel_path(b"a")) == "x/p/c/7/data.3/a"
    assert [generation_of(manifest_name(number)) for number in (1, 2, 30)] == [1, 2, 30]
    for other in ("manifest.1.jsonl.zst", "manifest.02.jsonl.zst", "manifest", "manifest.2.jsonl"):
        assert generation_of(other) is None


def file_of(size: int, *chunks: Chunk) -> FileEntry:
    return FileEntry(path=rel_path(b"f"), size=size, meta=meta(), chunks=chunks)


@pytest.mark.parametrize("size", [16 * MIB + 1, 64 << 30, (64 << 30) + 1, 300 << 30, 2 << 40])
def test_parts_divide_chunks_and_are_few_enough(size: int):
    parts = parts_of(file_of(size))

    assert parts.count <= MAX_PARTS
    assert parts.part_bytes >= 8 * MIB
    assert chunk_bytes_for(size) % parts.part_bytes == 0
    assert sum(parts.length(number) for number in (1, parts.count)) <= 2 * parts.part_bytes
    assert parts.start(parts.count) + parts.length(parts.count) == size


def test_small_files_are_one_object():
    assert parts_of(file_of(0)).is_whole
    assert parts_of(file_of(16 * MIB)).is_whole
    assert not parts_of(file_of(16 * MIB + 1)).is_whole


def test_a_file_that_no_object_can_hold():
    with pytest.raises(DestinationWrite, match="the most that an object can have"):
        parts_of(file_of(3 << 40))


def test_chunks_that_are_no_whole_parts_are_staged():
    odd = file_of(300_000, Chunk(0, 200_000, b""), Chunk(200_000, 100_000, b""))
    even = file_of(40 * MIB, Chunk(0, 32 * MIB, b""), Chunk(32 * MIB, 8 * MIB, b""))

    assert not goes_straight(odd, parts_of(odd))
    assert goes_straight(even, parts_of(even))
    assert list(parts_of(even).within(even.chunks[0])) == [1, 2, 3, 4]
    assert list(parts_of(even).within(even.chunks[1])) == [5]


def test_notes_of_another_upload_count_no_more():
    first = {"path": "f", "size": 20, "part_bytes": 8, "upload": "u1", "sent": [[1, "e1", ""]]}
    later = {"path": "f", "size": 20, "part_bytes": 8, "upload": "u2", "sent": [[3, "e3", "s"]]}

    found = read_notes([{"generation": 2}, first, later]).files[rel_path(b"f")]

    assert (found.upload, found.sent) == ("u2", {3: Sent("e3", "s", 4)})


@pytest.mark.parametrize(
    "note",
    [
        {},
        {"path": "f"},
        {"path": "../f", "size": 1, "part_bytes": 1},
        {"path": "f", "size": 1, "part_bytes": 1, "sent": [[9, "e", "s"], ["1", "e", "s"], 7]},
    ],
)
def test_damaged_notes_prove_nothing(note: dict[str, object]):
    assert not any(file.sent for file in read_notes([note]).files.values())


class TagsAnew:
    """A store that tells another entity tag of what it put together than the end of the upload did."""

    address = parse_address("vault", "s3://bucket/copies?endpoint=http://127.0.0.1:1")

    async def call(self, operation: str, **asked: Any) -> dict[str, Any]:
        if operation == "get_object_lock_configuration":
            raise StoreFault(Kind.MISSING)
        tag = {"complete_multipart_upload": '"parts-1"', "head_object": '"whole"'}
        return {"ETag": tag.get(operation, '"put"'), "UploadId": "u", "ContentLength": 40}


def test_the_tag_that_counts_is_the_one_that_stays():
    store: Any = TagsAnew()

    caps = asyncio.run(find_out(store))
    sender = Sender(store, caps)
    tag = asyncio.run(sender.complete("key", "u", {1: Sent("put", "", 40)}, only_new=False))

    assert caps.tags_anew
    assert tag == "whole"


@pytest.mark.parametrize("refuses", ["list_parts", "create_multipart_upload"])
def test_a_store_that_knows_nothing_of_parts_says_so(refuses: str):
    class Old(TagsAnew):
        async def call(self, operation: str, **asked: Any) -> dict[str, Any]:
            if operation == refuses:
                raise StoreFault(Kind.REFUSED, code="NotImplemented")
            return await super().call(operation, **asked)

    store: Any = Old()
    if refuses == "create_multipart_upload":
        with pytest.raises(StoreFault, match=r"takes no uploads in parts \(NotImplemented\)"):
            asyncio.run(find_out(store))
        return
    lacks = asyncio.run(find_out(store)).lacks()
    assert any("which parts of a file have arrived" in one for one in lacks)


def test_capabilities_are_remembered():
    caps = Capabilities(conditional_put=True, sha256="verified", versioned=True)

    assert capabilities_from(caps.document()) == caps
    assert capabilities_from({**caps.document(), "sha256": "maybe"}) is None
    assert capabilities_from({**caps.document(), "md5": "yes"}) is None
    assert capabilities_from({"conditional_put": True}) is None


NOTHING = memoryview(b"")


class SmallFile:
    """As much of a small file as `put_all` asks of it; one has no end."""

    def __init__(self, name: str, ended: list[str]) -> None:
        self.name, self.ended = name, ended

    async def put(self, body: memoryview, digests: object) -> None:
        try:
            if self.name == "refused":
                raise DestinationWrite("refused")
            if self.name == "endless":
                await asyncio.Event().wait()
        finally:
            self.ended.append(self.name)


async def test_nothing_of_a_batch_is_on_its_way_when_it_has_failed():
    """Whoever handed it over may use its buffers again."""
    ended: list[str] = []
    names = ["endless", "one", "refused", "two", "three"]
    batch: Any = deque(Ready(SmallFile(name, ended), NOTHING, None) for name in names)  # type: ignore[arg-type]

    with pytest.raises(DestinationWrite):
        await put_all(batch, 2)

    assert ended == ["one", "refused", "endless"]


async def test_a_batch_is_put_whole():
    ended: list[str] = []
    batch: Any = deque(Ready(SmallFile(str(number), ended), NOTHING, None) for number in range(9))  # type: ignore[arg-type]

    await put_all(batch, 4)

    assert ended == [str(number) for number in range(9)]
    assert not batch


def test_what_reads_a_buffer_is_over_when_the_call_returns():
    over, begun = [], threading.Event()

    async def send() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            over.append(True)

    def checkpoint() -> None:
        begun.wait()
        raise Cancelled("suspended")

    line = connection.Connection(None)  # type: ignore[arg-type]  # nothing is asked of its store
    with pytest.raises(Cancelled):
        line.run_to_end(send(), checkpoint)

    assert over == [True]
    connection.close_connections()
