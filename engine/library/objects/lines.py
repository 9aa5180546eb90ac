"""Connections to one server, kept from one request to the next. On the loop of its store.

For requests that are in memory whole and whose answers are small: each goes out at once and comes
back to one future. The way through aiohttp costs several times as much CPU; it has what
bodies need that are read or written bit by bit.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import NamedTuple, cast

from engine.library.objects.answers import Answer, AnswerReader, CutOffError, GarbledError

IDLE_S = 12.0  # longer, and many a server has closed it
_BUFFER_BYTES = 96 * 1024  # of each connection, for what comes: a small file and its head
_NEXT_ADDRESS_S = (
    0.25  # the next address of a host is tried beside one that says nothing for so long
)


class Request(NamedTuple):
    """A request as it goes out."""

    head: bytes
    body: bytes | memoryview = b""
    is_look: bool = False
    """Its method is HEAD: no body comes with the answer."""


class UnreachedError(Exception):
    """No connection could be made.

    Args:
        why: what the system said.
    """

    def __init__(self, why: OSError) -> None:
        super().__init__(str(why))
        self.why = why


class LostError(ConnectionError):
    """A connection ended before the answer had come."""


class Lines:
    """The connections to one server.

    Args:
        host: name or address.
        port: of it.
        tls: how it is proved who answers; None: nothing is encrypted.
        at_most: connections at once; whoever wants more waits.
        connect_s: how long to wait for one.
    """

    def __init__(
        self, host: str, port: int, *, tls: ssl.SSLContext | None, at_most: int, connect_s: float
    ) -> None:
        self._host, self._port, self._tls = host, port, tls
        self._connect_s = connect_s
        self._room = asyncio.Semaphore(at_most)
        self._idle: list[tuple[_Line, float]] = []
        self._busy = 0
        self._is_closed = False

    @property
    def count(self) -> int:
        """How many are open, idle ones among them."""
        return self._busy + sum(line.is_open for line, _ in self._idle)

    async def ask(self, request: Request, *, silence_s: float) -> Answer:
        """Sends a request and reads the answer whole.

        A kept connection that ends before anything has come was closed by the server while
        nobody used it: the request goes out once more, over a new one. So every request must be
        one that may be repeated.

        Args:
            request: its body is not touched any more on return.
            silence_s: how long nothing may move.

        Raises:
            UnreachedError: there is no connection.
            LostError, OSError: it ended.
            TimeoutError: nothing moved for too long.
            GarbledError: what came is no answer, or its end is missing.
        """
        async with self._room:
            self._busy += 1
            try:
                line = self._kept()
                if line is not None:
                    try:
                        return await self._asked(line, request, silence_s)
                    except OSError as err:
                        if line.has_heard or isinstance(err, TimeoutError):
                            raise
                return await self._asked(await self._opened(), request, silence_s)
            finally:
                self._busy -= 1

    async def close(self) -> None:
        """Closes those that are idle; the others are closed when their answer is there."""
        self._is_closed = True
        idle, self._idle = self._idle, []
        for line, _ in idle:
            line.drop()
        await asyncio.sleep(0)  # the loop closes the sockets in its next turn

    async def _asked(self, line: _Line, request: Request, silence_s: float) -> Answer:
        answer = await line.ask(request, silence_s=silence_s)
        if answer.keeps and line.is_open and not self._is_closed:
            self._idle.append((line, time.monotonic()))
        else:
            line.drop()
        return answer

    def _kept(self) -> _Line | None:
        """The one that was used last; those that nobody used for long are closed."""
        while self._idle:
            line, since = self._idle.pop()
            if line.is_open and time.monotonic() - since < IDLE_S:
                return line
            line.drop()
        return None

    async def _opened(self) -> _Line:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_s):
                _, line = await loop.create_connection(
                    lambda: _Line(loop),
                    self._host,
                    self._port,
                    ssl=self._tls,
                    server_hostname=self._host if self._tls else None,
                    happy_eyeballs_delay=_NEXT_ADDRESS_S,
                )
        except TimeoutError:
            raise
        except OSError as err:
            raise UnreachedError(err) from err
        return line


class _Exchange:
    """One request on a connection: who waits for its answer, and what has come of it.

    Args:
        answer: of whoever waits.
        to_head: no body comes with it.
    """

    def __init__(self, answer: asyncio.Future[Answer], *, to_head: bool) -> None:
        self.answer = answer
        self.reader = AnswerReader(to_head=to_head)
        self.received_bytes = 0

    @property
    def is_over(self) -> bool:
        """Nobody waits any more."""
        return self.answer.done()


class _Line(asyncio.BufferedProtocol):
    """One connection: one request at a time.

    Args:
        loop: that it runs on.
    """

    _transport: asyncio.Transport  # from `connection_made` on, which is before all else

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._exchange: _Exchange | None = None
        self._watch: asyncio.TimerHandle | None = None
        self.has_heard = False
        """Something has come since the last request."""

    @property
    def is_open(self) -> bool:
        """True while a request can be sent."""
        return not self._transport.is_closing()

    async def ask(self, request: Request, *, silence_s: float) -> Answer:
        """See `Lines.ask`; whatever fails here closes it."""
        exchange = _Exchange(self._loop.create_future(), to_head=request.is_look)
        self._exchange, self.has_heard = exchange, False
        self._transport.write(request.head)
        if request.body:  # not joined to the head: new memory costs more than another write
            self._transport.write(request.body)
        self._watched(exchange, silence_s)
        try:
            return await exchange.answer
        except BaseException:
            self.drop()  # what comes later is the answer to nothing
            raise
        finally:
            self._exchange = None
            if self._watch is not None:
                self._watch.cancel()
                self._watch = None

    def drop(self) -> None:
        """Closes it at once."""
        self._transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.Transport", transport)  # a stream's goes both ways

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go; always the same."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes of an answer."""
        exchange = self._exchange
        if exchange is None or exchange.is_over:
            self.drop()  # nobody has asked for this
            return
        self.has_heard = True
        exchange.received_bytes += nbytes
        try:
            answer = exchange.reader.feed(self._buffer[:nbytes])
        except GarbledError as err:
            exchange.answer.set_exception(err)
            return
        if answer is not None:
            self._tell(exchange, answer)

    def eof_received(self) -> None:
        """Nothing comes any more; asyncio closes it."""
        exchange = self._exchange
        if exchange is None or exchange.is_over or not self.has_heard:
            return
        try:
            self._tell(exchange, exchange.reader.end())
        except CutOffError as err:
            exchange.answer.set_exception(err)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        exchange = self._exchange
        if exchange is None or exchange.is_over:
            return
        if self.has_heard:
            exchange.answer.set_exception(CutOffError("its end is missing"))
        else:
            exchange.answer.set_exception(exc or LostError("the server closed the connection"))

    def _tell(self, exchange: _Exchange, answer: Answer) -> None:
        is_sent = not self._unsent_bytes()  # else the rest of the request is still on its way
        exchange.answer.set_result(answer if is_sent else answer._replace(keeps=False))

    def _watched(self, exchange: _Exchange, silence_s: float) -> None:
        self._watch = self._loop.call_later(
            silence_s, self._look_for_silence, exchange, silence_s, self._seen(exchange)
        )

    def _look_for_silence(
        self, exchange: _Exchange, silence_s: float, before: tuple[int, int]
    ) -> None:
        """Ends a request of which nothing was sent and nothing came since it was looked at last."""
        if exchange.is_over:
            return
        if self._seen(exchange) != before:
            self._watched(exchange, silence_s)
            return
        exchange.answer.set_exception(TimeoutError("no answer"))

    def _seen(self, exchange: _Exchange) -> tuple[int, int]:
        return self._unsent_bytes(), exchange.received_bytes

    def _unsent_bytes(self) -> int:
        return self._transport.get_write_buffer_size()
