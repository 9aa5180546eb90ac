"""Makes written chunks count: sync, then journal, in groups of whatever came meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence

from engine.model.errors import AuxError
from engine.transfer.copied_file import Written
from engine.transfer.hops import Hops
from engine.transfer.open_destination import OpenDestination

Spawn = Callable[[Coroutine[object, object, None]], object]
"""Starts a task that the run owns."""

MAX_WAITING = 4  # written and not yet journaled: what a crash makes a restart read again
BATCHES_AS_ONE = 4  # batches are smaller than chunks, and one sync is for all that wait


class Committer:
    """The one who syncs and journals for one destination; the streams go on meanwhile.

    Args:
        destination: whose writer it is.
        hops: into threads.
        spawn: starts a task.
    """

    def __init__(self, destination: OpenDestination, hops: Hops, spawn: Spawn) -> None:
        self._destination = destination
        self._hops = hops
        self._spawn = spawn
        self._waiting: list[Written] = []
        self._is_busy = False
        self._changed = asyncio.Condition()

    async def add(self, written: Written) -> None:
        """Hands over what a stream has written; waits while too much is waiting."""
        self._waiting.append(written)
        if not self._is_busy:
            self._is_busy = True
            self._spawn(self._work_off())
        async with self._changed:
            await self._changed.wait_for(lambda: self._weight() < MAX_WAITING)

    def _weight(self) -> float:
        batches = sum(written.target is None for written in self._waiting)
        return len(self._waiting) - batches + batches / BATCHES_AS_ONE

    async def idle(self) -> None:
        """Waits until all that was handed over is durable, or has failed."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_busy)

    async def _work_off(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                await self._tell()
                try:
                    await self._hops.run(commit, self._destination, group)
                except AuxError as err:
                    self._destination.fail(err)
        finally:
            self._waiting, self._is_busy = [], False
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def commit(destination: OpenDestination, group: Sequence[Written]) -> None:
    """Syncs each file of the group once, then journals all its chunks in one record."""
    targets = list(dict.fromkeys(written.target for written in group if written.target))
    done = [one for written in group for one in written.done]
    try:
        for target in targets:
            if destination.is_alive:
                target.sync()
        if destination.is_alive and done:
            destination.writer.record(done)
            destination.count([chunk for written in group for chunk in written.counts])
        if destination.is_alive:
            destination.settled.add(number for written in group for number in written.files)
    except AuxError as err:
        destination.fail(err)
    finally:
        for written in group:
            if written.target is not None:
                written.target.settle(len(written.done))
