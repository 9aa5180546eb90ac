"""An unfinished job copy in a store: what the journal proves is gone on with, whatever a kill or another try has left."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from engine.model.entries import FileEntry
from engine.model.errors import DestinationExists, LibraryOffline
from tests.library.objects.conftest import CHUNK, LARGE, PART, Bucket, large_job
from tests.library.samples import PLACE, Job, check_copy, copy_job, header, sample_job, write_chunks
from tests.proxy import Request

pytestmark = pytest.mark.usefixtures("small_parts")


class TestResume:
    """A second try, as after a kill: nothing that arrived is sent again."""

    def test_parts_of_proven_chunks_and_others_that_arrived(self, bucket: Bucket):
        library, job = bucket.library(), large_job(2 * CHUNK + PART)
        entry = job.files[0]
        first = library.write_job(PLACE, header(), source_key="source")
        write_chunks(first, job, job.dones[:1])
        handle = first.open_file(entry)
        handle.write(job.chunk_bytes(job.dones[1])[: 2 * PART], CHUNK)
        handle.sync()  # two parts arrived, and the process dies before the chunk is recorded
        first.close()
        assert bucket.proxy.sent(Request.is_part) == CHUNK + 2 * PART

        library = bucket.open()
        second = library.write_job(PLACE, header(), source_key="source")
        assert second.resumed == {entry.path: (entry.chunks[0],)}
        write_chunks(second, job, job.dones[1:])
        second.publish(header(), job.entries)

        assert bucket.proxy.sent(Request.is_part) == 2 * CHUNK + PART
        check_copy(library, job)

    def test_an_upload_of_which_nothing_was_recorded(self, bucket: Bucket):
        library, job = bucket.library(), large_job()
        first = library.write_job(PLACE, header(), source_key="source")
        handle = first.open_file(job.files[0])
        handle.write(job.chunk_bytes(job.dones[0])[: 3 * PART], 0)
        handle.sync()
        first.record([])
        first.close()

        library = bucket.open()
        second = library.write_job(PLACE, header(), source_key="source")
        assert second.resumed == {}
        write_chunks(second, job)
        second.publish(header(), job.entries)

        assert bucket.proxy.sent(Request.is_part) == LARGE
        assert bucket.server.uploads(bucket.name) == []
        check_copy(library, job)

    def test_a_part_that_is_another_than_the_journal_says(self, bucket: Bucket):
        library, job = bucket.library(), large_job()
        first = library.write_job(PLACE, header(), source_key="source")
        write_chunks(first, job, job.dones[:1])
        first.close()
        (upload,) = bucket.server.client.list_multipart_uploads(Bucket=bucket.name)["Uploads"]
        bucket.server.client.upload_part(
            Bucket=bucket.name,
            Key=upload["Key"],
            UploadId=upload["UploadId"],
            PartNumber=2,
            Body=bytes(PART),
        )

        library = bucket.open()
        second = library.write_job(PLACE, header(), source_key="source")
        assert second.resumed == {}
        write_chunks(second, job)
        second.publish(header(), job.entries)

        check_copy(library, job)

    def test_an_upload_that_is_gone(self, bucket: Bucket):
        library, job = bucket.library(), large_job()
        first = library.write_job(PLACE, header(), source_key="source")
        write_chunks(first, job, job.dones[:1])
        first.close()
        (upload,) = bucket.server.client.list_multipart_uploads(Bucket=bucket.name)["Uploads"]
        bucket.server.client.abort_multipart_upload(
            Bucket=bucket.name, Key=upload["Key"], UploadId=upload["UploadId"]
        )

        library = bucket.open()
        copy_job(library, job)

        check_copy(library, job)

    def test_an_upload_of_which_the_store_tells_nothing(self, bucket: Bucket):
        library, job = bucket.library(), large_job()
        first = library.write_job(PLACE, header(), source_key="source")
        write_chunks(first, job, job.dones[:1])
        first.close()
        bucket.proxy.fault(
            "501 NotImplemented", lambda one: one.method == "GET" and "uploadId=" in one.path
        )

        library = bucket.open()
        second = library.write_job(PLACE, header(), source_key="source")
        assert second.resumed == {}
        write_chunks(second, job)
        second.publish(header(), job.entries)

        check_copy(library, job)
        assert bucket.server.uploads(bucket.name) == []

    def test_a_file_that_was_put_together_already(self, bucket: Bucket):
        library, job = bucket.library(), large_job()
        first = library.write_job(PLACE, header(), source_key="source")
        write_chunks(first, job)
        handle = first.read_back(job.files[0])  # waits until it is put together
        assert handle.read_into(memoryview(bytearray(10)), 0) == 10
        first.close()

        library = bucket.open()
        second = library.write_job(PLACE, header(), source_key="source")
        assert len(second.resumed[job.files[0].path]) == 2
        second.publish(header(), job.entries)

        assert bucket.proxy.sent(Request.is_part) == LARGE
        check_copy(library, job)

    @pytest.mark.parametrize("size", [20_000, 3 * PART])
    def test_killed_after_the_manifest_was_put(self, bucket: Bucket, size: int):
        library, job = bucket.library(), large_job(size)
        writer = library.write_job(PLACE, header(), source_key="source")
        write_chunks(writer, job)
        bucket.proxy.fault("reset", lambda one: one.method == "GET" and "list-type" in one.path)
        bucket.proxy.fault("reset", lambda one: one.method in ("DELETE", "POST"))
        bucket.proxy.faults.clear()
        journal = next(bucket.home.rglob("journal"))
        writer.publish(header(), job.entries)
        assert not journal.exists()

        with pytest.raises(DestinationExists):
            bucket.open().write_job(PLACE, header(), source_key="source")
        check_copy(bucket.opened(), job)

    def test_killed_between_a_new_manifest_and_the_end_of_the_old(self, bucket: Bucket):
        library, old, new = bucket.library(), sample_job(), Job()
        new.file(b"tree", b"new content")
        copy_job(library, old)
        writer = library.write_job(PLACE, header(), source_key="other", replace=True)
        write_chunks(writer, new)
        fault = bucket.proxy.fault("403 AccessDenied", lambda one: one.method == "DELETE")
        with pytest.raises(LibraryOffline):
            writer.publish(header(), new.entries)
        writer.close()
        check_copy(library, new)
        assert "copies/databases/offsite/7/manifest.jsonl.zst" in bucket.there()

        fault.times = 0
        with pytest.raises(DestinationExists):
            bucket.open().write_job(PLACE, header(), source_key="other", replace=True)

        check_copy(bucket.opened(), new)
        assert bucket.there() == [
            "copies/databases/offsite/7/data.2/tree",
            "copies/databases/offsite/7/manifest.2.jsonl.zst",
        ]

    def test_what_another_try_left_is_taken_away(self, bucket: Bucket):
        library, job = bucket.library(), sample_job()
        first = library.write_job(PLACE, header(), source_key="source")
        write_chunks(first, large_job(3 * PART))
        first.close()

        other = library.write_job(PLACE, header(), source_key="another")
        write_chunks(other, job)
        other.publish(header(), job.entries)

        check_copy(library, job)
        assert not any("large" in key for key in bucket.there())
        assert bucket.server.uploads(bucket.name) == []


class TestStaged:
    """Files whose end or chunks do not fit parts: here first, in the store as soon as may be."""

    def staged(self, bucket: Bucket) -> list[Path]:
        return [path for path in bucket.home.rglob("staged/*") if path.stat().st_size]

    def grown(self, job: Job) -> FileEntry:
        return job.file(b"a.zst", random.Random(3).randbytes(2 * CHUNK + 7), chunk=CHUNK)

    def test_it_leaves_when_it_is_closed_and_journaled(self, bucket: Bucket):
        library, job = bucket.library(), Job()
        entry = self.grown(job)
        writer = library.write_job(PLACE, header(), source_key="source")
        handle = writer.open_growing(entry.path, 0)
        handle.write(memoryview(job.content[entry.path]), 0)
        handle.sync()
        writer.record(job.dones[:2])
        handle.close()
        assert self.staged(bucket)

        writer.record(job.dones[2:])

        assert self.staged(bucket) == []
        assert len(bucket.there()) == 1
        again = writer.read_back(entry)
        buffer = bytearray(entry.size)
        assert again.read_into(memoryview(buffer), 0) == entry.size
        assert bytes(buffer) == job.content[entry.path]
        writer.publish(header(), job.entries)
        check_copy(library, job)
        assert bucket.proxy.sent(Request.is_data) == entry.size

    def test_it_is_there_at_the_next_try(self, bucket: Bucket):
        library, job = bucket.library(), Job()
        entry = self.grown(job)
        first = library.write_job(PLACE, header(), source_key="source")
        handle = first.open_growing(entry.path, 0)
        handle.write(memoryview(job.content[entry.path]), 0)
        handle.sync()
        first.record(job.dones)
        handle.close()
        first.close()

        second = bucket.open().write_job(PLACE, header(), source_key="source")
        assert second.resumed == {entry.path: entry.chunks}
        second.publish(header(), job.entries)

        check_copy(bucket.opened(), job)
        assert bucket.proxy.sent(Request.is_data) == entry.size

    def test_it_comes_back_to_be_written_on(self, bucket: Bucket):
        library, job = bucket.library(), Job()
        entry = self.grown(job)
        whole = memoryview(job.content[entry.path])
        first = library.write_job(PLACE, header(), source_key="source")
        handle = first.open_growing(entry.path, 0)
        handle.write(whole[:CHUNK], 0)
        handle.sync()
        first.record(job.dones[:1])
        handle.close()  # at the border of a chunk: it looks whole, and goes
        first.close()
        assert self.staged(bucket) == []

        second = bucket.open().write_job(PLACE, header(), source_key="source")
        assert second.resumed == {entry.path: entry.chunks[:1]}
        handle = second.open_growing(entry.path, CHUNK)
        handle.write(whole[CHUNK:], CHUNK)
        handle.sync()
        second.record(job.dones[1:])
        handle.close()
        second.publish(header(), job.entries)

        check_copy(bucket.opened(), job)

    def test_a_line_that_fails_meanwhile_loses_nothing(self, bucket: Bucket):
        library, job = bucket.library(), Job()
        entry = self.grown(job)
        writer = library.write_job(PLACE, header(), source_key="source")
        fault = bucket.proxy.fault("403 AccessDenied", Request.is_data)
        handle = writer.open_growing(entry.path, 0)
        handle.write(memoryview(job.content[entry.path]), 0)
        handle.sync()
        writer.record(job.dones)
        handle.close()
        assert self.staged(bucket)

        fault.times = 0
        writer.publish(header(), job.entries)

        check_copy(library, job)
