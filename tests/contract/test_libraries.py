"""What every library must do, whatever it is made of."""

from dataclasses import replace

import pytest

from engine.library.interface import Library, Place
from engine.model.entries import Identity
from engine.model.errors import DestinationExists, LibraryOffline, NotFoundError
from tests.contract.conftest import Opener
from tests.library.samples import (
    IDENTITY,
    PLACE,
    Job,
    check_copy,
    copy_job,
    header,
    sample_job,
    write_chunks,
)


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


def test_a_published_copy_is_never_written_again(library: Library):
    job = sample_job()
    copy_job(library, job)

    with pytest.raises(DestinationExists):
        library.write_job(PLACE, header(), source_key="another")

    check_copy(library, job)


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
