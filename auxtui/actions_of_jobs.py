"""What can be done with one job, and with all of them at once. Part of `actions`. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from auxtui import format as fmt
from auxtui.action_values import Action, Confirm, Target, World, about, named, values_of
from auxtui.proven import torn_bytes
from engine.catalog.running_values import JobValue
from engine.model.states import JobState, Operation

JOB = frozenset({"job"})
_of_job = about(JobValue, "no job here")
ONLY_AUXCOPY = "only an auxiliary copy can be run again from here"


def _ended_words(job: JobValue) -> str:
    return f"job {job.id} has ended"


@_of_job
def _not_suspendable(job: JobValue) -> str:
    if job.state.is_final:
        return _ended_words(job)
    if job.state is JobState.SUSPENDED or job.desired == "suspend":
        return f"job {job.id} is suspended already"
    return ""


@_of_job
def _not_resumable(job: JobValue) -> str:
    if job.state.is_final:
        return f"{_ended_words(job)}; run it again (a)"
    if job.state.is_resumable:
        return ""
    return f"job {job.id} is {job.state}: only a suspended or pending job can be resumed"


@_of_job
def _ended(job: JobValue) -> str:
    return _ended_words(job) if job.state.is_final else ""


@about(JobValue, ONLY_AUXCOPY)
def _not_again(job: JobValue) -> str:
    return "" if job.operation is Operation.AUXCOPY else ONLY_AUXCOPY


@_of_job
def _not_resubmittable(job: JobValue) -> str:
    if job.operation not in (Operation.AUXCOPY, Operation.RESTORE):
        return "only an auxiliary copy or a restore can be resubmitted"
    return "" if job.state.is_final else f"job {job.id} has not ended"


def _no_jobs(target: Target | None, world: World) -> str:
    return "" if world.active_jobs else "no job is active"


def _killed(targets: Sequence[Target]) -> str:
    jobs = values_of(JobValue, targets)
    done, torn = sum(job.bytes_done for job in jobs), sum(map(torn_bytes, jobs))
    again = f", up to {fmt.size(torn)} in chunks not finished: copied again" if torn else ""
    return (
        f"Kill {named(targets)}? {fmt.size(done)} are done{again}. What is published stays; the"
        " next run goes on behind the finished chunks. A killed job does not resume."
    )


def _all_killed(targets: Sequence[Target]) -> str:
    return (
        "Kill every job that has not ended? What is published stays; the rest is taken by the next"
        " runs. Killed jobs do not resume."
    )


JOB_ACTIONS: tuple[Action, ...] = (
    Action(
        id="job.suspend",
        keys="s",
        label="Suspend",
        help="Stops at once: finished chunks stay, the one in flight of each stream (32 to 256 MiB) is"
        " copied again. It resumes there.",
        kinds=JOB,
        changes=True,
        because=_not_suspendable,
        hint_rank=3,
    ),
    Action(
        id="job.resume",
        keys="u",
        label="Resume",
        help="Lets a suspended or pending job go on now; a queued or waiting one goes on by itself.",
        kinds=JOB,
        changes=True,
        because=_not_resumable,
        hint_rank=3,
    ),
    Action(
        id="job.kill",
        keys="x",
        label="Kill",
        help="Ends the job for good. Published backup jobs stay; the next run takes the rest.",
        kinds=JOB,
        changes=True,
        confirm=Confirm.ASK,
        consequence=_killed,
        because=_ended,
        hint_rank=4,
    ),
    Action(
        id="job.priority",
        keys="o",
        label="Change Priority",
        help="0 is first, 9 is last.",
        kinds=JOB,
        changes=True,
        because=_ended,
    ),
    Action(
        id="job.throttle",
        keys="t",
        label="Change Throttle",
        help="Limits the bytes per second of a running job, or lifts the limit.",
        kinds=JOB,
        changes=True,
        because=_ended,
    ),
    Action(
        id="job.again",
        keys="a",
        label="Run Again",
        help="Opens the dialog with the options of this job.",
        kinds=JOB,
        changes=True,
        because=_not_again,
    ),
    Action(
        id="job.resubmit",
        keys="A",
        label="Resubmit",
        help="Runs an ended job once more with the same options, at once.",
        kinds=JOB,
        changes=True,
        because=_not_resubmittable,
    ),
    Action(
        id="jobs.suspend",
        keys="",
        label="Suspend All Jobs",
        help="Suspends every job that has not ended.",
        needs="all-jobs",
        changes=True,
        because=_no_jobs,
    ),
    Action(
        id="jobs.resume",
        keys="",
        label="Resume All Jobs",
        help="Lets every suspended or pending job go on now.",
        needs="all-jobs",
        changes=True,
        because=_no_jobs,
    ),
    Action(
        id="jobs.kill",
        keys="",
        label="Kill All Jobs",
        help="Ends every job for good.",
        needs="all-jobs",
        changes=True,
        confirm=Confirm.ASK,
        consequence=_all_killed,
        because=_no_jobs,
    ),
)
