"""One copy by the engine, in a process of its own: lists a landing entry, copies and publishes it.

Prints a sample (bench.harness) as JSON. The start of the interpreter is not in it: the service is
a process that is there already; listing the source is, as it is for the programs it is compared to.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import time
import uuid
from collections.abc import Callable

from bench.harness import peak_memory_bytes
from engine.library import open_library
from engine.library.interface import LibraryIdentity, Place
from engine.library.landing import LandingReader, fingerprint, walk_entry
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


def order_for(source: bytes, *targets: str) -> TransferOrder:
    """Adopts the entry `source` and orders its copy into a new library at each target, path or URL."""
    landing, name = os.path.split(source)
    landing_fd = os.open(landing, os.O_RDONLY | os.O_DIRECTORY)
    try:
        entries = walk_entry(landing_fd, name).entries
    finally:
        os.close(landing_fd)
    key = fingerprint(entries)
    return TransferOrder(
        backup_job_id=1,
        header=HEADER,
        size_bytes=0,
        open_source=lambda: LandingReader(landing, HEADER, entries, has_digests=False),
        destinations=tuple(
            destination(number, target, key) for number, target in enumerate(targets, 1)
        ),
    )


def destination(number: int, target: str, key: str) -> OrderDestination:
    """A copy in a new library."""
    name = f"bench-{number}"
    library = open_library(name, target, None, "bench")
    library.initialise(
        LibraryIdentity(uuid=str(uuid.uuid4()), name=name, commcell_id="bench", commcell="bench")
    )
    return OrderDestination(
        copy_id=number,
        copy_name=name,
        library=name,
        open_writer=lambda: library.write_job(PLACE, HEADER, source_key=key),
    )


async def copy(order: TransferOrder, streams: int) -> None:
    """Runs one order to its publication.

    Raises:
        AuxError: it was not published.
    """
    orders = iter([order])

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
    given = parser.parse_args()
    source = os.fsencode(given.source)
    measured(lambda: asyncio.run(copy(order_for(source, *given.targets), given.streams)))


if __name__ == "__main__":
    main()
