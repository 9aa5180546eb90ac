"""The actions on schedules, on activity of nodes, and on all jobs at once; part of the registry."""

from __future__ import annotations

from collections.abc import Sequence

from auxtui.action_values import Action, Confirm, Target, World, named
from auxtui.nodes import node_name
from engine.catalog.config_values import ScheduleValue
from engine.catalog.values import JobValue
from engine.model.states import Operation

SCHEDULE = frozenset({"schedule"})
SWITCHABLE = frozenset({"commcell", "agent", "client", "subclient"})
JOB = frozenset({"job"})


def _enabled(target: Target | None, world: World) -> str:
    value = target.value if target else None
    if isinstance(value, ScheduleValue) and value.enabled:
        return "it is enabled"
    return ""


def _disabled(target: Target | None, world: World) -> str:
    value = target.value if target else None
    if isinstance(value, ScheduleValue) and not value.enabled:
        return "it is disabled already"
    return ""


def _not_off(target: Target | None, world: World) -> str:
    is_off = target is not None and node_name(target.kind, target.value) in world.switched_off
    return "" if is_off else "activity is not switched off here"


def _not_again(target: Target | None, world: World) -> str:
    job = target.value if target and isinstance(target.value, JobValue) else None
    if job is None:
        return "no job here"
    if job.operation not in (Operation.AUXCOPY, Operation.RESTORE):
        return "only an auxiliary copy or a restore can be resubmitted"
    return "" if job.state.is_final else f"job {job.id} has not ended"


def _no_jobs(target: Target | None, world: World) -> str:
    return "" if world.active_jobs else "no job is active"


def _all_killed(targets: Sequence[Target]) -> str:
    return (
        "Kill every job that has not ended? What is published stays; the rest is taken by the next"
        " runs. Killed jobs do not resume."
    )


def _switched_off(targets: Sequence[Target]) -> str:
    return f"Nothing runs on {named(targets)} any more, or below it."


RULE_ACTIONS: tuple[Action, ...] = (
    Action(
        id="schedule.run",
        keys="r",
        label="Run Now",
        help="Starts the jobs of this schedule at once, whether it is enabled or not.",
        kinds=SCHEDULE,
        changes=True,
        hint_rank=0,
    ),
    Action(
        id="schedule.enable",
        keys="u",
        label="Enable",
        help="Lets the schedule run by itself again.",
        kinds=SCHEDULE,
        changes=True,
        because=_enabled,
        hint_rank=3,
    ),
    Action(
        id="schedule.disable",
        keys="s",
        label="Disable",
        help="Keeps the schedule from running by itself.",
        kinds=SCHEDULE,
        changes=True,
        because=_disabled,
        hint_rank=3,
    ),
    Action(
        id="activity.off",
        keys="s",
        label="Switch Activity Off",
        help="Nothing runs here or below for a time; what runs stops at a chunk and goes on after it.",
        kinds=SWITCHABLE,
        bulk=False,
        consequence=_switched_off,
        changes=True,
        hint_rank=5,
    ),
    Action(
        id="activity.on",
        keys="u",
        label="Switch Activity On",
        help="Lets operations run here again.",
        kinds=SWITCHABLE,
        changes=True,
        because=_not_off,
        hint_rank=2,
    ),
    Action(
        id="job.resubmit",
        keys="A",
        label="Resubmit",
        help="Runs an ended job once more with the same options, at once.",
        kinds=JOB,
        changes=True,
        because=_not_again,
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
        help="Lets every suspended, waiting or pending job go on now.",
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
