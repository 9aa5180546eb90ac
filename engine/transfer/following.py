"""Publication during the last syncs: it takes each file as soon as that is committed.

Nothing is published before the order has all: the last step waits for `Settled.complete`. It does
not begin earlier, while streams are at work: both would wait for the interpreter's lock, at each
of their short calls, and be later than one after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator

from engine.library.interface import PublishesBehind
from engine.model.entries import Entry, FileEntry, HardlinkEntry, SymlinkEntry, encoded_header
from engine.model.errors import AuxError, Cancelled
from engine.transfer.hops import Hops
from engine.transfer.open_destination import OpenDestination
from engine.transfer.opened import OpenOrder, originals

FOLLOWED_FROM = 1024  # files of an order; fewer are published in no time

Spawn = Callable[[Coroutine[object, object, None]], object]
"""Starts a task that the run owns."""


class Follower:
    """The publication of one order on one destination while the last of it is synced.

    Args:
        order: being copied.
        destination: its own; begun afresh, and files are stored there as they are.
        hops: into threads.
    """

    def __init__(self, order: OpenOrder, destination: OpenDestination, hops: Hops) -> None:
        self._order = order
        self._destination = destination
        self._hops = hops
        self._ended = asyncio.Event()

    async def follow(self, writer: PublishesBehind) -> None:
        """Publishes; what goes wrong drops the destination out, at once."""
        order, destination = self._order, self._destination
        leave = order.stop.on_cancel(destination.settled.stop)
        try:
            destination.manifest_digest = await self._hops.run(
                writer.publish_behind,
                encoded_header(order.order.header, destination.spec.encoding),
                entries_as_settled(order, destination),
            )
        except Cancelled:
            pass  # the order is stopped, or the destination has dropped out: that is told as it is
        except AuxError as err:
            destination.fail(err)
        finally:
            leave()
            self._ended.set()

    async def published(self) -> None:
        """Lets the last step be taken; returns when the destination has a manifest, or has failed."""
        self._destination.settled.complete()
        await self._ended.wait()

    async def stopped(self) -> None:
        """Ends it, if it has not ended: what is not published by now is not published."""
        self._destination.settled.stop()
        await self._ended.wait()


def followers(order: OpenOrder, hops: Hops, spawn: Spawn) -> dict[OpenDestination, Follower]:
    """Begins the publication on every destination that can be followed."""
    begun: dict[OpenDestination, Follower] = {}
    for destination in order.alive:
        writer = destination.writer
        # What an earlier try has proven may be read again and found different: not to be followed.
        is_afresh = destination.encoded is None and not writer.resumed
        if is_afresh and isinstance(writer, PublishesBehind):
            begun[destination] = Follower(order, destination, hops)
            spawn(begun[destination].follow(writer))
    return begun


def entries_as_settled(order: OpenOrder, destination: OpenDestination) -> Iterator[Entry]:
    """The entries of an order, each file once it is committed; the end comes when the order has all.

    Links come when every file is committed: until then each file has one name, if it must be made
    again after a crash.

    Raises:
        Cancelled: the order is stopped, or the destination has dropped out.
    """
    settled = destination.settled
    number = until = 0

    def wait(_: FileEntry) -> None:
        nonlocal number, until
        if number >= until:
            until = settled.wait_for(number)
        number += 1

    for entry in originals(order, wait):
        if isinstance(entry, (SymlinkEntry, HardlinkEntry)):
            settled.wait_for_all()
        yield entry
    settled.wait_for_all()
