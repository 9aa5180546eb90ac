"""One copy by the engine, in a process of its own: lists a landing entry, copies and publishes it.

Prints a sample (bench.harness) as JSON. The start of the interpreter is not in it: the service is
a process that is there already; listing the source is, as it is for the programs it is compared to.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from bench.harness import peak_memory_bytes
from engine.control.__main__ import COLLECT_AFTER
from engine.library import open_library
from engine.library.interface import Library, LibraryIdentity, Place
from engine.library.landing import LandingReader, fingerprint, walk_entry
from engine.library.line import jobs_at_once
from engine.library.sftp.link import hang_up
from engine.model.entries import ManifestHeader
from engine.transfer.cancel import CancelToken
from engine.transfer.orders import OrderDestination, TransferOrder, TransferResult
from engine.transfer.run import TransferRun
from engine.transfer.throttle import Throttle

NOW = "2026-01-01T00:00:00+00:00"
HEADER = ManifestHeader(
    backup_job_id=1,
    commcell_id="bench",
    commcell="bench",
    policy="bench",
    client="bench",
    subclient="bench",
    level="full",
    kind="landing",
    started_at=NOW,
    completed_at=NOW,
    adopted_at=NOW,
)


PLACE = Place("bench", "copy")


def order_for(source: bytes, libraries: Sequence[Library], backup_job_id: int = 1) -> TransferOrder:
    """Adopts the entry `source` and orders its copy into each library."""
    landing, name = os.path.split(source)
    landing_fd = os.open(landing, os.O_RDONLY | os.O_DIRECTORY)
    try:
        entries = walk_entry(landing_fd, name).entries
    finally:
        os.close(landing_fd)
    key = fingerprint(entries)
    header = replace(HEADER, backup_job_id=backup_job_id)
    return TransferOrder(
        backup_job_id=backup_job_id,
        header=header,
        size_bytes=0,
        open_source=lambda: LandingReader(landing, header, entries, has_digests=False),
        destinations=tuple(
            OrderDestination(
                copy_id=number,
                copy_name=library.name,
                library=library.name,
                open_writer=partial(library.write_job, PLACE, header, source_key=key),
            )
            for number, library in enumerate(libraries, 1)
        ),
        at_once=max(map(jobs_at_once, libraries)),
    )


def library_at(target: str, number: int) -> Library:
    """A new library at a path or URL."""
    name = f"bench-{number}"
    library = open_library(name, target, None, "bench")
    library.initialise(
        LibraryIdentity(uuid=str(uuid.uuid4()), name=name, commcell_id="bench", commcell="bench")
    )
    return library


def orders_for(
    source: bytes, libraries: Sequence[Library], *, jobs: bool
) -> Iterator[TransferOrder]:
    """One backup job of `source`, or one of each entry in it, into each library."""
    if not jobs:
        yield order_for(source, libraries)
        return
    for number, name in enumerate(sorted(os.listdir(source)), 1):
        yield order_for(os.path.join(source, name), libraries, number)


async def copy(orders: Iterator[TransferOrder], streams: int) -> None:
    """Runs orders to their publication.

    Raises:
        AuxError: one was not published.
    """

    async def next_order() -> TransferOrder | None:
        return next(orders, None)

    async def on_result(result: TransferResult) -> None:
        for outcome in result.outcomes:
            if outcome.error is not None:
                raise outcome.error

    run = TransferRun(
        streams=streams, throttle=Throttle(), cancel=CancelToken(), on_result=on_result
    )
    await run.run(next_order)


def measured(work: Callable[[], None]) -> None:
    """Does it and prints the sample."""
    gc.freeze()  # as in the service
    gc.set_threshold(COLLECT_AFTER)
    before = resource.getrusage(resource.RUSAGE_SELF)
    began_s = time.monotonic()
    work()
    seconds = time.monotonic() - began_s
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"seconds": seconds, "cpu_s": cpu_s, "rss_bytes": peak_memory_bytes("self")}))


def main() -> None:
    """Copies and prints the sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("targets", nargs="+")
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--jobs", action="store_true", help="each entry is a backup job")
    given = parser.parse_args()
    libraries = [library_at(target, number) for number, target in enumerate(given.targets, 1)]
    hang_up()  # that a library is there already is taken for granted, a connection to it is not
    orders = orders_for(os.fsencode(given.source), libraries, jobs=given.jobs)
    measured(lambda: asyncio.run(copy(orders, given.streams)))


if __name__ == "__main__":
    main()
