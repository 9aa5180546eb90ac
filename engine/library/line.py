"""What is known of the line to a library on the network: latency, connections, limits, what it lacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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
