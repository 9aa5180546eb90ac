"""Times on the command line: in the time zone of the CommCell, which is always named.

Schedules and operation windows are told in the zones of their own. Documents hold ISO 8601 with
offset and are no matter of this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cached_property

from auxtui import format as fmt
from engine.catalog.home import Home


@dataclass(frozen=True)
class Times:
    """How times are told in one zone."""

    zone_name: str

    @cached_property
    def zone(self) -> tzinfo:
        """The zone."""
        from engine.policy.zones import zone_of

        return zone_of(self.zone_name)

    def cell(self, at: datetime | None, *, now: datetime | None = None) -> str:
        """A time below a heading that names the zone; a dash for none."""
        return fmt.moment(at, self.zone, now=now) if at else "-"

    def exact(self, at: datetime | None) -> str:
        """As `cell`, with seconds."""
        return fmt.moment_to_the_second(at, self.zone)

    def named(self, at: datetime | None) -> str:
        """A time with its zone, to stand alone; a dash for none."""
        return f"{self.cell(at)} {self.zone_name}" if at else "-"

    def heading(self, word: str) -> str:
        """A heading of cells in this zone."""
        return f"{word}\n{self.zone_name}"


def times_of(home: Home) -> Times:
    """The times of a CommCell; in UTC where there is no catalog."""
    if not home.catalog.exists():
        return Times("UTC")
    from engine.catalog.live import LiveCatalog

    with LiveCatalog(home.catalog) as live:
        return Times(live.time_zone())
