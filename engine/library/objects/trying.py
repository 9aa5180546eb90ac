"""Tries a library in an object store out; see `engine.library.trying`."""

from __future__ import annotations

import io
import secrets
import time
from contextlib import suppress

from engine.library.objects.faults import StoreFault, on_destination
from engine.library.objects.keys import PROBE
from engine.library.objects.sending import Sender, digests_of
from engine.library.trying import PROBE_BYTES, Step
from engine.model.errors import DestinationWrite


async def try_out(sender: Sender) -> list[Step]:
    """Puts, lists, reads and deletes a probe, and begins and ends an upload in parts.

    Raises:
        StorageError: the step that failed, and why.
    """
    store, where = sender.store, sender.store.address.root
    key = store.address.key(PROBE, secrets.token_hex(8))
    content = secrets.token_bytes(PROBE_BYTES)
    digests = digests_of(memoryview(content), with_md5=sender.caps.needs_md5)
    steps: list[Step] = []
    start = time.perf_counter()

    def done(what: str) -> None:
        nonlocal start
        now = time.perf_counter()
        steps.append(Step(what, now - start))
        start = now

    async def no_matter() -> None:
        """Nobody else has this key."""

    try:
        with on_destination("put a probe into", where):
            await sender.put(key, io.BytesIO(content), digests, may_replace=no_matter)
        done("put")
        with on_destination("list", where):
            page = await store.call("list_objects_v2", Prefix=key)
        there = bytearray(PROBE_BYTES)
        with on_destination("read a probe from", where):
            await store.read(key, memoryview(there), 0)
        if there != content or [item["Key"] for item in page.get("Contents", [])] != [key]:
            raise DestinationWrite(
                "a probe was read back, and is not what was put",
                hint="the store or the line damages data: do not use this library",
            )
        done("list and read")
        with on_destination("begin and end an upload in", where):
            upload = await sender.begin(key)
            await store.call("abort_multipart_upload", Key=key, UploadId=upload)
        done("upload in parts")
        with on_destination("delete a probe in", where):
            await store.call("delete_object", Key=key)
        done("delete")
    finally:
        with suppress(StoreFault):
            await store.call("delete_object", Key=key, tries=1)
    return steps
