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


def order_for(source: bytes, target: str) -> TransferOrder:
    """Adopts the entry `source` and orders its copy into a new library at `target`, a path or a URL."""
    library = open_library("bench", target, None, "bench")
    library.initialise(
        LibraryIdentity(uuid=str(uuid.uuid4()), name="bench", commcell_id="bench", commcell="bench")
    )
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
        destinations=(
            OrderDestination(
                copy_id=1,
                copy_name="bench",
                library="bench",
                open_writer=lambda: library.write_job(
                    Place("bench", "copy"), HEADER, source_key=key
                ),
            ),
        ),
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
        if result.outcomes[0].error is not None:
            raise result.outcomes[0].error

    run = TransferRun(
        streams=streams, throttle=Throttle(), cancel=CancelToken(), on_result=on_result
    )
    await run.run(next_order)


def main() -> None:
    """Copies and prints the sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--streams", type=int, default=4)
    given = parser.parse_args()
    used_before = resource.getrusage(resource.RUSAGE_SELF)
    began_s = time.monotonic()
    asyncio.run(copy(order_for(os.fsencode(given.source), given.target), given.streams))
    seconds = time.monotonic() - began_s
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = used.ru_utime + used.ru_stime - used_before.ru_utime - used_before.ru_stime
    print(json.dumps({"seconds": seconds, "cpu_s": cpu_s, "rss_bytes": peak_memory_bytes("self")}))


if __name__ == "__main__":
    main()
