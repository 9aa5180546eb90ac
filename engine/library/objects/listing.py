"""What lies in a library in an object store. On the loop of the store."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from engine.library import layout
from engine.library.interface import Place
from engine.library.objects.erasing import (
    names_below,
    objects_below,
    parts_of_upload,
    uploads_below,
)
from engine.library.objects.keys import JobKeys, copy_prefix, generation_of, job_base
from engine.library.objects.store import Store

_AT_ONCE = 16


class Ids(NamedTuple):
    """Ids of backup jobs, ascending."""

    published: list[int]
    every: list[int]
    """All that have anything there, published or not."""


async def ids_of(store: Store, place: Place) -> Ids:
    """The backup jobs of a copy."""
    names = await names_below(store, copy_prefix(store.address, place))
    found = (layout.job_id_of(name.encode()) for name in names)
    ids = sorted(job_id for job_id in found if job_id is not None)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def is_published(job_id: int) -> bool:
        async with gate:
            return bool(await generations_of(store, place, job_id))

    answers = await asyncio.gather(*(is_published(job_id) for job_id in ids))
    return Ids([job_id for job_id, there in zip(ids, answers, strict=True) if there], ids)


async def generations_of(store: Store, place: Place, job_id: int) -> list[int]:
    """The generations of a job copy that have a manifest, ascending."""
    base = job_base(store.address, place, job_id)
    there = await objects_below(store, base + "manifest")
    found = (generation_of(key[len(base) :]) for key in there)
    return sorted(number for number in found if number is not None)


async def places_in(store: Store) -> list[Place]:
    """Every copy below the prefix; what cannot be one is passed over."""
    places: list[Place] = []
    for policy in await names_below(store, store.address.key("")):
        if layout.is_directory_name(policy.encode()):
            copies = await names_below(store, store.address.key(policy, ""))
            places += [
                Place(policy, copy) for copy in copies if layout.is_directory_name(copy.encode())
            ]
    return places


async def sent_bytes(store: Store, keys: JobKeys) -> int:
    """What an unfinished generation takes there: objects, and parts of uploads."""
    count = sum(sent.size for sent in (await objects_below(store, keys.data)).values())
    for upload in await uploads_below(store, keys.data):
        parts = await parts_of_upload(store, upload.key, upload.id) or {}
        count += sum(part.size for part in parts.values())
    return count
