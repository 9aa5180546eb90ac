"""WORM copies in a bucket with object lock: locked, looked at, and not deleted before their time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from engine.library.locking import locked_until
from engine.model.errors import DestinationWrite, LibraryOffline
from engine.policy.retention import RetentionRules, lock_end
from tests.library.objects.conftest import Bucket
from tests.library.samples import IDENTITY, PLACE, Job, check_copy, copy_job, header, sample_job

pytestmark = pytest.mark.usefixtures("small_parts")
UNTIL = datetime.now(UTC) + timedelta(days=30)
BASE = "copies/databases/offsite/7/"


@pytest.fixture
def locking(bucket: Bucket) -> Bucket:
    bucket.name = bucket.server.bucket(ObjectLockEnabledForBucket=True)
    return bucket


def locks(bucket: Bucket) -> dict[str, tuple[str, datetime]]:
    found = {}
    for key in bucket.there():
        held = bucket.server.client.head_object(Bucket=bucket.name, Key=key)
        found[key.removeprefix(BASE)] = (held["ObjectLockMode"], held["ObjectLockRetainUntilDate"])
    return found


def opened(bucket: Bucket, mode: str = "compliance"):
    library = bucket.open(object_lock=mode)
    library.initialise(IDENTITY)
    return locked_until(library, UNTIL)


@pytest.mark.parametrize("mode", ["compliance", "governance"])
def test_every_object_is_locked(locking: Bucket, mode: str):
    library, job = opened(locking, mode), sample_job()

    copy_job(library, job)

    check_copy(library, job)
    expected = (mode.upper(), UNTIL.replace(microsecond=0))
    assert locks(locking) == dict.fromkeys(
        ("data/tree/big", "data/tree/empty", "data/tree/sub/small", "manifest.jsonl.zst"), expected
    )
    line = library.probe().line
    assert line is not None
    assert {"versions", "object-lock"} <= set(line.offers)


def test_what_is_locked_is_not_deleted_and_stays_readable(locking: Bucket):
    library, job = opened(locking), sample_job()
    copy_job(library, job)

    with pytest.raises(LibraryOffline, match="it is locked there"):
        library.remove_job(PLACE, 7)

    check_copy(library, job)


def test_what_is_not_locked_leaves_no_version(locking: Bucket):
    library, job = locking.library(is_known=False), sample_job()
    copy_job(library, job)

    library.remove_job(PLACE, 7)

    found = locking.server.client.list_object_versions(Bucket=locking.name, Prefix=BASE)
    assert not found.get("Versions")
    assert not found.get("DeleteMarkers")


def test_what_replaces_hides_what_is_locked(locking: Bucket):
    library, new = opened(locking), Job()
    copy_job(library, sample_job())
    new.file(b"tree", b"new content")

    copy_job(library, new, source_key="other", replace=True)

    check_copy(library, new)
    assert sorted(locks(locking)) == ["data.2/tree", "manifest.2.jsonl.zst"]


def test_a_bucket_without_locks_is_refused(bucket: Bucket):
    library = opened(bucket)

    with pytest.raises(DestinationWrite, match="has no object lock"):
        library.write_job(PLACE, header(), source_key="source")

    assert bucket.there() == []


def test_a_bucket_that_got_locks_later_is_asked_again(locking: Bucket):
    library = opened(locking)
    root = library._root
    before = replace(root.capabilities(), object_lock=False)
    root._keep(before, root._marker.uuid)
    root.connection.capabilities = before

    copy_job(library, sample_job())

    assert "COMPLIANCE" in {mode for mode, _ in locks(locking).values()}
    root.connection.capabilities = None
    assert root.capabilities().object_lock, "and it is remembered"


def test_a_store_that_ignores_locks_is_found_out(locking: Bucket):
    library = opened(locking)
    locking.proxy.fault("unlocked", lambda one: one.method == "HEAD")

    with pytest.raises(DestinationWrite, match="was asked to keep it in COMPLIANCE mode"):
        copy_job(library, sample_job())

    assert library.published(PLACE) == []


def test_the_end_of_a_lock_is_told_in_the_zone_that_was_given(locking: Bucket):
    library = locking.open(object_lock="compliance")
    library.initialise(IDENTITY)
    end = UNTIL.astimezone(ZoneInfo("Asia/Kolkata"))
    locking.proxy.fault("unlocked", lambda one: one.method == "HEAD")

    with pytest.raises(DestinationWrite, match=f"until {end:%Y-%m-%d %H:%M} Asia/Kolkata, and"):
        copy_job(locked_until(library, end), sample_job())

    locking.proxy.faults.clear()
    copy_job(locked_until(library, end), sample_job())
    assert set(locks(locking).values()) == {("COMPLIANCE", UNTIL.replace(microsecond=0))}


def test_only_what_a_copy_asks_for_is_locked(locking: Bucket):
    plain = locking.library(is_known=False)

    copy_job(locked_until(plain, UNTIL), sample_job())  # the URL asks for no locks

    client = locking.server.client
    head = client.head_object(Bucket=locking.name, Key=BASE + "manifest.jsonl.zst")
    assert "ObjectLockMode" not in head


def test_the_end_of_a_lock():
    completed = datetime(2026, 3, 1, tzinfo=UTC)

    assert lock_end(RetentionRules(worm=True, retain_s=86400), completed) == datetime(
        2026, 3, 2, tzinfo=UTC
    )
    assert lock_end(RetentionRules(worm=True), completed) is None
    assert lock_end(RetentionRules(retain_s=86400), completed) is None


def test_a_library_that_shall_lock_and_cannot_is_found_by_its_test(bucket: Bucket):
    library = bucket.open(object_lock="compliance")
    library.initialise(IDENTITY)

    with pytest.raises(DestinationWrite, match="has no object lock"):
        library.try_out()
    bucket.open().try_out()  # one that shall not is well
