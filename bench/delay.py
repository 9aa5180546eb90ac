"""A TCP proxy that delays every byte: a long line on one host. Prints its port, then serves.

python -m bench.delay TARGET_PORT ONE_WAY_SECONDS [LOSS_RATIO]

Loss is emulated: where a segment would be lost, all that follows on its connection waits as long as
Linux waits at least before it sends one again. Nothing is lost really, no sender slows down by it,
and no loss is repaired sooner, as it would be where more segments follow.
"""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import suppress

BLOCK_BYTES = 256 * 1024
WINDOW_BYTES = 64 * 1024**2  # on its way at once: more than any program here keeps
SEGMENT_BYTES = 1448  # of TCP on Ethernet
RETRANSMIT_S = 0.2


class Loss:
    """How long what is sent has to wait for segments that are lost.

    Args:
        ratio: of segments that are lost, 0 to 1.
        stall_s: that one holds up what follows it.
        seed: of the chance.
    """

    def __init__(self, ratio: float = 0.0, *, stall_s: float = RETRANSMIT_S, seed: int = 0) -> None:
        self._ratio = ratio
        self._stall_s = stall_s
        self._numbers = random.Random(seed)  # noqa: S311 - rounds are to be repeated
        self.stalls = 0

    def wait_s(self, size_bytes: int) -> float:
        """For a block of so many bytes."""
        segments = -(-size_bytes // SEGMENT_BYTES)
        if self._numbers.random() >= 1 - (1 - self._ratio) ** segments:
            return 0.0
        self.stalls += 1
        return self._stall_s


async def pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float, loss: Loss
) -> None:
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
            await queue.put((loop.time() + delay_s + loss.wait_s(len(data)), data))
    await queue.put((loop.time() + delay_s, b""))
    with suppress(OSError):
        await delivering


async def serve(target: int, delay_s: float, loss: Loss) -> None:
    """Serves until the process ends."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(
            pump(reader, far_writer, delay_s, loss), pump(far_reader, writer, delay_s, loss)
        )

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]), Loss(float([*sys.argv, "0"][3]))))
