"""May a job run now? Conflicts, activity control and operation windows, each with its sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from engine.catalog import activity, config, jobs
from engine.catalog.values import ActivityValue, JobValue, PolicyValue
from engine.control.conflicts import conflict_of
from engine.model.errors import NotFoundError
from engine.model.states import CopyKind, Operation
from engine.operations.gates import Gates, load_windows
from engine.policy.windows import Window, blocked, node_path

COMMCELL = "commcell"
_OF_MEDIA_AGENTS = frozenset({Operation.VERIFICATION, Operation.REPAIR, Operation.BACKUP})


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a job must not run now."""

    reason: str
    until: datetime | None = None
    stops_running: bool = True
    """False: what runs already may end."""


def hold_of(session: Session, job: JobValue, now: datetime) -> Hold | None:
    """Why a job is held back now; None when it may run."""
    if job.operation == Operation.AUXCOPY:
        return _agents_hold(session, job, now) or _conflict_hold(session, job)
    return (
        _activity_hold(activity.switched_off(session, now), _nodes_of(session, job))
        or _window_hold(load_windows(session), _nodes_of(session, job), job.operation, now)
        or _conflict_hold(session, job)
    )


def not_submitted(
    session: Session, operation: Operation, policy: PolicyValue | None, now: datetime
) -> str:
    """Why a scheduled run is not submitted now: windows that want so; empty when it is."""
    windows = load_windows(session)
    if operation is not Operation.AUXCOPY or policy is None:
        found = blocked(windows, [COMMCELL], operation, now)
        return found.reason if found is not None and found.do_not_submit else ""
    copies = [copy for copy in config.copies(session, policy.id) if copy.kind != CopyKind.PRIMARY]
    libraries = {copy.library_id for copy in copies if copy.active}
    names = {agent.id: agent.name for agent in config.media_agents(session)}
    agents = {
        names[path.media_agent_id]
        for path in config.data_paths(session)
        if path.library_id in libraries
    }
    every = [
        blocked(windows, [f"media_agents.{agent}"], operation, now) for agent in sorted(agents)
    ]
    closed = [one for one in every if one is not None and one.do_not_submit]
    return closed[0].reason if closed and len(closed) == len(every) else ""


def check_node(session: Session, node: str) -> None:
    """Refuses a node that is not in the catalog.

    Raises:
        NotFoundError: names what there is.
    """
    known = [
        COMMCELL,
        *(f"media_agents.{agent.name}" for agent in config.media_agents(session)),
        *(f"clients.{client.name}" for client in config.clients(session)),
        *(
            f"clients.{value.client}.subclients.{value.name}"
            for value in config.subclients(session)
        ),
    ]
    if node not in known:
        raise NotFoundError(f"there is no node {node}", hint=f"known: {', '.join(known)}")


def _conflict_hold(session: Session, job: JobValue) -> Hold | None:
    reason = conflict_of(job, jobs.active_jobs(session))
    return Hold(reason, stops_running=False) if reason else None


def _activity_hold(off: Sequence[ActivityValue], nodes: Iterable[str]) -> Hold | None:
    paths = {part for node in nodes for part in node_path(node)}
    for value in off:
        if value.node in paths:
            return Hold(f"activity is switched off on {value.node} by {value.by}", value.off_until)
    return None


def _window_hold(
    windows: Sequence[Window], nodes: Sequence[str], operation: str, now: datetime
) -> Hold | None:
    found = blocked(windows, nodes, operation, now)
    if found is None:
        return None
    return Hold(found.reason, found.until, stops_running=not found.let_running_jobs_finish)


def _agents_hold(session: Session, job: JobValue, now: datetime) -> Hold | None:
    """Holds an auxiliary copy back only while every MediaAgent that could do some of it is closed.

    What the CommCell says holds for each of them. Those that are open go on alone.
    """
    closed = Gates.load(session, now).closed_agents(_agents_of(session, job), now)
    if closed is None:
        return None
    return Hold(closed.reason, closed.until, stops_running=closed.stops_running)


def _agents_of(session: Session, job: JobValue) -> list[str]:
    """The MediaAgents that reach a library of the job, the default ones first."""
    asked = str(job.options.get("source_media_agent", ""))
    if asked:
        return [asked]
    try:
        copies = config.copies(session, config.policy(session, job.policy).id)
    except NotFoundError:
        return []
    libraries = {copy.library_id for copy in copies if copy.name in job.copies}
    names = {agent.id: agent.name for agent in config.media_agents(session)}
    paths = [path for path in config.data_paths(session) if path.library_id in libraries]
    paths.sort(key=lambda path: path.position)
    return list(dict.fromkeys(names[path.media_agent_id] for path in paths))


def _nodes_of(session: Session, job: JobValue) -> list[str]:
    """The nodes whose windows hold for a job as a whole: the CommCell and its MediaAgents.

    Windows of clients and subclients hold for single backup jobs, not for the run; a backup is one.
    """
    if job.operation not in _OF_MEDIA_AGENTS:
        return [COMMCELL]
    own = []
    if job.operation == Operation.BACKUP:
        client, _, name = str(job.options.get("subclient", "")).partition("/")
        own = [f"clients.{client}.subclients.{name}"]
    try:
        copies = config.copies(session, config.policy(session, job.policy).id)
    except NotFoundError:
        return [COMMCELL]
    libraries = {copy.library_id for copy in copies if copy.name in job.copies}
    names = {agent.id: agent.name for agent in config.media_agents(session)}
    asked = str(job.options.get("source_media_agent", ""))
    agents = (
        {asked}
        if asked
        else {
            names[path.media_agent_id]
            for path in config.data_paths(session)
            if path.library_id in libraries and path.position == 0
        }
    )
    return [COMMCELL, *own, *(f"media_agents.{name}" for name in sorted(agents))]
