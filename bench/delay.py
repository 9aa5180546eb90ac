"""A TCP proxy that delays every byte: a long line on one host. Prints its port, then serves.

python -m bench.delay TARGET_PORT ONE_WAY_SECONDS
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

BLOCK_BYTES = 256 * 1024
WINDOW_BYTES = 64 * 1024**2  # on its way at once: more than any program here keeps


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Passes on what is read, later."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WINDOW_BYTES // BLOCK_BYTES)

    async def deliver() -> None:
        while True:
            due_s, data = await queue.get()
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            if not data:
                writer.close()
                return
            writer.write(data)
            await writer.drain()

    delivering = asyncio.create_task(deliver())
    with suppress(OSError):
        while data := await reader.read(BLOCK_BYTES):
            await queue.put((loop.time() + delay_s, data))
    await queue.put((loop.time() + delay_s, b""))
    with suppress(OSError):
        await delivering


async def serve(target: int, delay_s: float) -> None:
    """Serves until the process ends."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(pump(reader, far_writer, delay_s), pump(far_reader, writer, delay_s))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
