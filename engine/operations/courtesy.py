"""Lets copies give way while the host is busy: holds them still, looks at its pressure, lets them go.

The kernel counts how long tasks wait for disks and processors (PSI), those of this process too: a
copy that has the disk to itself waits for it all the time. So the pressure is read while all copies
hold still, a tenth of the time; what is counted then is of somebody else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from engine.policy.kindness import BackOff, Pressure
from engine.transfer.throttle import Throttle

PRESSURE = Path("/proc/pressure")
PERIOD_S = 5.0
LEAST_HOLD_S = 0.5  # of each period
SETTLE_S = 0.1  # until pieces in flight have ended; they are not looked at

Sleep = Callable[[float], Awaitable[None]]


class Waited(NamedTuple):
    """How long something waited since the host started, in microseconds."""

    io_us: int
    cpu_us: int


def read_waited(directory: Path = PRESSURE) -> Waited | None:
    """What the kernel has counted; None where it does not count (no PSI, or it is switched off)."""
    try:
        return Waited(_total_us(directory / "io"), _total_us(directory / "cpu"))
    except (OSError, ValueError):  # some kernels have the files and refuse to read them
        return None


def _total_us(path: Path) -> int:
    """The total of the line `some avg10=0.00 avg60=0.00 avg300=0.00 total=12345`."""
    for line in path.read_text(encoding="ascii").splitlines():
        kind, *fields = line.split()
        if kind == "some":
            return int(dict(field.split("=", 1) for field in fields)["total"])
    raise ValueError("no line of this kind")


class Courtesy:
    """The kindness of one service; its owner calls `turn` again and again.

    Args:
        read: what the kernel has counted.
        clock: monotonic seconds.
        sleep: waits some seconds.
    """

    def __init__(
        self,
        read: Callable[[], Waited | None] = read_waited,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._read = read
        self._clock = clock
        self._sleep = sleep
        self._throttles: dict[int, Throttle] = {}
        self._back_off = BackOff()
        self._holds = False

    @property
    def reason(self) -> str:
        """Why copies do not run all the time; empty while they do."""
        return self._back_off.reason

    @property
    def has_guests(self) -> bool:
        """True while there is somebody who could give way."""
        return bool(self._throttles)

    def join(self, job_id: int, throttle: Throttle) -> None:
        """A job gives way from now on."""
        self._throttles[job_id] = throttle
        throttle.hold(self._holds)

    def leave(self, job_id: int) -> None:
        """A job ends."""
        throttle = self._throttles.pop(job_id, None)
        if throttle is not None:
            throttle.hold(False)
        if not self._throttles:
            self._back_off.look(None, None)  # the next one begins anew

    async def turn(self, limit_percent: int | None) -> None:
        """One period: holds still, looks, and lets go for the share of the time that is left.

        Args:
            limit_percent: above this pressure copies give way; None: they never do.
        """
        if limit_percent is None or not self._throttles or self._read() is None:
            self._back_off.look(None, None)
            return
        hold_s = max(LEAST_HOLD_S, (1 - self._back_off.share) * PERIOD_S)
        self._hold(True)
        try:
            await self._sleep(SETTLE_S)
            before, began_s = self._read(), self._clock()
            await self._sleep(hold_s - SETTLE_S)
            after, ended_s = self._read(), self._clock()
        finally:
            self._hold(False)
        self._back_off.look(_pressure(before, after, ended_s - began_s), limit_percent)
        await self._sleep(PERIOD_S - hold_s)

    def _hold(self, holds: bool) -> None:
        self._holds = holds
        for throttle in self._throttles.values():
            throttle.hold(holds)


def _pressure(before: Waited | None, after: Waited | None, seconds: float) -> Pressure | None:
    if before is None or after is None or seconds <= 0:
        return None
    per_percent_us = seconds * 1e4
    return Pressure(
        min(100.0, (after.io_us - before.io_us) / per_percent_us),
        min(100.0, (after.cpu_us - before.cpu_us) / per_percent_us),
    )
