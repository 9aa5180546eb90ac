"""Whatever a library is made of: what is written to it is what is published, byte for byte, or nothing is."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.library.interface import Library
from engine.library.sftp.library import SftpLibrary
from engine.model.entries import Chunk, FileEntry, HardlinkEntry, PlainFile, PlainLink
from engine.model.errors import DestinationError, ManifestError
from engine.model.names import rel_path
from tests.library.samples import (
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


def test_a_closed_writer_writes_no_more(library: Library):
    job = sample_job()
    writer = library.write_job(PLACE, header(), source_key="source")
    writer.close()

    with pytest.raises(DestinationError):
        writer.record(job.dones)


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


def test_an_entry_without_digests_is_never_published(library: Library):
    writer = library.write_job(PLACE, header(), source_key="source")
    entry = FileEntry(path=rel_path(b"a"), size=5, meta=meta())

    with pytest.raises(ManifestError):
        writer.publish(header(), [entry])

    writer.close()
    assert library.published(PLACE) == []


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
