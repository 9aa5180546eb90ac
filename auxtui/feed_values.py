"""What the feed tells every screen; plain values, so that pure modules can take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engine.catalog.running_values import JobValue, ServiceValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """The service and the jobs of the moment."""

    service: ServiceValue | None
    """Without its heartbeat, which changes every second and is not shown."""
    service_alive: bool
    """A service holds the lock of this catalog."""
    active: tuple[JobValue, ...]
    recent: tuple[JobValue, ...]
    """Those that ended within the last five minutes, the last one first."""
    at: datetime = field(compare=False)
    """When the catalog was looked at."""
    streams_in_use: Mapping[str, int] = field(default_factory=dict)
    """Streams at work by MediaAgent."""
    silent_s: int = 0
    """Seconds since the last heartbeat, in steps of ten; 0 while it is fresh."""
    clock_set_by: timedelta = timedelta(0)
    """How far the clock of this host was set a short while ago; negative: back."""
