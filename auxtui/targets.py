"""From keys of rows and values of the catalog to the targets of actions; pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from auxtui.actions import Target
from auxtui.contents import find
from auxtui.inert import safe
from engine.catalog.live_values import Estate, LiveBackupJob, LiveJobCopy
from engine.catalog.running_values import JobValue


def job_target(job_id: int, job: JobValue | None) -> Target:
    """A job; None while it has not been read."""
    return Target(kind="job", id=job_id, name=f"job {job_id}", value=job)


def job_targets(jobs: Iterable[JobValue], keys: Iterable[Hashable]) -> tuple[Target, ...]:
    """The jobs of these keys, in the order of the list."""
    wanted = set(keys)
    return tuple(job_target(job.id, job) for job in jobs if job.id in wanted)


def job_copy_target(backup_job_id: int, line: LiveJobCopy | None) -> Target:
    """A backup job on a copy; None while it has not been read."""
    return Target(kind="job-copy", id=backup_job_id, name=f"backup job {backup_job_id}", value=line)


def backup_job_target(job: LiveBackupJob) -> Target:
    """A backup job."""
    return Target(kind="backup-job", id=job.id, name=f"backup job {job.id}", value=job)


def node_target(estate: Estate | None, key: Hashable) -> tuple[Target, ...]:
    """A node of the tree, or a row that stands for one."""
    if estate is None or not isinstance(key, tuple):
        return ()
    kind, number = key
    thing = find(estate, (kind, number))
    if thing is not None:
        return (Target(kind=kind, id=number, name=safe(thing.name), value=thing),)
    if kind in ("policy-group", "policies"):
        return (Target(kind="policies", id=0, name="storage policies"),)
    if kind in ("storage", "libraries"):
        return (Target(kind="libraries", id=0, name="libraries"),)
    if kind in ("clients", "agents", "schedules", "windows"):
        return (Target(kind=kind, id=0, name=kind),)
    if kind == "commcell":
        return (Target(kind=kind, id=0, name=safe(estate.commcell)),)
    return ()


def key_of(estate: Estate, kind: str, name: str, owner: str = "") -> tuple[str, int] | None:
    """The key of a row or node for an item of the configuration; None when it is not there.

    Args:
        estate: all there is.
        kind: of the item, as the site file says it.
        name: of the item.
        owner: the policy of a copy, the client of a subclient.
    """
    items: dict[str, Iterable[tuple[str, str, int]]] = {
        "policy": (("", one.name, one.id) for one in estate.policies),
        "copy": ((one.policy, one.name, one.id) for one in estate.copies()),
        "library": (("", one.name, one.id) for one in estate.libraries),
        "media_agent": (("", one.name, one.id) for one in estate.media_agents),
        "client": (("", one.name, one.id) for one in estate.clients),
        "subclient": ((s.client, s.name, s.id) for c in estate.clients for s in c.subclients),
        "schedule": (("", one.name, one.id) for one in estate.schedules),
        "window": (("", one.name, one.id) for one in estate.windows),
    }
    wanted = (owner if kind in ("copy", "subclient") else "", name)
    shown = "agent" if kind == "media_agent" else kind
    found = (number for *one, number in items.get(kind, ()) if tuple(one) == wanted)
    return next(((shown, number) for number in found), None)
