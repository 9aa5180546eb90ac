"""Runs orders to their end, for tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from engine.transfer.cancel import CancelToken
from engine.transfer.orders import TransferOrder, TransferResult
from engine.transfer.run import TransferRun
from engine.transfer.throttle import Throttle


class Session:
    """One run over a fixed list of orders; keeps the results in the order of their ends."""

    def __init__(
        self,
        orders: Iterable[TransferOrder],
        *,
        streams: int = 2,
        throttle: Throttle | None = None,
        memory_bytes: int = 16 * 1024 * 1024,
        grace_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cancel = CancelToken()
        self.results: list[TransferResult] = []
        self.pulled = 0
        self._orders = iter(orders)
        self.run = TransferRun(
            streams=streams,
            throttle=throttle or Throttle(),
            cancel=self.cancel,
            on_result=self._on_result,
            memory_bytes=memory_bytes,
            grace_s=grace_s,
            clock=clock,
        )

    async def _on_result(self, result: TransferResult) -> None:
        self.results.append(result)

    async def next_order(self) -> TransferOrder | None:
        order = next(self._orders, None)
        self.pulled += order is not None
        return order

    async def to_end(self) -> list[TransferResult]:
        await self.run.run(self.next_order)
        return self.results


async def copy(*orders: TransferOrder, **options: object) -> list[TransferResult]:
    """Runs orders to the end."""
    return await Session(orders, **options).to_end()  # type: ignore[arg-type]
