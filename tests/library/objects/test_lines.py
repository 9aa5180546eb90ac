"""Bad lines and bad servers: each a specific error, and nothing that is not so is published."""

from __future__ import annotations

import asyncio
import io
import random
import threading
import time
from collections import Counter

import pytest

from engine.library.objects import store
from engine.library.objects.address import parse_address
from engine.library.objects.faults import StoreFault
from engine.library.objects.trying import try_out
from engine.model.errors import (
    AuxError,
    Cancelled,
    DestinationError,
    DestinationExists,
    DestinationFull,
    DestinationRefused,
    DestinationWrite,
    LibraryOffline,
    LibraryRefused,
    SourceCorrupt,
    SourceRead,
)
from engine.transfer.cancel import CancelToken
from engine.transfer.reading_back import ReadBack
from tests.library.objects.conftest import LARGE, PART, Bucket, large_job
from tests.library.samples import (
    PLACE,
    Job,
    check_copy,
    copy_job,
    header,
    read_all,
    sample_job,
    write_chunks,
)
from tests.proxy import Request
from tests.stores import SECRET_KEY

pytestmark = pytest.mark.usefixtures("small_parts")


def test_parts_go_up_once_and_are_put_together(bucket: Bucket):
    library, job = bucket.library(), large_job()

    copy_job(library, job)

    check_copy(library, job)
    assert bucket.proxy.count(Request.is_part) == 6
    assert bucket.proxy.sent(Request.is_part) == LARGE
    assert bucket.server.uploads(bucket.name) == []
    assert list(bucket.home.rglob("journal")) == []


def test_what_a_store_can_do_is_found_out_once(bucket: Bucket):
    bucket.library(is_known=False)
    caps = next(bucket.home.rglob("capabilities.json"))
    library = bucket.open()
    line = library.probe().line

    assert caps.stat().st_mode & 0o777 == 0o600
    assert line is not None
    assert set(line.offers) == {"conditional-put", "conditional-complete", "etag-md5"}
    assert len(line.lacks) == 1
    assert "does not verify SHA-256" in line.lacks[0]
    assert line.latency_s is not None
    assert [one.method for one in bucket.proxy.requests] == ["GET"]
    assert bucket.there() == []


@pytest.mark.parametrize(
    ("verifies", "offers"),
    [({"sha256"}, "sha256"), ({"md5"}, "md5"), ({"sha256", "payload"}, "sha256")],
)
def test_a_store_that_verifies(bucket: Bucket, verifies: set[str], offers: str):
    bucket.proxy.verifies = verifies
    library, job = bucket.library(is_known=False), sample_job()
    line = library.probe().line

    copy_job(library, job)

    assert line is not None
    assert offers in line.offers
    check_copy(library, job)
    sent = [one.headers for one in bucket.proxy.requests if one.is_data()]
    assert all("x-amz-checksum-sha256" in one for one in sent)
    assert all(("Content-MD5" in one) == (offers == "md5") for one in sent)


@pytest.mark.parametrize("verifies", [set(), {"md5"}, {"sha256"}])
@pytest.mark.parametrize("size", [PART, 3 * PART])
def test_a_bit_that_flips_on_the_way_up_is_sent_again(
    bucket: Bucket, verifies: set[str], size: int
):
    bucket.proxy.verifies = verifies
    library, job = bucket.library(), Job()
    job.file(b"f", random.Random(size).randbytes(size))
    bucket.proxy.fault("flip", times=1)

    copy_job(library, job)

    bucket.proxy.faults.clear()
    check_copy(library, job)


def written(bucket: Bucket, size: int) -> tuple[ReadBack, Job]:
    """A file, written and recorded, by a writer that proves what it publishes."""
    library, job = bucket.library(), Job()
    job.file(b"f", random.Random(size).randbytes(size))
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job)
    return ReadBack(writer, cancel=CancelToken()), job


def is_data_read(one: Request) -> bool:
    return one.method == "GET" and "/data/" in one.path


def test_a_checksum_that_the_store_keeps_proves_what_was_written(bucket: Bucket, small_parts: int):
    bucket.proxy.verifies = {"sha256"}
    writer, job = written(bucket, 3 * PART)
    writer.publish(header(), job.entries)
    assert bucket.proxy.count(is_data_read) == 0


@pytest.mark.parametrize(("verifies", "size"), [(set(), 3 * PART), ({"sha256"}, PART)])
def test_what_has_no_checksum_there_is_read_back(
    bucket: Bucket, small_parts: int, verifies: set[str], size: int
):
    bucket.proxy.verifies = verifies  # this server keeps none of an object that is put at once
    writer, job = written(bucket, size)
    writer.publish(header(), job.entries)
    assert bucket.proxy.count(is_data_read) > 0


def test_another_checksum_than_that_of_what_was_written_is_none(bucket: Bucket, small_parts: int):
    bucket.proxy.verifies = {"sha256"}
    writer, job = written(bucket, 3 * PART)
    writer.read_back(job.files[0]).close()  # waits until it is put together
    (key,) = [key for key in bucket.there() if "/data/" in key]
    bucket.server.client.put_object(Bucket=bucket.name, Key=key, Body=bytes(3 * PART))
    with pytest.raises(DestinationWrite, match="read back differ"):
        writer.publish(header(), job.entries)


def test_how_many_connections_are_open_is_told(bucket: Bucket):
    line = bucket.library().probe().line
    assert line is not None
    assert line.connections >= 1
    assert any("verified by reading" in one for one in line.limits)


def test_small_files_are_fetched_ahead_many_at_once(bucket: Bucket):
    library, job = bucket.library(), Job()
    for number in range(40):
        job.file(b"f%02d" % number, b"content %d" % number)
    copy_job(library, job)
    bucket.proxy.requests.clear()
    reader = library.read_job(PLACE, 7)
    assert read_all(reader, job.files[0]) == b"content 0"
    assert bucket.proxy.count(is_data_read) == 40
    for entry in job.files[1:]:
        assert read_all(reader, entry) == job.content[entry.path]
    assert bucket.proxy.count(is_data_read) == 40, "each once"
    reader.close()


def test_a_line_that_always_flips_publishes_nothing(bucket: Bucket):
    library = bucket.library()
    bucket.proxy.fault("flip")

    with pytest.raises(DestinationWrite, match="what arrived there is not what was sent"):
        copy_job(library, sample_job())

    assert library.published(PLACE) == []


@pytest.mark.parametrize(
    "what", ["reset", "lost", "503 SlowDown", "500 InternalError", "400 RequestTimeout"]
)
def test_what_passes_is_tried_again(bucket: Bucket, what: str):
    library, job = bucket.library(), sample_job()
    for method in ("GET", "PUT", "POST", "HEAD"):
        bucket.proxy.fault(what, lambda one, method=method: one.method == method, times=1)
    bucket.proxy.fault(what, lambda one: "manifest" in one.path and one.method == "PUT", times=1)

    copy_job(library, job)

    bucket.proxy.faults.clear()
    check_copy(library, job)
    assert bucket.server.uploads(bucket.name) == []


@pytest.mark.parametrize(
    ("what", "error", "says", "do"),
    [
        ("403 AccessDenied", LibraryRefused, "access denied", "allow these credentials"),
        ("403 InvalidAccessKeyId", LibraryRefused, "access key is not known", "credentials"),
        ("403 SignatureDoesNotMatch", LibraryRefused, "secret key is wrong", "credentials"),
        ("400 ExpiredToken", LibraryRefused, "have expired", "renew them"),
        ("403 RequestTimeTooSkewed", LibraryOffline, "clock of this host", "set the clock"),
        ("404 NoSuchBucket", LibraryRefused, "no such bucket", "make the bucket"),
        ("400 AuthorizationHeaderMalformed", LibraryRefused, "another region", "region="),
        ("503 SlowDown", LibraryOffline, "slow down", "by itself"),
        ("reset", LibraryOffline, "does not answer", "network"),
        ("507 InsufficientStorage", DestinationFull, "no space left", "make room"),
        ("403 QuotaExceeded", DestinationFull, "no space left", "make room"),
        ("501 NotImplemented", DestinationRefused, "has not implemented", "another server"),
        ("400 BadDigest", DestinationWrite, "not what was sent", "network"),
        ("400 OddThing", DestinationRefused, "refused the request (OddThing)", "log of the server"),
    ],
)
def test_each_failure_says_what_it_is(
    bucket: Bucket, what: str, error: type[AuxError], says: str, do: str
):
    library = bucket.library()
    bucket.proxy.fault(what)

    with pytest.raises(error) as caught:
        copy_job(library, sample_job())

    assert says in caught.value.message
    assert do in caught.value.hint
    assert "tree/" in caught.value.message
    assert caught.value.retryable is not issubclass(error, (DestinationRefused, LibraryRefused))
    assert SECRET_KEY not in repr(caught.getrepr(style="native"))
    assert library.published(PLACE) == []


def test_a_store_that_says_that_no_upload_is_there_has_none(bucket: Bucket):
    """There are some that say so when they are asked for all of them."""
    library = bucket.library()
    bucket.proxy.fault(
        "404 NoSuchUpload", lambda one: one.method == "GET" and "uploads" in one.path
    )

    copy_job(library, sample_job())

    check_copy(library, sample_job())


def test_an_error_behind_a_good_status_is_one(bucket: Bucket):
    library, job = bucket.library(), large_job()
    is_end = lambda one: one.method == "POST" and "uploadId=" in one.path  # noqa: E731
    bucket.proxy.fault("200 InternalError", is_end, times=1)  # as S3 ends a multipart upload

    copy_job(library, job)

    assert bucket.proxy.count(is_end) == 2
    check_copy(library, job)


def test_a_list_of_many_pages_is_read_to_its_end(bucket: Bucket):
    library = bucket.library()
    for number in range(9):
        bucket.server.client.put_object(Bucket=bucket.name, Key=f"copies/many/{number}", Body=b"x")
    there = library._connection

    async def keys() -> list[str]:
        pages = there.store.listed("copies/many/", page=2)
        return [item["Key"] async for page in pages for item in page["Contents"]]

    assert there.run(keys()) == [f"copies/many/{number}" for number in range(9)]


@pytest.mark.parametrize("said", [{}, {"NextContinuationToken": "again"}])
def test_a_list_without_an_end_is_refused(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, said: dict[str, str]
):
    library = bucket.library()

    async def call(_: store.Store, operation: str, **__: object) -> dict[str, object]:
        assert operation == "list_objects_v2"
        return {"IsTruncated": True, **said}

    monkeypatch.setattr(store.Store, "call", call)

    with pytest.raises(LibraryOffline, match="does not say how it goes on"):
        list(library.copies())


def test_a_library_that_cannot_be_reached(bucket: Bucket):
    library = bucket.library()
    bucket.proxy.fault("404 NoSuchBucket", lambda _: True)

    for call in (library.probe, lambda: library.published(PLACE), library.identity):
        with pytest.raises(LibraryOffline, match="no such bucket"):
            call()


def test_an_answer_that_is_cut_short_is_asked_for_again(bucket: Bucket):
    library, job = bucket.library(), sample_job()
    copy_job(library, job)
    bucket.proxy.fault("short", lambda one: one.method == "GET" and "/data/" in one.path, times=1)

    check_copy(library, job)

    bucket.proxy.fault("short", lambda one: one.method == "GET" and "/data/" in one.path)
    reader = library.read_job(PLACE, 7)
    with pytest.raises(LibraryOffline, match=r"cannot read tree/big: the answer ended"):
        read_all(reader, job.files[0])
    reader.close()


def test_what_was_changed_or_taken_away_there(bucket: Bucket):
    library, job = bucket.library(), sample_job()
    copy_job(library, job)
    key = "copies/databases/offsite/7/data/tree/big"
    entry, client = job.files[0], bucket.server.client
    reader = library.read_job(PLACE, 7)

    client.put_object(Bucket=bucket.name, Key=key, Body=b"short")
    with pytest.raises(SourceCorrupt, match="has 5 bytes in the store"):
        read_all(reader, entry)
    client.put_object(Bucket=bucket.name, Key=key, Body=bytes(entry.size + 1))
    with pytest.raises(SourceCorrupt, match="has 300001 bytes in the store"):
        read_all(reader, entry)
    client.delete_object(Bucket=bucket.name, Key=key)
    with pytest.raises(SourceRead, match="it is not there"):
        read_all(reader, entry)
    reader.close()


def test_what_is_taken_away_before_the_publication_stops_it(bucket: Bucket):
    library, job = bucket.library(), sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    entry = job.files[2]
    writer.write_batch([(entry, memoryview(job.content[entry.path]))])
    writer.record(done for done in job.dones if done.path == entry.path)
    bucket.server.client.put_object(
        Bucket=bucket.name, Key="copies/databases/offsite/7/data/tree/sub/small", Body=b"SMALL"
    )

    write_chunks(writer, job, [done for done in job.dones if done.path != entry.path])
    with pytest.raises(DestinationWrite, match="what lies in the store is not what was sent"):
        writer.publish(header(), job.entries)

    writer.close()
    assert library.published(PLACE) == []


def test_the_key_of_the_manifest_is_taken_meanwhile(bucket: Bucket):
    library, job = bucket.library(), sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job)
    key = "copies/databases/offsite/7/manifest.jsonl.zst"
    bucket.server.client.put_object(Bucket=bucket.name, Key=key, Body=b"another's")

    with pytest.raises(DestinationExists):
        writer.publish(header(), job.entries)

    writer.close()
    body = bucket.server.client.get_object(Bucket=bucket.name, Key=key)["Body"].read()
    assert body == b"another's"


def test_a_cancel_while_the_server_is_frozen(bucket: Bucket):
    library, job = bucket.library(), sample_job()
    stop = threading.Event()

    def checkpoint() -> None:
        if stop.is_set():
            raise Cancelled("suspended")

    writer = library.write_job(PLACE, header(), source_key="source", checkpoint=checkpoint)
    bucket.proxy.fault("freeze")
    began: list[float] = []

    def cancel() -> None:
        bucket.proxy.frozen.wait(60)
        began.append(time.monotonic())
        stop.set()

    threading.Thread(target=cancel).start()
    entry = job.files[2]
    with pytest.raises(Cancelled):
        writer.write_batch([(entry, memoryview(job.content[entry.path]))])

    writer.close()
    assert began


@pytest.mark.parametrize("waits", ["ANSWER_S", "SOON_S"])
def test_a_server_that_never_answers_is_given_up(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, waits: str
):
    bucket.library()
    monkeypatch.setattr(store, waits, 0.2)
    library = bucket.open()
    bucket.proxy.fault("freeze", lambda _: True)

    with pytest.raises(LibraryOffline, match="does not answer"):
        library.probe()

    asked = Counter((one.method, one.path) for one in bucket.proxy.requests)
    assert max(asked.values(), default=0) <= store.SILENT_TRIES


def test_a_library_is_tried_out_from_end_to_end(bucket: Bucket):
    library = bucket.library()

    steps = library.try_out()

    assert [step.name for step in steps] == ["put", "list and read", "upload in parts", "delete"]
    assert bucket.there() == []
    assert bucket.server.uploads(bucket.name) == []


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("PUT", "put a probe"),
        ("GET", "list"),
        ("POST", "begin and end"),
        ("DELETE", "begin and end"),
    ],
)
def test_what_fails_when_it_is_tried_out_is_named(bucket: Bucket, method: str, says: str):
    library = bucket.library()
    sender = library._root.sender()
    bucket.proxy.fault("403 AccessDenied", lambda one: one.method == method)

    with pytest.raises(LibraryOffline, match=says):
        library._connection.run(try_out(sender))


def test_errors_of_destinations_are_never_of_sources(bucket: Bucket):
    library = bucket.library()
    bucket.proxy.fault("404 NoSuchUpload", Request.is_part)

    with pytest.raises(DestinationError, match="it is not there"):
        copy_job(library, large_job())


@pytest.mark.parametrize("by_hand", [True, False])
async def test_a_server_that_takes_no_more_of_a_body_is_given_up(
    monkeypatch: pytest.MonkeyPatch, by_hand: bool
):
    """What the kernels on both sides hold of it is taken; the rest stands for ever."""
    ended = asyncio.Event()

    async def take_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    server = await asyncio.start_server(take_nothing, "127.0.0.1", 0, limit=1024)
    port = server.sockets[0].getsockname()[1]
    address = parse_address(
        "far", f"s3://bucket/p?endpoint=http://127.0.0.1:{port}&path_style=true"
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(store, "ANSWER_S", 0.3)
    if not by_hand:
        monkeypatch.setattr(store, "LEAST_BPS", 1024**3)
        monkeypatch.setattr(store.Direct, "can", lambda *_: False)
    stuck = store.Store(address)
    try:
        with pytest.raises(StoreFault, match="does not answer") as found:
            await stuck.call("put_object", Key="k", Body=io.BytesIO(bytes(32 * 1024**2)))
        assert found.value.is_silence
    finally:
        ended.set()
        await stuck.close()
        server.close()
