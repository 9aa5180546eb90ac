"""What can be done with the configuration: new, edit, delete, show as TOML. Part of `actions`. Pure."""

from __future__ import annotations

from auxtui.action_values import Action, Target, World
from engine.catalog.live_values import LiveCopy
from engine.catalog.rule_values import SYSTEM_SCHEDULES, ScheduleValue
from engine.model.states import CopyKind

ITEMS = frozenset(
    {"commcell", "agent", "library", "policy", "copy", "subclient", "schedule", "window", "alert"}
)
_NEW = (
    ("copy", "New Copy", "A further copy of this policy.", {"policy", "copy"}),
    ("policy", "New Storage Policy", "With its primary copy.", {"policies", "commcell"}),
    ("library", "New Library", "A place that holds copies.", {"libraries", "library", "commcell"}),
    ("media_agent", "New MediaAgent", "A host that moves data.", {"agents", "agent", "commcell"}),
    ("client", "New Client", "A host that is protected.", {"clients", "commcell"}),
    ("subclient", "New Subclient", "A part of this client's content.", {"client", "subclient"}),
    (
        "schedule",
        "New Schedule",
        "When an operation starts by itself.",
        {"schedules", "schedule", "commcell"},
    ),
    (
        "window",
        "New Operation Window",
        "When operations must not run.",
        {"windows", "window", "commcell", "agent", "client", "subclient"},
    ),
    ("alert", "New Alert", "Who is told of what.", {"alerts", "alert", "commcell"}),
)


def _configured(target: Target | None, world: World) -> str:
    if world.read_only:
        return "this console is read-only"
    return "there is a configuration: edit it, or add to it" if world.configured else ""


def _not_deletable(target: Target | None, world: World) -> str:
    value = target.value if target else None
    if isinstance(value, LiveCopy) and value.kind == CopyKind.PRIMARY:
        return "it is the primary copy of its policy"
    if isinstance(value, ScheduleValue) and value.name in SYSTEM_SCHEDULES:
        return "it is a system schedule: it can be disabled (s)"
    return ""


SITE_ACTIONS: tuple[Action, ...] = (
    Action(
        id="console.guide",
        keys="",
        label="First Steps",
        help="From nothing to the first copy: where backups lie, where copies go, then the plan.",
        because=_configured,
    ),
    Action(
        id="item.edit",
        keys="e",
        label="Edit",
        help="Its settings as a form; what will change is shown before it is applied.",
        kinds=ITEMS,
        changes=True,
        bulk=False,
    ),
    Action(
        id="item.new",
        keys="n",
        label="New",
        help="Something new here: a copy, a policy, a library, a schedule ...",
        kinds=frozenset().union(*(kinds for _, _, _, kinds in _NEW)),
        changes=True,
        bulk=False,
    ),
    *(
        Action(
            id=f"new.{kind}",
            keys="",
            label=label,
            help=f"{text} Opens a form.",
            kinds=frozenset(kinds),
            changes=True,
            bulk=False,
        )
        for kind, label, text, kinds in _NEW
    ),
    Action(
        id="item.delete",
        keys="delete",
        label="Delete",
        help="Takes it out of the configuration; says what goes with it, and asks for its name.",
        kinds=(ITEMS - {"commcell"}) | {"client"},
        changes=True,
        because=_not_deletable,
        bulk=False,
    ),
    Action(
        id="item.toml",
        keys="",
        label="Show as TOML",
        help="Its lines in the site file, as `auxtui export` writes them.",
        kinds=ITEMS | {"client"},
        bulk=False,
    ),
)
