"""The configuration that a catalog holds, in the shape of a site file."""

from __future__ import annotations

from datetime import UTC

from sqlmodel import Session, select

from engine.catalog.schedules import SYSTEM_SCHEDULES
from engine.catalog.tables import (
    Alert,
    Client,
    CommCell,
    DataPath,
    Library,
    MediaAgent,
    OperationWindow,
    PolicyCopy,
    Schedule,
    StoragePolicy,
    Subclient,
)
from engine.model.states import CopyKind, SubclientKind
from engine.policy.backlog import BehindLimits
from engine.site.backup_keys import backup_keys_of
from engine.site.configuration import (
    AlertItem,
    ClientItem,
    CommCellItem,
    Configuration,
    CopyItem,
    LibraryItem,
    MediaAgentItem,
    PolicyItem,
    ScheduleItem,
    SubclientItem,
    WindowItem,
)
from engine.site.upkeep import upkeep_of


def current_configuration(session: Session) -> Configuration:
    """Reads all of the configuration."""
    cell = session.exec(select(CommCell)).one()
    current = Configuration(commcell=_commcell_item(cell))
    _add_media(session, current)
    policy_names = _add_policies(session, current)
    _add_clients(session, current, policy_names)
    _add_rules(session, current, policy_names)
    return current


def _commcell_item(cell: CommCell) -> CommCellItem:
    return CommCellItem(
        name=cell.name,
        time_zone=cell.time_zone,
        queue_conflicting_auxcopy_jobs=cell.queue_conflicting_auxcopy_jobs,
        auxcopy_not_pick_new_backups=cell.auxcopy_not_pick_new_backups,
        day_start_s=cell.day_start_s,
        week_start=cell.week_start,
        month_start_day=cell.month_start_day,
        history_s=cell.history_s,
        age_identity_files=tuple(cell.age_identity_files),
        yield_percent=cell.yield_percent,
        behind=BehindLimits(
            size_bytes=cell.behind_bytes, age_s=cell.behind_age_s, time_s=cell.behind_time_s
        ),
    )


def _add_media(session: Session, current: Configuration) -> None:
    agent_names: dict[int | None, str] = {}
    for agent in session.exec(select(MediaAgent).order_by(MediaAgent.name)):
        agent_names[agent.id] = agent.name
        current.media_agents[agent.name] = MediaAgentItem(
            name=agent.name, time_zone=agent.time_zone, max_streams=agent.max_streams
        )
    paths = sorted(session.exec(select(DataPath)), key=lambda path: path.position)
    for library in session.exec(select(Library).order_by(Library.name)):
        mine = [path for path in paths if path.library_id == library.id]
        current.libraries[library.name] = LibraryItem(
            name=library.name,
            url=library.url,
            media_agents=tuple(agent_names[path.media_agent_id] for path in mine),
            paths=tuple((agent_names[path.media_agent_id], path.url) for path in mine if path.url),
            writers=library.writers,
        )


def _add_policies(session: Session, current: Configuration) -> dict[int | None, str]:
    libraries = {row.id: row.name for row in session.exec(select(Library))}
    policies = list(session.exec(select(StoragePolicy).order_by(StoragePolicy.name)))
    names: dict[int | None, str] = {row.id: row.name for row in policies}
    for row in policies:
        current.policies[row.name] = PolicyItem(
            name=row.name, description=row.description, behind=dict(row.behind)
        )
    copies = list(session.exec(select(PolicyCopy)))
    copy_names = {row.id: row.name for row in copies}
    copies.sort(key=lambda row: (names[row.policy_id], row.precedence, row.name))
    for copy in copies:
        current.copies[names[copy.policy_id], copy.name] = _copy_item(
            copy,
            names[copy.policy_id],
            libraries[copy.library_id] if copy.library_id is not None else "",
            copy_names[copy.source_copy_id] if copy.source_copy_id is not None else "",
        )
    return names


def _copy_item(row: PolicyCopy, policy: str, library: str, source: str) -> CopyItem:
    kind = CopyKind(row.kind)
    if kind is CopyKind.PRIMARY:  # what was set while it was a secondary copy rests
        return CopyItem(
            policy=policy,
            name=row.name,
            kind=kind,
            precedence=row.precedence,
            library=library,
            active=row.active,
            retain_s=row.retain_s,
            retain_cycles=row.retain_cycles,
            extended=tuple(row.extended),
            worm=row.worm,
            upkeep=upkeep_of(row),
        )
    is_selective = kind is CopyKind.SELECTIVE
    return CopyItem(
        policy=policy,
        name=row.name,
        kind=kind,
        precedence=row.precedence,
        library=library,
        source=source,
        active=row.active,
        retain_s=row.retain_s,
        retain_cycles=row.retain_cycles,
        extended=tuple(row.extended),
        worm=row.worm,
        defer_s=row.defer_s,
        on_and_after=row.on_and_after and row.on_and_after.replace(tzinfo=UTC),
        subclients=tuple(row.subclients),
        select_rule=row.select_rule if is_selective else "all-fulls",
        select_every=row.select_every if is_selective else 1,
        take=row.take if is_selective else "first",
        compression=row.compression,
        encrypt_to=tuple(row.encrypt_to),
        throttle_bps=row.throttle_bps,
        throttle_timetable=tuple(row.throttle_timetable),
        reflink=row.reflink,
        upkeep=upkeep_of(row),
    )


def _add_clients(
    session: Session, current: Configuration, policy_names: dict[int | None, str]
) -> None:
    clients = list(session.exec(select(Client).order_by(Client.name)))
    names = {row.id: row.name for row in clients}
    for row in clients:
        current.clients[row.name] = ClientItem(name=row.name)
    subclients = sorted(
        session.exec(select(Subclient)), key=lambda row: (names[row.client_id], row.name)
    )
    for subclient in subclients:
        current.subclients[names[subclient.client_id], subclient.name] = SubclientItem(
            client=names[subclient.client_id],
            name=subclient.name,
            policy=policy_names[subclient.policy_id],
            kind=SubclientKind(subclient.kind),
            landing=subclient.landing,
            pattern=subclient.pattern,
            settle_s=subclient.settle_s,
            level=subclient.level,
            content=tuple(subclient.content),
            backup=backup_keys_of(subclient),
        )


def _add_rules(
    session: Session, current: Configuration, policy_names: dict[int | None, str]
) -> None:
    for window in session.exec(select(OperationWindow).order_by(OperationWindow.name)):
        current.windows[window.name] = WindowItem(
            name=window.name,
            on_nodes=tuple(window.on_nodes),
            operations=tuple(window.operations),
            do_not_run=tuple(window.do_not_run),
            time_zone=window.time_zone,
            let_running_jobs_finish=window.let_running_jobs_finish,
            do_not_submit=window.do_not_submit,
            ignore_higher_levels=window.ignore_higher_levels,
        )
    for schedule in session.exec(select(Schedule).order_by(Schedule.name)):
        if schedule.name in SYSTEM_SCHEDULES:
            continue  # the service's own, in no site file
        current.schedules[schedule.name] = ScheduleItem(
            name=schedule.name,
            operation=schedule.operation,
            policy=policy_names[schedule.policy_id] if schedule.policy_id is not None else "",
            spec=schedule.spec,
            time_zone=schedule.time_zone,
            enabled=schedule.enabled,
            start_missed=schedule.start_missed,
            options=dict(schedule.options),
        )
    for alert in session.exec(select(Alert).order_by(Alert.name)):
        current.alerts[alert.name] = AlertItem(
            name=alert.name,
            on_events=tuple(alert.on_events),
            to=alert.to,
            options=dict(alert.options),
        )
