"""How much of the time copies may run while the host is busy with something else. Pure.

The pressure is that of everything but the copies: it is measured while they hold still.
"""

from __future__ import annotations

from typing import NamedTuple

FLOOR = 0.1  # of the time: a host that is always busy gets its copies all the same
CALM = 0.5  # of the limit: below it the host is at rest again; between the two nothing changes
CALM_LOOKS = 2  # in a row, before more is taken


class Pressure(NamedTuple):
    """The share of the time in which something had to wait, in percent."""

    io: float
    """For a disk."""
    cpu: float
    """For a processor."""


class BackOff:
    """Gives way in halves and comes back in doubles, later than it gave way."""

    def __init__(self) -> None:
        self.share = 1.0
        """Of the time in which copies may run, `FLOOR` to 1."""
        self.reason = ""
        """Why it is not all, for an administrator."""
        self._calm = 0

    def look(self, pressure: Pressure | None, limit_percent: int | None) -> None:
        """Takes in what was measured.

        Args:
            pressure: of everything else; None where it is not known.
            limit_percent: above it copies give way; None: never.
        """
        if pressure is None or limit_percent is None:
            self._set(1.0, "")
            return
        worst, kind = max((pressure.io, "io"), (pressure.cpu, "cpu"))
        if worst > limit_percent:
            self._calm = 0
            self._set(max(FLOOR, self.share / 2), f"{kind} pressure {worst:.0f} %")
        elif self.share < 1.0:
            self._calm = self._calm + 1 if worst <= limit_percent * CALM else 0
            if self._calm >= CALM_LOOKS:
                self._calm = 0
                self._set(min(1.0, self.share * 2), f"{kind} pressure {worst:.0f} % now")
            else:
                self._set(self.share, f"{kind} pressure {worst:.0f} % now")

    def _set(self, share: float, why: str) -> None:
        self.share = share
        kept = f"kept to {share * 100:.0f} % of the time"
        self.reason = f"the host is busy: {why}, {kept}" if share < 1.0 else ""
