"""What can be done with backup jobs on a copy, and with copies: decisions, proof, repair, restore.

Part of the one table in `actions`. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from auxtui import format as fmt
from auxtui.action_values import Action, Confirm, Target, World, about, named, values_of
from auxtui.inert import safe
from engine.catalog.live_values import LiveCopy, LiveJobCopy, LiveSubclient
from engine.model.states import CopyKind, JobCopyState, SubclientKind

JOB_COPY = frozenset({"job-copy"})
COPY = frozenset({"copy"})
BACKUP_JOB = frozenset({"job-copy", "backup-job"})
SUBCLIENT = frozenset({"subclient"})
OWED = frozenset({JobCopyState.TO_BE_COPIED, JobCopyState.PARTIALLY_COPIED, JobCopyState.DEFERRED})
ON_MEDIA = frozenset({JobCopyState.AVAILABLE, JobCopyState.BAD})


def _words(line: LiveJobCopy) -> str:
    return f"backup job {line.backup_job_id} is {line.state.replace('_', ' ')}"


def _primary(line: LiveJobCopy) -> str:
    is_primary = line.kind == CopyKind.PRIMARY
    return "the primary copy is where backup jobs come from" if is_primary else ""


@about(LiveJobCopy)
def _not_pickable(line: LiveJobCopy) -> str:
    if line.decision == "picked":
        return f"it was picked by {safe(line.decided_by)}"
    if line.state == JobCopyState.AVAILABLE:
        return f"{_words(line)} here"
    return _primary(line)


@about(LiveJobCopy)
def _not_leavable(line: LiveJobCopy) -> str:
    if line.decision == "do_not_copy":
        return f"{safe(line.decided_by)} decided so already"
    if line.state == JobCopyState.AVAILABLE:
        return f"{_words(line)} here: it ages off by the retention of the copy"
    return _primary(line)


@about(LiveJobCopy)
def _not_decided(line: LiveJobCopy) -> str:
    return "" if line.decision else "the rules decide already"


@about(LiveJobCopy)
def _not_copied_anew(line: LiveJobCopy) -> str:
    if line.state in OWED:
        return f"{_words(line)}: the next run takes it anyway"
    return _primary(line)


def _off_media(line: LiveJobCopy) -> str:
    return "" if line.state in ON_MEDIA else f"{_words(line)}, not here"


_not_on_media = about(LiveJobCopy)(_off_media)


@about(LiveJobCopy)
def _not_markable_bad(line: LiveJobCopy) -> str:
    if line.state == JobCopyState.BAD:
        return f"{_words(line)} already"
    return _off_media(line)


@about(LiveJobCopy)
def _not_retained(line: LiveJobCopy) -> str:
    return "" if line.pinned_by else "nobody retains it"


@about(LiveJobCopy)
def _not_prioritised(line: LiveJobCopy) -> str:
    if line.state in OWED or line.state == JobCopyState.BAD:
        return ""
    return f"{_words(line)}: it is not to be copied"


@about(LiveJobCopy)
def _not_restorable(line: LiveJobCopy) -> str:
    # A bad one comes from another copy: the dialog says from which, or that none has it.
    return "" if line.state in (JobCopyState.AVAILABLE, JobCopyState.BAD) else _words(line)


@about(LiveSubclient)
def _not_backed_up(subclient: LiveSubclient) -> str:
    if subclient.kind == SubclientKind.LANDING:
        return "it adopts what others write: choose one of its backup jobs"
    return ""


@about(LiveSubclient)
def _lands(subclient: LiveSubclient) -> str:
    if subclient.kind == SubclientKind.LANDING:
        return "it adopts what others write: scan it instead"
    return ""


def _not_promotable(target: Target | None, world: World) -> str:
    copy = target.value if target else None
    if not isinstance(copy, LiveCopy):
        return ""
    if copy.kind == CopyKind.PRIMARY:
        return f"{safe(copy.name)} is the primary copy already"
    if copy.kind == CopyKind.SELECTIVE:
        return f"{safe(copy.name)} is selective: it has chosen fulls only"
    if copy.policy in world.landing_policies:
        return f"{safe(copy.policy)} has a landing subclient: what lands is the primary there"
    return ""


def _left(targets: Sequence[Target]) -> str:
    """What `do not copy` means for these."""
    return (
        f"Do not copy {named(targets)} to {where(targets)}? No run takes it, and its source is no"
        " longer kept for this copy. Undo: pick it (+), or leave it to the rules (=)."
    )


def _copied_anew(targets: Sequence[Target]) -> str:
    lines = values_of(LiveJobCopy, targets)
    size = f" {fmt.size(sum(line.size_bytes for line in lines))}."
    return (
        f"Copy {named(targets)} anew to {where(targets)}?"
        f"{size if len(lines) == len(targets) else ''} The next run writes it again;"
        " what lies there now is replaced when the new one is whole."
    )


def _marked_bad(targets: Sequence[Target]) -> str:
    return (
        f"Mark {named(targets)} bad on {where(targets)}? It is no source for copies and restores"
        " any more, until it is verified good, repaired (r) or copied anew."
    )


def _unretained(targets: Sequence[Target]) -> str:
    return (
        f"No longer retain {named(targets)} on {where(targets)}? The retention of the copy decides"
        " alone; what it does not keep goes at the next data aging."
    )


def _policy(targets: Sequence[Target]) -> str:
    copy = next(iter(values_of(LiveCopy, targets)), None)
    return safe(copy.policy) if copy else "the policy"


def _promoted(targets: Sequence[Target]) -> str:
    return (
        f"Make {named(targets)} the primary copy of {_policy(targets)}? The primary of now becomes a"
        " synchronous copy of it: restores and other copies read from the new one first."
    )


def _released(targets: Sequence[Target]) -> str:
    return (
        f"Give up what {named(targets)} still waits for? Backup jobs of {_policy(targets)} that only this"
        " keeps on their source will never come to this copy, and may be aged there. It is logged."
    )


def where(targets: Sequence[Target]) -> str:
    """The copy that job copies are on, `POLICY/COPY`."""
    line = next(iter(values_of(LiveJobCopy, targets)), None)
    return f"{safe(line.policy)}/{safe(line.copy)}" if line else "this copy"


_on_job_copy = partial(Action, kinds=JOB_COPY, changes=True)

COPY_ACTIONS: tuple[Action, ...] = (
    _on_job_copy(
        id="job-copy.pick",
        keys="plus",
        label="Pick",
        help="The next run copies it, whatever the rules say.",
        because=_not_pickable,
        hint_rank=4,
    ),
    _on_job_copy(
        id="job-copy.leave",
        keys="minus",
        label="Do Not Copy",
        help="No run takes it, and nothing is kept for it, until it is picked.",
        confirm=Confirm.ASK,
        consequence=_left,
        because=_not_leavable,
        hint_rank=4,
    ),
    _on_job_copy(
        id="job-copy.rules",
        keys="equals_sign",
        label="Leave to the Rules",
        help="Forgets what was decided for it; the rules of the copy decide again.",
        because=_not_decided,
    ),
    _on_job_copy(
        id="job-copy.recopy",
        keys="c",
        label="Copy Anew",
        help="The next run writes it again, also where it is there already.",
        confirm=Confirm.ASK,
        consequence=_copied_anew,
        because=_not_copied_anew,
    ),
    _on_job_copy(
        id="job-copy.bad",
        keys="x",
        label="Mark Bad",
        help="It is no source for anything until it is verified, repaired or copied anew.",
        confirm=Confirm.ASK,
        consequence=_marked_bad,
        because=_not_markable_bad,
    ),
    _on_job_copy(
        id="job-copy.retain",
        keys="t",
        label="Retain",
        help="Keeps it beyond the retention of the copy, until a date or for good.",
        because=_not_on_media,
    ),
    _on_job_copy(
        id="job-copy.unretain",
        keys="T",
        label="End Retain",
        help="The retention of the copy decides alone again.",
        confirm=Confirm.ASK,
        consequence=_unretained,
        because=_not_retained,
    ),
    _on_job_copy(
        id="job-copy.priority",
        keys="o",
        label="Change Priority",
        help="Its place in the next run: 0 is first, 9 is last.",
        because=_not_prioritised,
    ),
    _on_job_copy(
        id="job-copy.verify",
        keys="v",
        label="Verify",
        help="Reads every byte of it from its media and compares it with its digest.",
        because=_not_on_media,
    ),
    _on_job_copy(
        id="job-copy.repair",
        keys="r",
        label="Repair",
        help="Reads it; what is damaged is written anew from any copy that has it right.",
        because=_not_on_media,
        hint_rank=2,
    ),
    Action(
        id="job-copy.restore",
        keys="s",
        label="Restore",
        help="Gets it back into a directory; the dialog says from where before it starts.",
        kinds=BACKUP_JOB | {"path"},
        changes=True,
        because=_not_restorable,
        bulk=False,
        hint_rank=3,
    ),
    Action(
        id="job-copy.browse",
        keys="b",
        label="Browse",
        help="The tree of paths in it: mark what is wanted, and restore that.",
        kinds=BACKUP_JOB,
        bulk=False,
        hint_rank=4,
    ),
    Action(
        id="subclient.backup",
        keys="B",
        label="Back Up Now",
        help="Reads its content into a backup job, full or incremental; the dialog says what.",
        kinds=SUBCLIENT,
        changes=True,
        because=_lands,
        bulk=False,
        hint_rank=0,
    ),
    Action(
        id="subclient.restore",
        keys="",
        label="Restore",
        help="Gets it back as it was at a time, into a directory.",
        kinds=SUBCLIENT,
        changes=True,
        because=_not_backed_up,
        bulk=False,
    ),
    Action(
        id="subclient.browse",
        keys="b",
        label="Browse",
        help="The tree of paths in its newest backup: mark what is wanted, and restore that.",
        kinds=SUBCLIENT,
        because=_not_backed_up,
        bulk=False,
    ),
    Action(
        id="copy.verify",
        keys="v",
        label="Data Verification",
        help="Reads what was never verified on this copy and compares every byte.",
        kinds=COPY,
        changes=True,
    ),
    Action(
        id="copy.promote",
        keys="",
        label="Promote to Primary",
        help="Makes this synchronous copy the primary of its policy.",
        kinds=COPY,
        changes=True,
        confirm=Confirm.TYPE,
        consequence=_promoted,
        because=_not_promotable,
        bulk=False,
    ),
    Action(
        id="copy.release",
        keys="",
        label="Release What It Waits For",
        help="Gives up what only this copy keeps from being aged on its source; it is logged.",
        kinds=COPY,
        changes=True,
        confirm=Confirm.TYPE,
        consequence=_released,
        bulk=False,
    ),
)
