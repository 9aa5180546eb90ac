"""One verification by the engine, in a process of its own: every byte read from the medium and hashed.

Prints a sample (bench.harness) as JSON. The start of the interpreter is not in it, as of
bench.engine_copy.
"""

from __future__ import annotations

import argparse
import asyncio

from bench.engine_copy import PLACE, measured
from engine.library import open_library
from engine.transfer.cancel import CancelToken
from engine.transfer.throttle import Throttle
from engine.transfer.verifying import verify_job


async def verify(target: str, streams: int) -> None:
    """Verifies the one job copy of a library.

    Raises:
        AssertionError: it is damaged.
    """
    reader = open_library("bench", target, None, "bench").read_job(PLACE, 1)
    try:
        damaged = await verify_job(
            reader, cancel=CancelToken(), throttle=Throttle(), streams=streams
        )
    finally:
        reader.close()
    assert not damaged, damaged


def main() -> None:
    """Verifies and prints the sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library")
    parser.add_argument("--streams", type=int, default=2)
    given = parser.parse_args()
    measured(lambda: asyncio.run(verify(given.library, given.streams)))


if __name__ == "__main__":
    main()
