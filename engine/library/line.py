"""What is known of the line to a library on the network: latency, connections, limits, what it lacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NEAR_S = 0.005
FAR_S = 0.020
_JOBS_NEAR, _JOBS_BETWEEN, _JOBS_FAR = 8, 24, 64


def jobs_at_once(library: object) -> int:
    """Small job copies that are best under way at once to or from a library: a long line wants many."""
    latency_s: float = getattr(library, "latency_s", 0.0)
    if latency_s < NEAR_S:
        return _JOBS_NEAR
    return _JOBS_BETWEEN if latency_s < FAR_S else _JOBS_FAR


@dataclass(frozen=True, slots=True, kw_only=True)
class LineState:
    """The way to a remote library as its last use found it; kept in the catalog as JSON."""

    transport: str
    """Kind of the library, e.g. `sftp`."""
    peer: str
    """What answers at the other end, for people."""
    latency_s: float | None = None
    """Round trip of the smallest request, in seconds; None: not measured."""
    connections: int = 0
    """How many are open."""
    limits: tuple[str, ...] = ()
    """What bounds the transfer there, one sentence each."""
    offers: tuple[str, ...] = ()
    """Capabilities that were found, one word each."""
    lacks: tuple[str, ...] = ()
    """What is missing, and what follows from it; one sentence each."""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "transport": self.transport,
            "peer": self.peer,
            "latency_ms": None if self.latency_s is None else round(self.latency_s * 1000, 3),
            "connections": self.connections,
            "limits": list(self.limits),
            "offers": list(self.offers),
            "lacks": list(self.lacks),
        }
