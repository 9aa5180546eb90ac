"""Whatever fails, wherever: what is published equals the source, and a further try finishes it."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.library.interface import JobReader
from engine.library.local_writer import LocalJobWriter
from engine.model.errors import AuxError, DestinationFull, DestinationWrite, SourceRead
from engine.transfer.orders import OutcomeState
from tests.transfer.running import Session
from tests.transfer.trees import Estate, described

NAMES = st.binary(min_size=1, max_size=12).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
)
FILES = st.binary(max_size=64).flatmap(
    lambda seed: st.integers(0, 40).map(lambda times: seed * times)
)
TREES = st.recursive(FILES, lambda below: st.dictionaries(NAMES, below, max_size=6), max_leaves=25)


class Faults:
    """Fails the calls with these numbers, counted over all threads; number 0 cancels the run."""

    def __init__(self, numbers: set[int]) -> None:
        self._numbers = numbers
        self._count = 0
        self._lock = threading.Lock()
        self.cancel: Callable[[str], None] = lambda _: None
        self.cancel_at = 0

    def strike(self, error: Callable[[str], AuxError]) -> None:
        with self._lock:
            self._count += 1
            number = self._count
        if number == self.cancel_at:
            self.cancel("suspended")
        if number in self._numbers:
            raise error(f"call {number} fails")


def faulty(target: object, faults: Faults, calls: dict[str, Callable[[str], AuxError]]) -> object:
    """The same object, with faults before the calls named."""

    class Faulty:
        def __getattr__(self, name: str) -> object:
            original = getattr(target, name)
            if name not in calls:
                return original

            def call(*args: object, **kwargs: object) -> object:
                faults.strike(calls[name])
                made = original(*args, **kwargs)
                return faulty(made, faults, calls) if name == "open_file" else made

            return call

    return Faulty()


READS = {"open_file": SourceRead, "read_into": SourceRead, "unchanged": SourceRead}
WRITES = {
    "open_file": DestinationFull,
    "write": DestinationWrite,
    "sync": DestinationWrite,
    "write_batch": DestinationFull,
    "record": DestinationWrite,
    "publish": DestinationWrite,
}


def build(root: bytes, tree: bytes | dict[bytes, object]) -> None:
    """Writes a tree to disk."""
    if isinstance(tree, bytes):
        Path(os.fsdecode(root)).write_bytes(tree)
        return
    os.mkdir(root)
    for name, below in tree.items():
        build(root + b"/" + name, below)  # type: ignore[arg-type]


async def try_once(estate: Estate, faults: Faults, streams: int) -> dict[str, OutcomeState]:
    """One run under faults; every library that is not published yet takes part."""
    names = [name for name in ("a", "b") if not estate.is_published(name)]

    def reading(reader: JobReader) -> JobReader:
        return faulty(reader, faults, READS)  # type: ignore[return-value]

    def writing(_: str, writer: LocalJobWriter) -> LocalJobWriter:
        return faulty(writer, faults, WRITES)  # type: ignore[return-value]

    if not names:
        return {}
    session = Session([estate.order(*names, reading=reading, writing=writing)], streams=streams)
    faults.cancel = session.cancel.cancel
    [result] = await session.to_end()
    return {outcome.copy_name: outcome.state for outcome in result.outcomes}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    tree=TREES,
    tries=st.lists(
        st.tuples(st.sets(st.integers(1, 60), max_size=3), st.integers(0, 60)), max_size=3
    ),
    streams=st.integers(1, 3),
    chunk_bytes=st.sampled_from([64, 700, None]),
)
def test_whatever_fails_a_published_copy_equals_its_source(tree, tries, streams, chunk_bytes):
    with tempfile.TemporaryDirectory() as root:
        estate = Estate(Path(root), chunk_bytes=chunk_bytes)
        build(estate.entry, tree)
        source = described(estate.landing)

        for numbers, cancel_at in tries:
            faults = Faults(numbers)
            faults.cancel_at = cancel_at
            states = asyncio.run(try_once(estate, faults, streams))
            for name, state in states.items():
                assert (state == OutcomeState.PUBLISHED) == estate.is_published(name)
                if estate.is_published(name):
                    assert estate.data(name) == source
        asyncio.run(try_once(estate, Faults(set()), streams))

        assert estate.data("a") == estate.data("b") == source
        assert described(estate.landing) == source
