"""The channel of one SFTP session: requests with their replies, many under way at once.

Runs on the loop of its library. Bytes under way are bounded, so that neither end piles them up;
a lost connection ends every request at once with the reason.
"""

from __future__ import annotations

import asyncio
import errno
import math
from collections import deque
from collections.abc import Callable

from engine.library.sftp import wire
from engine.library.sftp.packets import DataPackets
from engine.library.sftp.ssh import asyncssh
from engine.library.sftp.together import all_of
from engine.library.sftp.wire import Reply
from engine.model.errors import LibraryOffline

OLD_REQUEST_BYTES = 32 * 1024  # of a server that states no limits
FLIGHT_BYTES = 4 * 1024**2  # more makes a server burn its time on its queue
_ALONE_BYTES = 128 * 1024  # what is as large gains nothing by company
_TOGETHER_BYTES = 256 * 1024  # of smaller ones, in one go
ANSWER_S = 60.0  # a request that is not answered for so long ends the session

Lost = Callable[[str], LibraryOffline]


class SftpChannel(asyncssh.SSHClientSession[bytes]):
    """The client's end of the subsystem `sftp`: any request, each with its reply.

    Args:
        lost: makes the error of a session that has ended, from the reason.
    """

    def __init__(self, lost: Lost) -> None:
        self._loop = asyncio.get_running_loop()
        self._lost_error = lost
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self._packets: DataPackets | None = None
        self._outgoing: list[bytes | memoryview] = []
        self._outgoing_bytes = 0
        self._parts: list[bytes] = []
        self._held = 0
        self._needed = 4
        self._next = 0
        self._waiting: dict[int, tuple[asyncio.Future[Reply], int, float]] = {}
        """The future of each request that was not answered, the bytes it moves, when it was sent."""
        self._heard_of = -math.inf
        """When the latest one that was answered had been sent."""
        self._heard_at = -math.inf
        self._watch: asyncio.TimerHandle | None = None
        self._greeting: asyncio.Future[Reply] = self._loop.create_future()
        self._flight = 0
        self.opened_at = math.inf
        """When the server had opened it, by the clock of the loop."""
        self._room: deque[asyncio.Future[None]] = deque()
        self.error: LibraryOffline | None = None
        """Why it has ended; None while it works."""
        self.extensions: dict[bytes, bytes] = {}
        self.read_bytes = self.write_bytes = OLD_REQUEST_BYTES
        self.handles_limit = 0
        """What the server says of itself; 0: nothing."""
        self.is_openssh = False

    # What asyncssh calls.

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        """The channel is open."""
        self._channel = chan
        self._packets = DataPackets.serve(chan)
        self.opened_at = self._loop.time()
        version = chan.get_extra_info("server_version") or ""
        self.is_openssh = "OpenSSH" in str(version)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Bytes of replies."""
        if datatype is not None:
            return  # a login script that talks on standard error
        if self._held:
            self._parts.append(data)
            self._held += len(data)
            if self._held < self._needed:
                return
            data = b"".join(self._parts)
            self._parts.clear()
        at = self._take_packets(data)
        self._held = len(data) - at
        if self._held:
            self._parts.append(data[at:] if at else data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed, with the connection or alone."""
        self.fail(str(exc) if exc else "the server closed it")

    # What this library calls.

    def has(self, extension: bytes) -> bool:
        """True when the server offers an extension."""
        return extension in self.extensions

    def fail(self, why: str) -> None:
        """Ends it: every request that waits, and each to come, gets this reason."""
        if self.error is None:
            self.error = self._lost_error(why)
        if not self._greeting.done():
            self._greeting.set_exception(self.error)
            self._greeting.exception()  # seen, whether or not somebody waits
        waiting, self._waiting = self._waiting, {}
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        for future, *_ in waiting.values():
            if not future.done():
                future.set_exception(self.error)
                future.exception()
        for room in self._room:
            if not room.done():
                room.set_result(None)
        self._room.clear()

    def close(self) -> None:
        """Closes the channel."""
        self.fail("it was closed")
        if self._channel is not None:
            self._channel.close()

    @property
    def flight_bytes(self) -> int:
        """Bytes that were asked for or sent and not answered."""
        return self._flight

    def request(
        self, kind: int, body: bytes, data: bytes | memoryview = b"", *, weighs: int = 0
    ) -> asyncio.Future[Reply]:
        """Sends a request; the future has the reply.

        Args:
            kind: of the message.
            body: what comes first in it.
            data: what comes last; copied once.
            weighs: bytes of data that it moves; `room` is asked for before.
        """
        future: asyncio.Future[Reply] = self._loop.create_future()
        if self.error is not None:
            future.set_exception(self.error)
            future.exception()
            return future
        self._next = (self._next + 1) & 0xFFFFFFFF
        self._waiting[self._next] = future, weighs, self._loop.time()
        if self._watch is None:
            self._watch = self._loop.call_later(ANSWER_S, self._look_at_waiting)
        self._flight += weighs
        self._send(kind, wire.number(self._next), body, data)
        return future

    async def room(self, weighs: int) -> None:
        """Waits until so many bytes may be sent or asked for.

        Raises:
            LibraryOffline: the session has ended.
        """
        while self._flight and self._flight + weighs > FLIGHT_BYTES and self.error is None:
            turn: asyncio.Future[None] = self._loop.create_future()
            self._room.append(turn)
            await turn
        if self.error is not None:
            raise self.error

    async def status(self, kind: int, body: bytes) -> None:
        """A request that is answered with a status.

        Raises:
            OSError: what the status says.
            LibraryOffline: the session has ended.
        """
        reply = await self.ask(kind, body)
        self.expect(reply, wire.STATUS)

    async def extended(self, name: bytes, body: bytes) -> None:
        """An extension that is answered with a status; raises as `status`."""
        await self.status(wire.EXTENDED, wire.text(name) + body)

    async def ask(self, kind: int, body: bytes) -> Reply:
        """Any request; raises as `status`."""
        return await self.request(kind, body)

    def expect(self, reply: Reply, kind: int) -> Reply | None:
        """The body of a reply of a kind; None at an end that a status says.

        Raises:
            OSError: what a status says.
            LibraryOffline: a reply of another kind: the session is of no use any more.
        """
        if reply.kind == wire.STATUS:
            is_ok = wire.raise_status(reply)
            if kind == wire.STATUS and is_ok:
                return None
            if kind == wire.STATUS:
                raise OSError(errno.EIO, "end of file")
            if not is_ok:
                return None
        elif reply.kind == kind:
            return reply
        self.fail(f"the server answered with a message of kind {reply.kind}, not {kind}")
        assert self.error is not None  # noqa: S101 - set by the line above
        raise self.error

    async def in_order(self, *requests: tuple[int, bytes]) -> None:
        """Requests that are answered with a status and build on each other; see `replies`.

        Raises:
            OSError: what the first status that is not well says.
        """
        for reply in await self.replies(*requests):
            self.expect(reply, wire.STATUS)

    async def replies(self, *requests: tuple[int, bytes]) -> list[Reply]:
        """The replies to requests that build on each other.

        OpenSSH works them off one by one, each whatever became of those before it: nothing is
        waited for in between. Another server gets each of them after the reply to the one before,
        and none after a status that is not well: the list is shorter then.
        """
        if self.is_openssh:
            return await all_of([self.request(kind, body) for kind, body in requests])
        found: list[Reply] = []
        for kind, body in requests:
            found.append(await self.ask(kind, body))
            if found[-1].is_refusal:
                break
        return found

    async def greeted(self) -> Reply:
        """Waits for the server's first words.

        Raises:
            LibraryOffline: the session has ended, or it says nothing.
        """
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._greeting
        except TimeoutError:
            self.fail(_silence())
            assert self.error is not None  # noqa: S101 - set by the line above
            raise self.error from None

    def _look_at_waiting(self) -> None:
        """Ends the session when a request waits in vain: nothing came, or only what was sent long after it."""
        self._watch = None
        if not self._waiting or self.error is not None:
            return
        _, _, sent_at = next(iter(self._waiting.values()))
        now = self._loop.time()
        since = max(sent_at, self._heard_at)
        if now - since >= ANSWER_S or self._heard_of - sent_at >= ANSWER_S:
            self.fail(_silence())
            return
        self._watch = self._loop.call_at(since + ANSWER_S, self._look_at_waiting)

    def _send(self, kind: int, *parts: bytes | memoryview) -> None:
        if self._channel is None or self._channel.is_closing():
            self.fail("the channel is closed")
            return
        size = 1 + sum(map(len, parts))
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing += (wire.number(size), bytes((kind,)))
        self._outgoing_bytes += size
        if size >= _ALONE_BYTES:
            self._outgoing += parts
            self._flush()
            return
        self._outgoing += map(bytes, parts)
        if self._outgoing_bytes >= _TOGETHER_BYTES:
            self._flush()

    def _flush(self) -> None:
        """Requests of one turn of the loop go out together; no request waits for a later turn."""
        outgoing, self._outgoing, self._outgoing_bytes = self._outgoing, [], 0
        if not outgoing or self._channel is None or self.error is not None:
            return
        try:
            if self._packets is not None:
                self._packets.write(outgoing)
            else:
                self._channel.write(b"".join(outgoing))
        except (OSError, asyncssh.Error) as err:
            self.fail(str(err))

    def _take_packets(self, data: bytes) -> int:
        """Takes the whole packets at the beginning; returns where the rest begins, and learns how long that will be."""
        view, at = memoryview(data), 0
        self._needed = 4
        while len(data) - at >= 4:
            self._needed = 4 + int.from_bytes(data[at : at + 4], "big")
            if not 4 + 5 <= self._needed <= wire.MAX_REPLY_BYTES:
                self._needed = 4
                self.fail("what answers does not speak SFTP: does a login script print something?")
                return len(data)
            if len(data) - at < self._needed:
                break
            self._deliver(view[at + 4 : at + self._needed])
            at += self._needed
            self._needed = 4
        return at

    def _deliver(self, packet: memoryview) -> None:
        if packet[0] == wire.VERSION_REPLY:
            if not self._greeting.done():
                self._greeting.set_result(Reply(packet[0], packet[1:]))
            return
        number = int.from_bytes(packet[1:5], "big")
        entry = self._waiting.pop(number, None)
        if entry is None:
            self.fail("the server answered what was not asked")
            return
        future, weighs, sent_at = entry
        self._flight -= weighs
        self._heard_of, self._heard_at = max(self._heard_of, sent_at), self._loop.time()
        if not future.done():
            future.set_result(Reply(packet[0], packet[5:]))
        while self._room and weighs:
            turn = self._room.popleft()
            if not turn.done():
                turn.set_result(None)
                break


def _silence() -> str:
    return f"the server did not answer for {ANSWER_S:.0f} seconds"
