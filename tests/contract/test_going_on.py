"""Whatever a library is made of: an unfinished job copy is gone on with, replaces another at its publication only, or goes."""

import pytest

from engine.library.interface import Done, Library
from engine.model.entries import PieceEnd
from engine.model.errors import DestinationExists, DestinationWrite, ManifestError
from engine.model.names import rel_path
from tests.contract.conftest import Opener
from tests.library.samples import PLACE, Job, check_copy, copy_job, header, sample_job, write_chunks


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


def test_two_writers_of_one_copy_exclude_each_other(opener: Opener, library: Library):
    writer = library.write_job(PLACE, header(), source_key="source")

    with pytest.raises(DestinationWrite):
        opener().write_job(PLACE, header(), source_key="source")

    writer.close()
    opener().write_job(PLACE, header(), source_key="source").close()


def test_discard_leaves_nothing(library: Library):
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, sample_job())

    writer.discard()

    assert library.partial(PLACE) == []
    again = library.write_job(PLACE, header(), source_key="source")
    assert again.resumed == {}
    again.close()


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


def test_the_room_that_an_unfinished_job_copy_takes(library: Library):
    job = Job()
    entry = job.file(b"a", b"x" * 100_000)

    before = library.occupied_bytes(PLACE, 7)
    writer = library.write_job(PLACE, header(), source_key="source")
    write_chunks(writer, job)
    during = library.occupied_bytes(PLACE, 7)
    writer.publish(header(), [entry])
    published = library.occupied_bytes(PLACE, 7)
    another = library.write_job(PLACE, header(8), source_key="source")
    write_chunks(another, job)
    another.discard()

    assert (before, published, library.occupied_bytes(PLACE, 8)) == (0, 0, 0)
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
