"""Items as the keys and values of their table in the site file: what a diff compares and an export writes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from engine.model.states import CopyKind, Level, SubclientKind
from engine.policy.durations import format_duration, format_rate
from engine.policy.zones import zone_of
from engine.site.alert_keys import rendered_alert
from engine.site.backup_keys import rendered_backup_keys
from engine.site.configuration import (
    AlertItem,
    ClientItem,
    CommCellItem,
    CopyItem,
    Item,
    LibraryItem,
    MediaAgentItem,
    PolicyItem,
    ScheduleItem,
    SubclientItem,
    WindowItem,
)
from engine.site.reading_commcell import commcell_table, own_limits_table
from engine.site.reading_copies import FOR_EVER, PRIMARY_NAME, SECONDARY_ONLY
from engine.site.upkeep import rendered_upkeep

Table = dict[str, Any]


def rendered(item: Item, zone: str) -> Table:
    """Every key of an item's table, defaults included.

    Args:
        item: what is to be shown.
        zone: time zone of the CommCell, in which dates are meant.
    """
    match item:
        case CommCellItem():
            return commcell_table(item)
        case MediaAgentItem():
            return {"time_zone": item.time_zone, "max_streams": item.max_streams}
        case LibraryItem():
            return {
                "url": item.url,
                "media_agents": list(item.media_agents),
                "paths": dict(item.paths),
                "writers": item.writers,
            }
        case ClientItem():
            return {}
        case SubclientItem():
            return _subclient(item)
        case PolicyItem():
            return {"description": item.description, **own_limits_table(item.behind)}
        case CopyItem():
            return _copy(item, zone)
        case WindowItem():
            return _window(item)
        case ScheduleItem():
            return _schedule(item)
        case AlertItem():
            return rendered_alert(item)


def differing(item: Item, commcell: CommCellItem) -> Table:
    """The keys of an item's table that are not what they would be if they were left out."""
    zone = commcell.time_zone
    plain = rendered(_plain(item, commcell), zone)
    kept = _kept_always(item)
    if isinstance(item, CopyItem) and item.source:
        kept = (*kept, "source")  # also one that is named like the default
    return {
        key: value
        for key, value in rendered(item, zone).items()
        if key in kept or value != plain.get(key)
    }


def _plain(item: Item, commcell: CommCellItem) -> Item:
    """The item that a table with its essential keys alone would make."""
    match item:
        case CommCellItem():
            return CommCellItem(name=item.name, time_zone=item.time_zone)
        case MediaAgentItem():
            return MediaAgentItem(name=item.name, time_zone=commcell.time_zone)
        case LibraryItem():
            return LibraryItem(name=item.name, url="")
        case SubclientItem():
            return SubclientItem(
                client=item.client,
                name=item.name,
                policy="",
                kind=item.kind,
                content=item.content,
                level=Level.FULL if item.kind is SubclientKind.LANDING else Level.INCREMENTAL,
            )
        case PolicyItem():
            return PolicyItem(name=item.name)
        case CopyItem():
            return CopyItem(
                policy=item.policy, name=item.name, kind=item.kind, precedence=item.precedence
            )
        case WindowItem():
            return WindowItem(
                name=item.name,
                on_nodes=(),
                operations=(),
                do_not_run=(),
                time_zone=commcell.time_zone,
            )
        case ScheduleItem():
            return replace(
                item,
                policy="",
                time_zone=commcell.time_zone,
                enabled=True,
                start_missed=True,
                options={},
            )
        case AlertItem():
            return AlertItem(name=item.name, on_events=(), to="")
        case _:
            return item


def _kept_always(item: Item) -> tuple[str, ...]:
    match item:
        case CommCellItem():
            return ("name", "time_zone")
        case SubclientItem():
            return ("policy", "landing", "pattern", "content")
        case CopyItem(kind=CopyKind.SELECTIVE):
            return ("kind", "select", "take")
        case CopyItem(kind=CopyKind.SYNCHRONOUS):
            return ("kind",)
        case CopyItem() if item.name != PRIMARY_NAME:  # a copy that was promoted
            return ("kind",)
        case ScheduleItem():
            return ("operation", "when")
        case AlertItem():
            return ("on",)  # also an empty one: it tells of jobs that name it alone
        case _:
            return ()


def _subclient(item: SubclientItem) -> Table:
    if item.kind is SubclientKind.CONTENT:
        return {
            "policy": item.policy,
            "content": list(item.content),
            "level": str(item.level),
            **rendered_backup_keys(item.backup),
        }
    return {
        "policy": item.policy,
        "landing": item.landing,
        "pattern": item.pattern,
        "settle": format_duration(item.settle_s),
        "level": str(item.level),
    }


def _copy(item: CopyItem, zone: str) -> Table:
    table: Table = {
        "kind": str(item.kind),
        "library": item.library,
        "source": item.source or PRIMARY_NAME,
        "active": item.active,
        "precedence": item.precedence,
        "retain": FOR_EVER if item.retain_s is None else format_duration(item.retain_s),
        "retain_cycles": item.retain_cycles,
        "extended": [
            {"keep": rule["keep"], "retain": format_duration(rule["retain_s"])}
            for rule in item.extended
        ],
        "worm": item.worm,
        "defer": format_duration(item.defer_s),
        "on_and_after": _moment(item.on_and_after, zone),
        "subclients": list(item.subclients),
        "select": item.select_rule,
        "every": item.select_every,
        "take": item.take,
        "compression": item.compression,
        "encrypt_to": list(item.encrypt_to),
        "throttle": _throttle(item),
        "reflink": item.reflink,
        **rendered_upkeep(item.upkeep),
    }
    if item.kind is CopyKind.PRIMARY:
        table = {key: value for key, value in table.items() if key not in SECONDARY_ONLY}
    return table


def _moment(at: datetime | None, zone: str) -> str | None:
    """A date where it is the first moment of one in the zone, else a time in UTC."""
    if at is None:
        return None
    local = at.astimezone(zone_of(zone))
    if (local.hour, local.minute, local.second, local.microsecond) == (0, 0, 0, 0):
        day = local.replace(tzinfo=zone_of(zone), fold=0)
        if day.astimezone(UTC) == at:
            return local.date().isoformat()
    return at.astimezone(UTC).isoformat()


def _throttle(item: CopyItem) -> Any:
    if item.throttle_timetable:
        return [
            {key: value for key, value in row.items() if key != "limit_bps"}
            for row in item.throttle_timetable
        ]
    return None if item.throttle_bps is None else format_rate(item.throttle_bps, exact=True)


def _window(item: WindowItem) -> Table:
    return {
        "on": list(item.on_nodes),
        "operations": list(item.operations),
        "do_not_run": [dict(row) for row in item.do_not_run],
        "time_zone": item.time_zone,
        "let_running_jobs_finish": item.let_running_jobs_finish,
        "do_not_submit": item.do_not_submit,
        "ignore_higher_levels": item.ignore_higher_levels,
    }


def _schedule(item: ScheduleItem) -> Table:
    return {
        "operation": item.operation,
        "policy": item.policy,
        "when": item.spec,
        "time_zone": item.time_zone,
        "enabled": item.enabled,
        "missed": "start" if item.start_missed else "report",
        "options": dict(item.options),
    }
