"""Lists and takes away what lies below a prefix. On the loop of the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from engine.library.objects.faults import Kind, StoreFault
from engine.library.objects.sending import Sent, plain
from engine.library.objects.store import Store, going_on

LOCKED = "the store does not let it go: it is locked there, or access is denied"
LOCKED_HINT = "look at the object lock and its end; it goes when that is over"
_AT_ONCE = 16
_PAGE = 1000  # the most of a listing and of a deletion


class Upload(NamedTuple):
    """A multipart upload that was begun and not ended."""

    key: str
    id: str
    begun_at: datetime | None


async def objects_below(store: Store, prefix: str) -> dict[str, Sent]:
    """Every object below a prefix: key -> entity tag and size."""
    found: dict[str, Sent] = {}
    async for page in store.listed(prefix):
        for item in page.get("Contents", []):
            found[item["Key"]] = Sent(plain(item.get("ETag")), "", int(item["Size"]))
    return found


async def names_below(store: Store, prefix: str) -> list[str]:
    """Names of the directories directly below a prefix, without slashes."""
    names: list[str] = []
    async for page in store.listed(prefix, delimiter="/"):
        prefixes = [item["Prefix"] for item in page.get("CommonPrefixes", [])]
        names += [found[len(prefix) :].rstrip("/") for found in prefixes]
    return names


async def uploads_below(store: Store, prefix: str) -> list[Upload]:
    """Every unfinished upload below a prefix; none where the store cannot say."""
    found: list[Upload] = []
    more: dict[str, Any] = {}
    while True:
        try:
            page = await store.call("list_multipart_uploads", Prefix=prefix, **more)
        except StoreFault as fault:
            if fault.kind in (Kind.REFUSED, Kind.MISSING):  # some say "no such upload" for none
                return found
            raise
        found += [
            Upload(item["Key"], item["UploadId"], item.get("Initiated"))
            for item in page.get("Uploads", [])
            if item["Key"].startswith(prefix)  # some servers list all
        ]
        if not page.get("IsTruncated"):
            return found
        more = going_on(page, more, KeyMarker="NextKeyMarker", UploadIdMarker="NextUploadIdMarker")


async def parts_of_upload(store: Store, key: str, upload: str) -> dict[int, Sent] | None:
    """The parts of an upload that arrived; None when there is no such upload, or nobody can say."""
    found: dict[int, Sent] = {}
    more: dict[str, Any] = {}
    while True:
        try:
            page = await store.call("list_parts", Key=key, UploadId=upload, **more)
        except StoreFault as fault:
            if fault.kind in (Kind.MISSING, Kind.REFUSED):
                return None
            raise
        for item in page.get("Parts", []):
            sha256 = str(item.get("ChecksumSHA256") or "")
            found[int(item["PartNumber"])] = Sent(plain(item["ETag"]), sha256, int(item["Size"]))
        if not page.get("IsTruncated"):
            return found
        more = going_on(page, more, PartNumberMarker="NextPartNumberMarker")


async def abort(store: Store, uploads: Iterable[Upload]) -> None:
    """Ends uploads and frees their parts."""
    for upload in uploads:
        try:
            await store.call("abort_multipart_upload", Key=upload.key, UploadId=upload.id)
        except StoreFault as fault:
            if fault.kind is not Kind.MISSING:
                raise


async def erase_below(store: Store, prefix: str, *, versioned: bool) -> None:
    """Takes away every object below a prefix, all its versions where there are such.

    Raises:
        StoreFault: one cannot be deleted; the others may be gone.
    """
    if versioned:
        async for some in _versions_below(store, prefix):
            await erase(store, some)
        return
    before: list[dict[str, Any]] = []
    while True:
        page = await store.call("list_objects_v2", Prefix=prefix, MaxKeys=_PAGE)
        keys = [{"Key": item["Key"]} for item in page.get("Contents", [])]
        if keys and keys == before:
            raise StoreFault(
                Kind.CONFIG,
                text="the server says that it deleted objects, and lists them again",
                hint="look at the server, or at a proxy before it that keeps answers",
            )
        before = keys
        if keys:
            await erase(store, keys)
        if not page.get("IsTruncated"):
            return


async def erase(store: Store, objects: list[dict[str, Any]]) -> None:
    """Deletes objects or versions, up to a page at once; raises as `erase_below`."""
    if len(objects) == 1:
        try:
            await store.call("delete_object", **objects[0])
        except StoreFault as fault:
            if "VersionId" not in objects[0] or fault.kind is not Kind.AUTH:
                raise
            raise StoreFault(Kind.AUTH, text=LOCKED, hint=LOCKED_HINT, code=fault.code) from fault
        return
    try:
        answer = await store.call("delete_objects", Delete={"Objects": objects, "Quiet": True})
    except StoreFault as fault:
        if fault.kind is not Kind.REFUSED:
            raise
        await _erase_each(store, objects)
        return
    for error in answer.get("Errors", []):
        code = str(error.get("Code", ""))
        if code not in ("NoSuchKey", "NoSuchVersion"):
            if code != "AccessDenied":
                raise StoreFault(Kind.REFUSED, code=code)
            raise StoreFault(Kind.AUTH, text=LOCKED, hint=LOCKED_HINT, code=code)


async def _erase_each(store: Store, objects: list[dict[str, Any]]) -> None:
    for start in range(0, len(objects), _AT_ONCE):
        some = objects[start : start + _AT_ONCE]
        await asyncio.gather(*(store.call("delete_object", **one) for one in some))


async def _versions_below(store: Store, prefix: str) -> AsyncIterator[list[dict[str, Any]]]:
    more: dict[str, Any] = {}
    while True:
        page = await store.call("list_object_versions", Prefix=prefix, **more)
        items = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if items:
            yield [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in items]
        if not page.get("IsTruncated"):
            return
        more = going_on(
            page, more, KeyMarker="NextKeyMarker", VersionIdMarker="NextVersionIdMarker"
        )
