"""What can be done with schedules and with the activity of nodes. Part of `actions`. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from auxtui.action_values import Action, Target, World, about, named
from auxtui.nodes import node_name
from engine.catalog.rule_values import ScheduleValue

SCHEDULE = frozenset({"schedule"})
SWITCHABLE = frozenset({"commcell", "agent", "client", "subclient"})


@about(ScheduleValue)
def _enabled(schedule: ScheduleValue) -> str:
    return "it is enabled" if schedule.enabled else ""


@about(ScheduleValue)
def _disabled(schedule: ScheduleValue) -> str:
    return "" if schedule.enabled else "it is disabled already"


def _not_off(target: Target | None, world: World) -> str:
    is_off = target is not None and node_name(target.kind, target.value) in world.switched_off
    return "" if is_off else "activity is not switched off here"


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
)
