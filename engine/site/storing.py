"""Writes a difference into the rows of the configuration, inside the caller's transaction."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlmodel import Session, SQLModel, col, delete, select, update

from engine.catalog.schedules import move_system_schedules
from engine.catalog.tables import (
    Alert,
    Client,
    CommCell,
    DataPath,
    Job,
    JobCopy,
    JobItem,
    LandingObservation,
    Library,
    MediaAgent,
    OperationWindow,
    PolicyCopy,
    Schedule,
    StoragePolicy,
    Subclient,
)
from engine.site.backup_keys import store_backup_keys
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
from engine.site.diffing import Difference
from engine.site.upkeep import store_upkeep

Row = TypeVar("Row", bound=SQLModel)


def store(session: Session, found: Difference) -> None:
    """Makes, changes and removes rows; what refers to others finds them by name.

    The difference is known to be allowed: nothing that is removed is still needed.
    """
    for item in found.added:
        _write(session, item)
        session.flush()
    for _, item in found.changed:
        _write(session, item)
        session.flush()
    copies = [item for item in found.added if isinstance(item, CopyItem)]
    copies += [item for _, item in found.changed if isinstance(item, CopyItem)]
    for copy in copies:  # its source may be younger than itself
        row = _copy_row(session, copy)
        row.source_copy_id = _copy_id(session, copy.policy, copy.source) if copy.source else None
    session.flush()
    _forget_sources(session, [item for item in found.removed if isinstance(item, CopyItem)])
    for item in found.removed:
        _remove(session, item)
        session.flush()


def _named(session: Session, table: type[Row], name: str) -> Row:
    return session.exec(select(table).where(col(table.name) == name)).one()  # type: ignore[attr-defined]


def _id_of(row: Client | Library | MediaAgent | StoragePolicy) -> int:
    if row.id is None:
        raise AssertionError(f"{row.name} is not flushed yet")
    return row.id


def _fresh_or_there(session: Session, table: type[Row], name: str, **required: Any) -> Row:
    found = session.exec(select(table).where(col(table.name) == name)).one_or_none()  # type: ignore[attr-defined]
    row = found if found is not None else table(name=name, **required)
    session.add(row)
    return row


def _write(session: Session, item: Item) -> None:
    match item:
        case CommCellItem():
            _write_commcell(session, item)
        case MediaAgentItem():
            agent = _fresh_or_there(session, MediaAgent, item.name)
            agent.time_zone, agent.max_streams = item.time_zone, item.max_streams
        case LibraryItem():
            _write_library(session, item)
        case ClientItem():
            _fresh_or_there(session, Client, item.name)
        case PolicyItem():
            policy = _fresh_or_there(session, StoragePolicy, item.name)
            policy.description, policy.behind = item.description, dict(item.behind)
        case CopyItem():
            _write_copy(session, item)
        case SubclientItem():
            _write_subclient(session, item)
        case WindowItem():
            _write_window(session, item)
        case ScheduleItem():
            _write_schedule(session, item)
        case AlertItem():
            alert = _fresh_or_there(session, Alert, item.name, to=item.to)
            alert.on_events, alert.to = list(item.on_events), item.to
            alert.options = dict(item.options)


def _write_commcell(session: Session, item: CommCellItem) -> None:
    cell = session.exec(select(CommCell)).one()
    cell.name, cell.time_zone = item.name, item.time_zone
    move_system_schedules(session, item.time_zone)
    cell.queue_conflicting_auxcopy_jobs = item.queue_conflicting_auxcopy_jobs
    cell.auxcopy_not_pick_new_backups = item.auxcopy_not_pick_new_backups
    cell.day_start_s, cell.week_start = item.day_start_s, item.week_start
    cell.month_start_day = item.month_start_day
    cell.behind_bytes, cell.history_s = item.behind.size_bytes, item.history_s
    cell.age_identity_files = list(item.age_identity_files)
    cell.yield_percent = item.yield_percent
    cell.behind_bytes = item.behind.size_bytes
    cell.behind_age_s, cell.behind_time_s = item.behind.age_s, item.behind.time_s


def _write_library(session: Session, item: LibraryItem) -> None:
    library = _fresh_or_there(session, Library, item.name, url=item.url)
    library.url, library.writers = item.url, item.writers
    session.flush()
    session.exec(delete(DataPath).where(col(DataPath.library_id) == library.id))
    urls = dict(item.paths)
    for position, name in enumerate(item.media_agents):
        agent = _named(session, MediaAgent, name)
        session.add(
            DataPath(
                library_id=_id_of(library),
                media_agent_id=_id_of(agent),
                position=position,
                url=urls.get(name, ""),
            )
        )


def _copy_row(session: Session, item: CopyItem) -> PolicyCopy:
    policy = _named(session, StoragePolicy, item.policy)
    found = session.exec(
        select(PolicyCopy).where(PolicyCopy.policy_id == policy.id, PolicyCopy.name == item.name)
    ).one_or_none()
    if found is not None:
        return found
    row = PolicyCopy(policy_id=_id_of(policy), name=item.name, kind=str(item.kind))
    session.add(row)
    return row


def _copy_id(session: Session, policy: str, name: str) -> int | None:
    owner = _named(session, StoragePolicy, policy)
    return session.exec(
        select(PolicyCopy.id).where(PolicyCopy.policy_id == owner.id, PolicyCopy.name == name)
    ).one()


def _write_copy(session: Session, item: CopyItem) -> None:
    row = _copy_row(session, item)
    row.kind = str(item.kind)
    row.library_id = _named(session, Library, item.library).id if item.library else None
    row.active, row.precedence = item.active, item.precedence
    row.retain_s, row.retain_cycles = item.retain_s, item.retain_cycles
    row.extended = [dict(rule) for rule in item.extended]
    row.worm, row.defer_s, row.on_and_after = item.worm, item.defer_s, item.on_and_after
    row.subclients = list(item.subclients)
    row.select_rule, row.select_every, row.take = item.select_rule, item.select_every, item.take
    row.compression, row.encrypt_to = item.compression, list(item.encrypt_to)
    row.throttle_bps = item.throttle_bps
    row.throttle_timetable = [dict(limit) for limit in item.throttle_timetable]
    row.reflink = item.reflink
    store_upkeep(row, item.upkeep)


def _write_subclient(session: Session, item: SubclientItem) -> None:
    client = _named(session, Client, item.client)
    policy = _named(session, StoragePolicy, item.policy)
    row = session.exec(
        select(Subclient).where(Subclient.client_id == client.id, Subclient.name == item.name)
    ).one_or_none()
    if row is None:
        row = Subclient(
            client_id=_id_of(client), name=item.name, policy_id=_id_of(policy), kind=str(item.kind)
        )
        session.add(row)
    row.policy_id, row.kind = _id_of(policy), str(item.kind)
    row.landing, row.pattern, row.settle_s = item.landing, item.pattern, item.settle_s
    row.level = str(item.level)
    row.content = list(item.content)
    store_backup_keys(row, item.backup)


def _write_window(session: Session, item: WindowItem) -> None:
    row = _fresh_or_there(session, OperationWindow, item.name)
    row.on_nodes, row.operations = list(item.on_nodes), list(item.operations)
    row.do_not_run = [dict(period) for period in item.do_not_run]
    row.time_zone = item.time_zone
    row.let_running_jobs_finish = item.let_running_jobs_finish
    row.do_not_submit = item.do_not_submit
    row.ignore_higher_levels = item.ignore_higher_levels


def _write_schedule(session: Session, item: ScheduleItem) -> None:
    row = _fresh_or_there(
        session, Schedule, item.name, operation=str(item.operation), spec=item.spec
    )
    if (row.spec, row.time_zone) != (item.spec, item.time_zone):
        row.next_run_at = None  # reckoned anew from the new times
    row.operation, row.spec = str(item.operation), item.spec
    row.policy_id = _named(session, StoragePolicy, item.policy).id if item.policy else None
    row.time_zone, row.enabled, row.options = item.time_zone, item.enabled, dict(item.options)
    row.start_missed = item.start_missed


def _forget_sources(session: Session, removed: list[CopyItem]) -> None:
    """Lets removed copies that read from each other go in any order."""
    for copy in removed:
        _copy_row(session, copy).source_copy_id = None
    session.flush()


def _remove(session: Session, item: Item) -> None:
    match item:
        case CopyItem():
            row = _copy_row(session, item)
            # Decisions on what it never got, and which run tried it, mean nothing without it.
            session.exec(delete(JobCopy).where(col(JobCopy.copy_id) == row.id))
            session.exec(delete(JobItem).where(col(JobItem.copy_id) == row.id))
            session.delete(row)
        case SubclientItem():
            _remove_subclient(session, item)
        case LibraryItem():
            library = _named(session, Library, item.name)
            session.exec(delete(DataPath).where(col(DataPath.library_id) == library.id))
            session.delete(library)
        case PolicyItem():
            policy = _named(session, StoragePolicy, item.name)
            # The history of its jobs stays, with the name that it had.
            session.exec(update(Job).where(col(Job.policy_id) == policy.id).values(policy_id=None))
            session.delete(policy)
        case CommCellItem():
            raise AssertionError("a configuration always has its CommCell")
        case _:
            session.delete(_named(session, _PLAIN_TABLES[item.kind_name], item.name))


_PLAIN_TABLES: dict[str, type[SQLModel]] = {
    MediaAgentItem.kind_name: MediaAgent,
    ClientItem.kind_name: Client,
    WindowItem.kind_name: OperationWindow,
    ScheduleItem.kind_name: Schedule,
    AlertItem.kind_name: Alert,
}


def _remove_subclient(session: Session, item: SubclientItem) -> None:
    client = _named(session, Client, item.client)
    row = session.exec(
        select(Subclient).where(Subclient.client_id == client.id, Subclient.name == item.name)
    ).one()
    session.exec(delete(LandingObservation).where(col(LandingObservation.subclient_id) == row.id))
    session.delete(row)
