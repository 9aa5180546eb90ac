"""Counts the round trips that are waited for one after another, by no clock.

Replies are held until every request that is under way has its reply and no other one comes; then
all of them are delivered at once: that is what an endlessly long line does. One such delivery is
one round trip, if anybody waits for one of its replies. Between two calls nothing is delivered, as
long as it takes the thread that calls to come back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine.library.sftp.channel import SftpChannel
from engine.library.sftp.link import SftpLink, hang_up

_QUIET_TURNS = 60  # of the event loop without a request: whatever follows a reply was sent


class Rounds:
    """The line, as slow as can be."""

    def __init__(self) -> None:
        self.count = 0
        self.waited = 0
        """Those that came while a call was waited for; what goes on behind it is not among them."""
        self.requests = 0
        self._held: list[tuple[SftpChannel, bytes]] = []
        self._open: dict[SftpChannel, None] = {}
        self._turns = 0
        self._calls = 0
        self._is_watching = False

    @contextmanager
    def counted(self) -> Iterator[list[int]]:
        """The round trips of a block stand in the list after it."""
        before, found = self.waited, []
        yield found
        found.append(self.waited - before)

    def sent(self, channel: SftpChannel) -> None:
        """A request went out."""
        self._open[channel] = None
        self.requests += 1
        self._turns = 0

    def arrived(self, channel: SftpChannel, packet: memoryview) -> None:
        """A reply came in."""
        self._held.append((channel, bytes(packet)))
        self._turns = 0
        self._begin()

    def began(self) -> None:
        """A call came from a thread that waits for it."""
        self._calls += 1
        self._turns = 0
        self._begin()

    def ended(self) -> None:
        """Its thread goes on."""
        self._calls -= 1

    def _begin(self) -> None:
        if not self._is_watching:
            self._is_watching = True
            asyncio.get_running_loop().call_soon(self._watch)

    def _watch(self) -> None:
        if not self._held or not self._calls:
            self._is_watching = False
            return
        waiting = sum(len(channel._waiting) for channel in self._open if channel.error is None)
        self._turns += 1
        if len(self._held) < waiting or self._turns < _QUIET_TURNS:
            asyncio.get_running_loop().call_soon(self._watch)
            return
        self._is_watching = False
        held, self._held = self._held, []
        self.count += any(self._is_waited_for(channel, packet) for channel, packet in held)
        for channel, packet in held:
            _DELIVER(channel, memoryview(packet))

    def _is_waited_for(self, channel: SftpChannel, packet: bytes) -> bool:
        entry = channel._waiting.get(int.from_bytes(packet[1:5], "big"))
        return entry is not None and bool(entry[0]._callbacks)


_DELIVER = SftpChannel._deliver
_REQUEST = SftpChannel.request
_COUNTED = SftpLink._counted


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> Rounds:
    """Every line of this process, from its first request on; those of tests before are closed."""
    hang_up()
    found = Rounds()

    def request(channel: SftpChannel, *args: object, **more: object) -> object:
        found.sent(channel)
        return _REQUEST(channel, *args, **more)

    def deliver(channel: SftpChannel, packet: memoryview) -> None:
        if channel._greeting.done():
            found.arrived(channel, packet)
        else:
            _DELIVER(channel, packet)

    async def counted(link: SftpLink, work: Any) -> Any:
        before = found.count
        found.began()
        try:
            return await _COUNTED(link, work)
        finally:
            found.ended()
            found.waited += found.count - before

    monkeypatch.setattr(SftpLink, "_counted", counted)
    monkeypatch.setattr(SftpChannel, "request", request)
    monkeypatch.setattr(SftpChannel, "_deliver", deliver)
    return found
