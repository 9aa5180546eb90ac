"""The rate limit of a run or of a destination: a token bucket that goes into debt.

A taker waits until the bucket is not in debt, then takes all it wants at once; so between two
instants no more passes than the rate allows plus the bucket's depth and one piece. The bucket is
filled a little slower than asked, by more than those two make up in a minute: the limit is kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from engine.transfer.cancel import CancelToken

FILL_RATIO = 0.99  # of the rate; a minute has 0.6 s of the rate to spare for depth and one piece
DEPTH_S = 0.05  # seconds of the rate that an idle throttle saves up
PIECE_S = 0.1  # seconds of the rate in one piece: 1 % over 10 s
LOOK_S = 0.05  # a waiting taker looks again this often, for a changed rate
BINDING_S = 1.0  # how long after a wait the throttle is said to be what limits
MIN_PIECE_BYTES = 4096  # a page; direct I/O goes no lower


class Throttle:
    """Token bucket in bytes per second, and a hold; thread-safe, changeable while running.

    Args:
        rate_bps: bytes per second, over 0; None for no limit.
        clock: monotonic seconds.
    """

    def __init__(
        self, rate_bps: int | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._rate_bps: int | None = None
        self._level_bytes = 0.0
        self._filled_at_s = clock()
        self._waited_at_s: float | None = None
        self._is_held = False
        self.set_rate(rate_bps)

    @property
    def rate_bps(self) -> int | None:
        """Bytes per second; None for no limit."""
        return self._rate_bps

    @property
    def is_binding(self) -> bool:
        """True when somebody had to wait for it within the last second."""
        waited_at_s = self._waited_at_s
        return waited_at_s is not None and self._clock() - waited_at_s < BINDING_S

    def hold(self, holds: bool) -> None:
        """Lets nothing pass, or lets it pass again; what was taken already goes on."""
        self._is_held = holds

    def set_rate(self, rate_bps: int | None) -> None:
        """Changes the rate from now on, also for takers that wait; what was saved up is forfeited.

        Raises:
            ValueError: the rate is not over 0.
        """
        if rate_bps is not None and rate_bps <= 0:
            raise ValueError(f"a rate must be over 0 bytes per second, not {rate_bps}")
        with self._lock:
            self._fill()
            self._rate_bps = rate_bps
            self._waited_at_s = None
            self._level_bytes = min(self._level_bytes, 0.0)

    def piece_bytes(self, most_bytes: int) -> int:
        """How much to take at once so that the rate is even: whole pages, at most `most_bytes`."""
        rate = self._rate_bps
        if rate is None:
            return most_bytes
        pages = int(rate * PIECE_S) // MIN_PIECE_BYTES
        return min(most_bytes, max(MIN_PIECE_BYTES, pages * MIN_PIECE_BYTES))

    def take(self, count_bytes: int, cancel: CancelToken) -> None:
        """Blocks until `count_bytes` may pass.

        Raises:
            Cancelled: while waiting or before; nothing was taken.
        """
        while True:
            cancel.raise_if_cancelled()
            if self._is_held:
                wait_s = LOOK_S
            elif self._rate_bps is None:
                return
            else:
                wait_s = self._try_take(count_bytes)
            if wait_s <= 0:
                return
            self._waited_at_s = self._clock()
            cancel.wait(min(wait_s, LOOK_S))

    def _try_take(self, count_bytes: int) -> float:
        """Takes and returns 0, or returns the seconds until the debt is paid."""
        with self._lock:
            if self._rate_bps is None:
                return 0.0
            self._fill()
            if self._level_bytes < 0:
                return max(-self._level_bytes / (self._rate_bps * FILL_RATIO), 1e-4)
            self._level_bytes -= count_bytes
            return 0.0

    def _fill(self) -> None:
        now_s = self._clock()
        if self._rate_bps is not None:
            filled = (now_s - self._filled_at_s) * self._rate_bps * FILL_RATIO
            self._level_bytes = min(self._level_bytes + filled, self._rate_bps * DEPTH_S)
        self._filled_at_s = now_s
