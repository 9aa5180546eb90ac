"""What a site file must not take away: places and rules that backup jobs depend on."""

from __future__ import annotations

from sqlalchemy import func
from sqlmodel import Session, col, select

from engine.catalog.tables import (
    BackupJob,
    Client,
    Job,
    JobCopy,
    Library,
    PolicyCopy,
    StoragePolicy,
    Subclient,
)
from engine.library.opening import object_lock_of
from engine.model.errors import UsageError
from engine.model.states import ACTIVE_JOB_STATES, CopyKind, JobCopyState, SubclientKind
from engine.policy.retention import ExtendedRule, RetentionRules, refuse_shorter
from engine.site.configuration import CopyItem, Item, LibraryItem, PolicyItem, SubclientItem
from engine.site.diffing import Difference
from engine.site.section import SiteText

_LOCKS = ("", "governance", "compliance")
"""The weakest first."""
_HELD = (JobCopyState.AVAILABLE, JobCopyState.PARTIALLY_COPIED, JobCopyState.BAD)


def refuse_losses(session: Session, found: Difference, site: SiteText) -> None:
    """Refuses a difference that would orphan backup jobs.

    Raises:
        SiteError: names what depends on it, and how many.
    """
    removed_policies = {item.name for item in found.removed if isinstance(item, PolicyItem)}
    for item in reversed(found.removed):  # a policy before its copies: the wider reason first
        _refuse_removal(session, item, removed_policies, site)
    for before, after in found.changed:
        if isinstance(before, CopyItem) and isinstance(after, CopyItem):
            _refuse_copy_change(session, before, after, site)
        if isinstance(before, SubclientItem) and isinstance(after, SubclientItem):
            _refuse_subclient_change(session, before, after, site)
        if isinstance(before, LibraryItem) and isinstance(after, LibraryItem):
            _refuse_weaker_lock(session, before, after, site)


def _refuse_removal(
    session: Session, item: Item, removed_policies: set[str], site: SiteText
) -> None:
    match item:
        case PolicyItem():
            _refuse_while_running(session, item, site)
            jobs = _backup_jobs_of_policy(session, item.name)
            if jobs:
                raise site.error(
                    item.place,
                    f'policy "{item.name}" cannot be removed: it has {_count(jobs, "backup job")}',
                    hint="keep it in the file; without active copies it does nothing",
                )
        case CopyItem() if item.policy not in removed_policies:
            if item.kind is CopyKind.PRIMARY:
                raise site.error(
                    item.place,
                    f'copy "{item.label}" cannot be removed or renamed: it is the primary',
                )
            _refuse_while_running(session, item, site)
            held = job_copies_held(session, item)
            if held:
                raise site.error(
                    item.place,
                    f'copy "{item.label}" cannot be removed: it holds {_count(held, "job copy")}',
                    hint="keep it in the file, with active = false so that it gets nothing more",
                )
        case SubclientItem():
            jobs = _backup_jobs_of_subclient(session, item)
            if jobs:
                raise site.error(
                    item.place,
                    f'subclient "{item.label}" cannot be removed: '
                    f"it has {_count(jobs, 'backup job')}",
                    hint="keep it in the file until they are aged",
                )
        case _:
            return


def _refuse_while_running(session: Session, item: PolicyItem | CopyItem, site: SiteText) -> None:
    policy = item.name if isinstance(item, PolicyItem) else item.policy
    jobs = session.exec(
        select(Job).where(Job.policy == policy, col(Job.state).in_(ACTIVE_JOB_STATES))
    )
    for job in jobs:
        if isinstance(item, PolicyItem) or not job.copies or item.name in job.copies:
            raise site.error(
                item.place,
                f'{item.kind_name} "{item.label}" cannot be removed: job {job.id} is {job.state}',
                hint=f"wait for it, or kill it: auxtui job kill {job.id}",
            )


def _refuse_copy_change(
    session: Session, before: CopyItem, after: CopyItem, site: SiteText
) -> None:
    if CopyKind.PRIMARY in (before.kind, after.kind) and before.kind is not after.kind:
        jobs = _backup_jobs_of_policy(session, after.policy)
        if jobs:
            raise site.error(
                (*after.place, "kind"),
                f'policy "{after.policy}" has {_count(jobs, "backup job")}: '
                "its primary copy cannot be exchanged here",
            )
    if before.library == after.library and not before.worm:
        return
    held = job_copies_held(session, before)
    if not held:
        return
    if before.library != after.library:
        raise site.error(
            (*after.place, "library"),
            f'copy "{after.label}" holds {_count(held, "job copy")} in library '
            f'"{before.library}": it cannot move to another',
            hint="add a further copy in the new library, copy to it, then let this one age",
        )
    try:
        refuse_shorter(after.label, _retention(before), _retention(after))
    except UsageError as err:
        raise site.error(after.place, err.message, hint=err.hint) from err


def _refuse_weaker_lock(
    session: Session, before: LibraryItem, after: LibraryItem, site: SiteText
) -> None:
    """What a WORM copy promises is not taken out from under it by another URL of its library."""
    was, becomes = (object_lock_of(item.name, item.url) for item in (before, after))
    if _LOCKS.index(becomes) >= _LOCKS.index(was):
        return
    rows = session.exec(
        select(StoragePolicy.name, PolicyCopy.name, PolicyCopy.kind)
        .join(PolicyCopy, col(PolicyCopy.policy_id) == col(StoragePolicy.id))
        .join(Library, col(Library.id) == col(PolicyCopy.library_id))
        .where(Library.name == before.name, col(PolicyCopy.worm))
    )
    for policy, name, kind in rows:
        copy = CopyItem(policy=policy, name=name, kind=CopyKind(kind), precedence=0)
        held = job_copies_held(session, copy)
        if held:
            raise site.error(
                (*after.place, "url"),
                f'WORM copy "{copy.label}" holds {_count(held, "job copy")} in library '
                f'"{after.name}": its object lock stays {was}',
                hint=f"leave object_lock={was} in the URL; a copy without it takes a library of its own",
            )


def _retention(copy: CopyItem) -> RetentionRules:
    return RetentionRules(
        retain_s=copy.retain_s,
        retain_cycles=copy.retain_cycles,
        extended=tuple(ExtendedRule(**rule) for rule in copy.extended),
        worm=copy.worm,
    )


def _refuse_subclient_change(
    session: Session, before: SubclientItem, after: SubclientItem, site: SiteText
) -> None:
    if (before.policy, before.kind) == (after.policy, after.kind):
        return
    jobs = _backup_jobs_of_subclient(session, before)
    if jobs:
        key = "policy" if before.policy != after.policy else "landing"
        raise site.error(
            (*after.place, key),
            f'subclient "{after.label}" has {_count(jobs, "backup job")} '
            f'in policy "{before.policy}"',
            hint="make a further subclient for what comes from now on",
        )


def job_copies_held(session: Session, item: CopyItem) -> int:
    """How many backup jobs lie, whole or in part, in the library of a copy."""
    query = (
        select(func.count())
        .select_from(JobCopy)
        .join(PolicyCopy, col(PolicyCopy.id) == col(JobCopy.copy_id))
        .join(StoragePolicy, col(StoragePolicy.id) == col(PolicyCopy.policy_id))
        .join(BackupJob, col(BackupJob.id) == col(JobCopy.backup_job_id))
        .join(Subclient, col(Subclient.id) == col(BackupJob.subclient_id))
        .where(col(StoragePolicy.name) == item.policy, col(PolicyCopy.name) == item.name)
        .where(col(JobCopy.state).in_(_HELD))
    )
    if item.kind is CopyKind.PRIMARY:  # landing backup jobs lie in their landing directory
        query = query.where(col(Subclient.kind) == SubclientKind.CONTENT)
    return session.exec(query).one()


def _backup_jobs_of_policy(session: Session, policy: str) -> int:
    return session.exec(
        select(func.count())
        .select_from(BackupJob)
        .join(StoragePolicy, col(StoragePolicy.id) == col(BackupJob.policy_id))
        .where(col(StoragePolicy.name) == policy)
    ).one()


def _backup_jobs_of_subclient(session: Session, item: SubclientItem) -> int:
    return session.exec(
        select(func.count())
        .select_from(BackupJob)
        .join(Subclient, col(Subclient.id) == col(BackupJob.subclient_id))
        .join(Client, col(Client.id) == col(Subclient.client_id))
        .where(col(Client.name) == item.client, col(Subclient.name) == item.name)
    ).one()


def _count(number: int, what: str) -> str:
    if number == 1:
        return f"1 {what}"
    return f"{number} {what[:-1]}ies" if what.endswith("y") else f"{number} {what}s"
