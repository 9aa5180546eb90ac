"""What every library must do, whatever it is made of."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.library.interface import Done, Library, Place
from engine.library.local import LocalLibrary
from engine.library.memory import MemoryLibrary
from engine.library.objects.library import ObjectLibrary
from engine.library.sftp.library import SftpLibrary
from engine.model.entries import (
    Chunk,
    FileEntry,
    HardlinkEntry,
    Identity,
    PieceEnd,
    PlainFile,
    PlainLink,
)
from engine.model.errors import (
    DestinationError,
    DestinationExists,
    DestinationWrite,
    LibraryOffline,
    ManifestError,
    NotFoundError,
)
from engine.model.names import rel_path
from tests.library.samples import (
    COMMCELL,
    IDENTITY,
    PLACE,
    Job,
    check_copy,
    copy_job,
    header,
    meta,
    read_all,
    sample_job,
    write_chunks,
)
from tests.remote.conftest import plain_sftp, sshd
from tests.remote.sshd import Sshd

__all__ = ["plain_sftp", "sshd"]  # fixtures

Opener = Callable[[], Library]


@pytest.fixture(params=["local", "memory", "sftp", "plain-sftp", "s3"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens the same library each time, as another process would."""
    if request.param == "s3":
        server = request.getfixturevalue("moto")
        url, home = server.url(server.bucket()), tmp_path / "home"
        home.mkdir()
        return lambda: ObjectLibrary.of_url("vault", url, home=home, uuid="", commcell_id=COMMCELL)
    if request.param == "memory":
        memory = MemoryLibrary(commcell_id=COMMCELL)
        return lambda: memory
    root = tmp_path / "library"
    root.mkdir()
    if request.param in ("sftp", "plain-sftp"):
        kind = "sshd" if request.param == "sftp" else "plain_sftp"
        server: Sshd = request.getfixturevalue(kind)
        return lambda: server.library(root)
    return lambda: LocalLibrary("vault", bytes(root), uuid="", commcell_id=COMMCELL)


@pytest.fixture
def library(opener: Opener) -> Library:
    library = opener()
    library.initialise(IDENTITY)
    return library


def test_without_a_marker_nothing_works(opener: Opener):
    library = opener()

    for call in (
        library.probe,
        lambda: library.published(PLACE),
        lambda: library.partial(PLACE),
        lambda: library.read_job(PLACE, 7),
        lambda: library.write_job(PLACE, header(), source_key="source"),
        lambda: library.remove_job(PLACE, 7),
    ):
        with pytest.raises(LibraryOffline):
            call()


def test_initialise_keeps_the_marker_that_is_there(opener: Opener):
    first = opener().initialise(IDENTITY)

    second = opener().initialise(replace(IDENTITY, uuid="u-2", name="other"))

    assert first == second == IDENTITY
    assert opener().probe().identity == IDENTITY


def test_an_empty_library_has_no_job_copies(library: Library):
    assert library.published(PLACE) == []
    assert library.partial(PLACE) == []
    with pytest.raises(NotFoundError):
        library.read_job(PLACE, 7)
    with pytest.raises(NotFoundError):
        library.manifest_digest(PLACE, 7)
    with pytest.raises(NotFoundError):
        library.remove_job(PLACE, 7)


def test_a_copy_is_what_was_written(library: Library):
    job = sample_job()

    digest = copy_job(library, job)

    check_copy(library, job)
    assert library.manifest_digest(PLACE, 7) == digest
    assert library.published(PLACE) == [7]
    assert library.partial(PLACE) == []


def test_the_header_comes_back(library: Library):
    of = header(name=b"\xff\x1b[2J\n", cycle=3)
    copy_job(library, sample_job(), of)

    reader = library.read_job(PLACE, 7)

    assert reader.header == of
    assert reader.has_digests
    reader.close()


def test_identities_of_the_source_stay_at_home(library: Library):
    job = Job()
    entry = job.file(b"a", b"content")
    job.entries = [replace(entry, identity=Identity(1, 2, 7, 4, 5))]
    copy_job(library, job)

    reader = library.read_job(PLACE, 7)

    assert [e.identity for e in reader.entries()] == [None]
    reader.close()


def test_ids_are_listed_in_order_and_by_place(library: Library):
    for job_id in (10, 9, 100):
        copy_job(library, sample_job(), header(job_id))
    open_one = library.write_job(PLACE, header(5), source_key="source")

    assert library.published(PLACE) == [9, 10, 100]
    assert library.partial(PLACE) == [5]
    assert library.published(Place("databases", "other")) == []
    open_one.close()


def test_an_unpublished_copy_is_not_available(library: Library):
    job = sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job)
    writer.close()

    assert library.published(PLACE) == []
    with pytest.raises(NotFoundError):
        library.read_job(PLACE, 7)


def test_a_second_try_goes_on_from_what_was_recorded(library: Library):
    job = sample_job()
    first = library.write_job(PLACE, header(), source_key="source")
    assert first.resumed == {}
    write_chunks(first, job, job.dones[:3])
    handle = first.open_file(job.files[0])
    handle.write(job.chunk_bytes(job.dones[3]), job.dones[3].chunk.offset)  # never recorded
    handle.close()
    first.close()

    second = library.write_job(PLACE, header(), source_key="source")

    assert second.resumed == {rel_path(b"tree/big"): tuple(d.chunk for d in job.dones[:3])}
    write_chunks(second, job, job.dones[3:])
    second.publish(header(), job.entries)
    check_copy(library, job)


def test_another_source_starts_afresh(library: Library):
    job = sample_job()
    first = library.write_job(PLACE, header(), source_key="source")
    write_chunks(first, job)
    first.close()

    second = library.write_job(PLACE, header(), source_key="another")

    assert second.resumed == {}
    with pytest.raises(ManifestError):
        second.publish(header(), job.entries)
    second.close()


def test_a_published_copy_is_never_written_again(library: Library):
    job = sample_job()
    copy_job(library, job)

    with pytest.raises(DestinationExists):
        library.write_job(PLACE, header(), source_key="another")

    check_copy(library, job)


def test_two_writers_of_one_copy_exclude_each_other(opener: Opener, library: Library):
    writer = library.write_job(PLACE, header(), source_key="source")

    with pytest.raises(DestinationWrite):
        opener().write_job(PLACE, header(), source_key="source")

    writer.close()
    opener().write_job(PLACE, header(), source_key="source").close()


def test_a_chunk_that_is_not_recorded_stops_publication(library: Library):
    job = sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job, job.dones[:-1])

    with pytest.raises(ManifestError):
        writer.publish(header(), job.entries)

    assert library.published(PLACE) == []
    write_chunks(writer, job, job.dones[-1:])
    writer.publish(header(), job.entries)
    check_copy(library, job)


def test_a_chunk_with_another_digest_stops_publication(library: Library):
    job = Job()
    entry = job.file(b"a", b"content")
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job)
    wrong = replace(entry, chunks=(Chunk(0, 7, blake3(b"tnetnoc").digest()),))

    with pytest.raises(ManifestError):
        writer.publish(header(), [wrong])
    with pytest.raises(ManifestError):
        writer.publish(header(), [replace(entry, chunks=())])

    writer.close()
    assert library.published(PLACE) == []


def test_a_batch_is_written_whole(library: Library):
    job = Job()
    job.directory(b"d")
    for number in range(50):
        job.file(b"d/%d" % number, b"%d" % number * 100)
    writer = library.write_job(PLACE, header(), source_key="source")

    writer.write_batch([(e, memoryview(job.content[e.path])) for e in job.files])
    writer.record(job.dones)
    writer.publish(header(), job.entries)

    check_copy(library, job)


def test_a_batch_may_be_written_again(library: Library):
    job = Job()
    entry = job.file(b"a", b"content")
    writer = library.write_job(PLACE, header(), source_key="source")
    writer.write_batch([(entry, memoryview(b"garbage"))])

    writer.write_batch([(entry, memoryview(b"content"))])
    writer.record(job.dones)
    writer.publish(header(), job.entries)

    check_copy(library, job)


def test_ranges_may_come_in_any_order(library: Library):
    job = Job()
    entry = job.file(b"a", bytes(range(256)) * 1000, chunk=50_000)
    writer = library.write_job(PLACE, header(), source_key="source")
    one, two = writer.open_file(entry), writer.open_file(entry)

    for number, done in enumerate(reversed(job.dones)):
        (one, two)[number % 2].write(job.chunk_bytes(done), done.chunk.offset)
    for handle in (one, two):
        handle.sync()
        handle.close()
    writer.record(job.dones)
    writer.publish(header(), job.entries)

    check_copy(library, job)


@pytest.mark.parametrize(
    "content",
    [bytes(400_000), b"x" * 70_000 + bytes(200_000), bytes(200_001) + b"y", b"a" + bytes(131_071)],
    ids=["all", "at the end", "at the beginning", "unaligned"],
)
def test_zeros_are_zeros_in_a_sparse_file(library: Library, content: bytes):
    job = Job()
    entry = job.file(b"sparse", content, chunk=100_000, sparse=True)
    writer = library.write_job(PLACE, header(), source_key="source")
    handle = writer.open_file(entry)
    handle.write(memoryview(b"\xff" * len(content)), 0)  # an earlier try wrote something else
    handle.close()

    write_chunks(writer, job)
    writer.publish(header(), job.entries)

    check_copy(library, job)


def test_a_small_sparse_file_of_a_batch_keeps_its_size(library: Library):
    job = Job()
    entry = job.file(b"sparse", bytes(200_000), sparse=True)
    writer = library.write_job(PLACE, header(), source_key="source")

    writer.write_batch([(entry, memoryview(bytes(200_000)))])
    writer.record(job.dones)
    writer.publish(header(), job.entries)

    check_copy(library, job)


def test_discard_leaves_nothing(library: Library):
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, sample_job())

    writer.discard()

    assert library.partial(PLACE) == []
    again = library.write_job(PLACE, header(), source_key="source")
    assert again.resumed == {}
    again.close()


def test_a_closed_writer_writes_no_more(library: Library):
    job = sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    writer.close()

    with pytest.raises(DestinationError):
        writer.record(job.dones)


def test_remove_takes_a_copy_away_and_no_other(library: Library):
    job = sample_job()
    copy_job(library, job, header(7))
    copy_job(library, job, header(8))

    library.remove_job(PLACE, 8)

    assert library.published(PLACE) == [7]
    check_copy(library, job)
    copy_job(library, job, header(8))
    assert library.published(PLACE) == [7, 8]


def test_reading_stops_at_the_end_of_a_file(library: Library):
    job = Job()
    entry = job.file(b"a", b"0123456789")
    copy_job(library, job)
    reader = library.read_job(PLACE, 7)
    handle = reader.open_file(entry)
    buffer = bytearray(8)

    counts = [handle.read_into(memoryview(buffer), at) for at in (0, 4, 10, 11)]

    assert counts == [8, 6, 0, 0]
    handle.close()
    reader.close()


_components = (
    st.binary(min_size=1, max_size=20)
    .map(lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"_"))
    .filter(lambda name: name not in (b".", b".."))
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(names=st.sets(_components, min_size=1, max_size=6), data=st.binary(max_size=50))
def test_any_name_survives_byte_for_byte(library: Library, names: set[bytes], data: bytes):
    if isinstance(library, SftpLibrary):
        pytest.skip("one copy with many names instead: tests/remote/test_sftp.py")
    job = Job()
    for name in names:
        job.file(name, data + name)
    for job_id in library.published(PLACE):
        library.remove_job(PLACE, job_id)

    copy_job(library, job)

    check_copy(library, job)


@pytest.mark.parametrize(
    "name",
    [
        b"new\nline",
        b"\x1b]0;x\x07",
        b"[@click=app.quit]x",
        b"\xff\xfe",
        b"n" * 255,
        b"-rf",
        b" ",
    ],
)
def test_hostile_names(library: Library, name: bytes):
    job = Job()
    job.directory(name)
    job.file(name + b"/" + name, b"content")
    job.symlink(name + b"/" + name[:200] + b".link", name)

    copy_job(library, job)

    check_copy(library, job)


def test_empty_files_need_no_chunk(library: Library):
    job = Job()
    job.file(b"empty", b"")

    copy_job(library, job)

    reader = library.read_job(PLACE, 7)
    assert read_all(reader, job.files[0]) == b""
    reader.close()


def test_a_hard_link_to_nothing_is_refused(library: Library):
    job = sample_job()
    job.hardlink(b"tree/zzz", b"tree/none")

    with pytest.raises(ManifestError):
        copy_job(library, job)

    assert library.published(PLACE) == []


def test_a_record_of_many_chunks_at_once(library: Library):
    job = Job()
    entry = job.file(b"a", b"x" * 1000, chunk=10)
    writer = library.write_job(PLACE, header(), source_key="source")
    handle = writer.open_file(entry)
    handle.write(memoryview(job.content[entry.path]), 0)
    handle.sync()
    handle.close()

    writer.record(Done(entry.path, chunk) for chunk in entry.chunks)
    writer.close()

    again = library.write_job(PLACE, header(), source_key="source")
    assert again.resumed == {entry.path: entry.chunks}
    again.close()


def test_an_entry_without_digests_is_never_published(library: Library):
    writer = library.write_job(PLACE, header(), source_key="source")
    entry = FileEntry(path=rel_path(b"a"), size=5, meta=meta())

    with pytest.raises(ManifestError):
        writer.publish(header(), [entry])

    writer.close()
    assert library.published(PLACE) == []


def test_the_room_that_an_unfinished_job_copy_takes(library: Library):
    job = Job()
    entry = job.file(b"a", b"x" * 100_000)

    before = library.occupied_bytes(PLACE, 7)
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job)
    during = library.occupied_bytes(PLACE, 7)
    writer.publish(header(), [entry])

    assert (before, library.occupied_bytes(PLACE, 7)) == (0, 0)
    assert during >= 100_000


def other_job() -> Job:
    """Another content under the same id."""
    job = Job()
    job.file(b"tree", b"new content")
    return job


def test_what_replaces_takes_the_place_at_its_publication(library: Library):
    old, new = sample_job(), other_job()
    copy_job(library, old)
    writer = library.write_job(PLACE, header(), source_key="other", replace=True)
    write_chunks(writer, new)
    check_copy(library, old)

    digest = writer.publish(header(), new.entries)

    check_copy(library, new)
    assert library.manifest_digest(PLACE, 7) == digest
    assert (library.published(PLACE), library.partial(PLACE)) == ([7], [])


def test_what_replaces_goes_on_from_its_journal(opener: Opener, library: Library):
    old, new = sample_job(), other_job()
    copy_job(library, old)
    first = library.write_job(PLACE, header(), source_key="other", replace=True)
    write_chunks(first, new)
    first.close()

    with pytest.raises(DestinationExists):  # nobody else takes it for a leftover
        opener().write_job(PLACE, header(), source_key="other")
    second = opener().write_job(PLACE, header(), source_key="other", replace=True)
    assert set(second.resumed) == {b"tree"}
    second.publish(header(), new.entries)

    check_copy(opener(), new)


def test_what_replaces_may_be_given_up(library: Library):
    old = sample_job()
    copy_job(library, old)

    library.write_job(PLACE, header(), source_key="other", replace=True).discard()

    check_copy(library, old)
    assert library.partial(PLACE) == []


def test_replacing_what_is_not_there_is_a_copy_as_any(library: Library):
    job = sample_job()

    copy_job(library, job, replace=True)

    check_copy(library, job)


def test_streams_write_at_once(library: Library):
    job = Job()
    job.directory(b"d")
    job.file(b"d/big", bytes(range(256)) * 2000, chunk=16_000)
    for number in range(40):
        job.file(b"d/%d" % number, b"%d" % number * 1000)
    writer = library.write_job(PLACE, header(), source_key="source")
    dones = job.dones

    with ThreadPoolExecutor(8) as streams:
        parts = [dones[start::8] for start in range(8)]
        for _ in streams.map(lambda part: write_chunks(writer, job, part), parts):
            pass
    writer.publish(header(), job.entries)

    check_copy(library, job)


def test_an_unfinished_copy_takes_room(library: Library):
    assert library.occupied_bytes(PLACE, 7) == 0
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, sample_job())

    assert library.occupied_bytes(PLACE, 7) >= 300_000

    writer.discard()
    assert library.occupied_bytes(PLACE, 7) == 0


def test_a_growing_file_goes_on_where_an_earlier_try_has_proven_it(library: Library):
    job = Job()
    entry = job.file(b"a.zst", bytes(range(100)), chunk=40)
    first, second, third = job.dones
    ends = (PieceEnd(30, b"e" * 32),)
    writer = library.write_job(PLACE, header(), source_key="source")
    handle = writer.open_growing(entry.path, 0)
    handle.write(memoryview(bytes(range(70))), 0)
    handle.sync()
    writer.record([first._replace(ends=ends)])
    handle.close()
    writer.close()

    again = library.write_job(PLACE, header(), source_key="source")
    assert list(again.resumed[entry.path]) == [first.chunk]
    assert tuple(again.ended[entry.path]) == ends
    handle = again.open_growing(entry.path, 40)
    handle.write(memoryview(bytes(range(40, 75))), 40)
    handle.write(memoryview(bytes(range(75, 100))), 75)
    handle.sync()
    handle.close()
    again.record([second, third])
    again.publish(header(), job.entries)

    check_copy(library, job)


def test_a_file_that_is_distrusted_has_no_ends_at_the_next_try(library: Library):
    job = Job()
    entry = job.file(b"a.zst", b"content")
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job, [job.dones[0]._replace(ends=(PieceEnd(7, b"e" * 32),))])
    writer.distrust(entry.path)
    writer.close()

    again = library.write_job(PLACE, header(), source_key="source")

    assert entry.path not in again.ended
    assert entry.path not in again.resumed
    again.close()


def test_an_encoded_job_copy_is_stored_under_other_names(library: Library):
    job = Job()
    job.directory(b"d")
    entry = job.file(b"d/a.zst", b"encoded")
    plain = PlainFile(path=rel_path(b"d/a"), size=5, chunks=(Chunk(0, 5, b"p" * 32),))
    link = HardlinkEntry(
        path=rel_path(b"d/a.b.zst"),
        to=entry.path,
        plain=PlainLink(path=rel_path(b"d/a.b"), to=plain.path),
    )
    job.entries = [job.entries[0], replace(entry, plain=plain), link]
    of = header(compression="zstd", encrypt_to=("age1x",))

    copy_job(library, job, of)

    reader = library.read_job(PLACE, 7)
    assert reader.header == of
    assert list(reader.entries()) == job.entries
    assert read_all(reader, entry) == b"encoded"
    reader.close()
