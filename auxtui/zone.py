"""The zone in which the console tells times: that of the CommCell, as the command line does."""

from __future__ import annotations

from dataclasses import replace

from auxtui.present import Look
from engine.catalog.home import Home
from engine.catalog.live import LiveCatalog
from engine.model.errors import AuxError


def zoned(look: Look, home: Home) -> Look:
    """The look with the zone of the CommCell; as it is where there is no catalog that can be read."""
    if not home.catalog.exists():
        return look
    try:
        with LiveCatalog(home.catalog) as live:
            name = live.time_zone()
    except AuxError:
        return look  # the feed says what is wrong with the catalog
    return in_zone(look, name)


def in_zone(look: Look, name: str) -> Look:
    """The look with this zone, which is named where clocks of this host show another time."""
    from engine.policy.zones import zone_of

    zone, now = zone_of(name), look.clock()
    is_of_host = now.astimezone(zone).utcoffset() == now.astimezone().utcoffset()
    return replace(look, zone=zone, zone_name="" if is_of_host else name)
