"""Adds one schedule to the configuration, by the same rules as a site file that names it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import tomli_w
from sqlmodel import Session

from engine.catalog.opening import Catalog
from engine.catalog.schedules import SYSTEM_SCHEDULES
from engine.model.errors import UsageError
from engine.model.names import shown
from engine.model.states import Operation
from engine.policy.schedule import refuse_never
from engine.policy.values import RunOptions
from engine.site.configuration import Configuration, ScheduleItem
from engine.site.current import current_configuration
from engine.site.diffing import Difference
from engine.site.reading_rules import read_schedules
from engine.site.rendering import differing
from engine.site.run_form import form_values
from engine.site.section import Section, SiteText
from engine.site.storing import store


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSchedule:
    """A schedule of the auxiliary copy operation that somebody asks for."""

    name: str
    policy: str
    when: str
    options: RunOptions
    time_zone: str = ""
    """IANA name; empty: that of the CommCell."""


def add_schedule(catalog: Catalog, wanted: NewSchedule, *, dry_run: bool, now: datetime) -> str:
    """Adds a schedule; it is part of the configuration and of its export from then on.

    Args:
        catalog: an open catalog.
        wanted: what is asked for.
        dry_run: only check it.
        now: aware UTC.

    Returns:
        Its table as it is to stand in a site file.

    Raises:
        UsageError: the name is taken, or something is wrong; nothing was changed.
    """
    if dry_run:
        with catalog.read() as session:
            return _text(*_checked(session, wanted, now))
    with catalog.write() as session:
        item, current = _checked(session, wanted, now)
        store(session, Difference(added=[item], changed=[], removed=[]))
    return _text(item, current)


def _checked(
    session: Session, wanted: NewSchedule, now: datetime
) -> tuple[ScheduleItem, Configuration]:
    current = current_configuration(session)
    if wanted.name in current.schedules or wanted.name in SYSTEM_SCHEDULES:
        raise UsageError(
            f'there is a schedule "{shown(wanted.name)}" already',
            hint="take another name, or change it in the site file",
        )
    table: dict[str, Any] = {
        "operation": Operation.AUXCOPY.value,
        "policy": wanted.policy,
        "when": wanted.when,
        "options": form_values(wanted.options),
    }
    if wanted.time_zone:
        table["time_zone"] = wanted.time_zone
    tables = {"schedules": {wanted.name: table}}
    read_schedules(Section(SiteText("", ""), (), tables, ("schedules",)), current)
    item = current.schedules[wanted.name]
    refuse_never(item.spec, item.time_zone, now)
    return item, current


def _text(item: ScheduleItem, current: Configuration) -> str:
    return tomli_w.dumps({"schedules": {item.name: differing(item, current.commcell)}})
