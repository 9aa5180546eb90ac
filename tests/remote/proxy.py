"""A TCP proxy between a library and its host, which does to the bytes what a bad line does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from bench.delay import Loss
from engine.library.loopthread import LoopThread

_BLOCK_BYTES = 64 * 1024


class BadLine:
    """The proxy; its faults are set from a test, from any thread.

    Args:
        port: where the server listens.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._thread = LoopThread("bad line")
        self._writers: set[asyncio.StreamWriter] = set()
        self.refuses = False
        """New connections are closed at once."""
        self.delay_s = 0.0
        """One way."""
        self.loss = Loss()
        self.sent_bytes = 0
        """From the client to the server."""
        self.cut_after: int | None = None
        """Resets everything once so many bytes were sent."""
        self.flip_after: int | None = None
        """Changes one bit of what is sent beyond so many bytes."""
        self._server = self._thread.call(self._listen())
        self.port: int = self._server.sockets[0].getsockname()[1]

    def reset(self) -> None:
        """Cuts every connection off."""
        self._thread.call(self._reset())

    def close(self) -> None:
        """Ends it."""
        self._thread.call(self._close())
        self._thread.stop()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._connected, "127.0.0.1", 0)

    async def _close(self) -> None:
        self._server.close()
        await self._reset()

    async def _reset(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        try:
            await asyncio.gather(
                self._pump(reader, far_writer, self._sent),
                self._pump(far_reader, writer, lambda data: data),
            )
        finally:
            for one in (writer, far_writer):
                self._writers.discard(one)
                one.transport.abort()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        change: Callable[[bytes], bytes],
    ) -> None:
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1024)

        async def deliver() -> None:
            while True:
                due, data = await queue.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not data:
                    writer.close()
                    return
                writer.write(change(data))
                await writer.drain()

        delivering = asyncio.create_task(deliver())
        with suppress(OSError):
            while data := await reader.read(_BLOCK_BYTES):
                waits_s = self.delay_s + self.loss.wait_s(len(data))
                await queue.put((loop.time() + waits_s, data))
        await queue.put((loop.time() + self.delay_s, b""))
        with suppress(OSError):
            await delivering

    def _sent(self, data: bytes) -> bytes:
        before, self.sent_bytes = self.sent_bytes, self.sent_bytes + len(data)
        if self.cut_after is not None and self.sent_bytes > self.cut_after:
            self.cut_after = None
            for writer in list(self._writers):
                writer.transport.abort()
        if self.flip_after is not None and self.sent_bytes > self.flip_after:
            at = max(0, self.flip_after - before)
            self.flip_after = None
            return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        return data


@contextmanager
def bad_line(port: int) -> Iterator[BadLine]:
    """Such a line for a block."""
    line = BadLine(port)
    try:
        yield line
    finally:
        line.close()
