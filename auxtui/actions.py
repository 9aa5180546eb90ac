"""Every action once: id, keys, label, help, what it is for, and why it is not possible now.

Key bindings, hint line, All Tasks menu, palette and help all come from this one table. Pure: what an
action does is in `hands`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from auxtui import format as fmt
from auxtui.action_values import Action as Action
from auxtui.action_values import Confirm, named
from auxtui.action_values import Target as Target
from auxtui.action_values import World as World
from auxtui.actions_of_aging import AGING_ACTIONS
from auxtui.actions_of_copies import COPY_ACTIONS
from auxtui.actions_of_rules import RULE_ACTIONS
from auxtui.actions_of_site import SITE_ACTIONS
from auxtui.inert import safe
from auxtui.proven import torn_bytes
from engine.catalog.live_values import LiveCopy, LivePolicy, LiveSubclient
from engine.catalog.values import JobValue
from engine.model.states import CopyKind, JobState, Operation, SubclientKind


def _job(target: Target | None) -> JobValue | None:
    return target.value if target and isinstance(target.value, JobValue) else None


def _not_suspendable(target: Target | None, world: World) -> str:
    job = _job(target)
    if job is None:
        return "no job here"
    if job.state.is_final:
        return f"job {job.id} has ended"
    if job.state is JobState.SUSPENDED or job.desired == "suspend":
        return f"job {job.id} is suspended already"
    return ""


def _not_resumable(target: Target | None, world: World) -> str:
    job = _job(target)
    if job is None:
        return "no job here"
    if job.state.is_final:
        return f"job {job.id} has ended; run it again (a)"
    if job.state is JobState.RUNNING and job.desired == "run":
        return f"job {job.id} is running"
    return ""


def _ended(target: Target | None, world: World) -> str:
    job = _job(target)
    if job is None:
        return "no job here"
    return f"job {job.id} has ended" if job.state.is_final else ""


def _not_again(target: Target | None, world: World) -> str:
    job = _job(target)
    if job is None or job.operation is not Operation.AUXCOPY:
        return "only an auxiliary copy can be run again from here"
    return ""


def _not_runnable(target: Target | None, world: World) -> str:
    value = target.value if target else None
    if isinstance(value, LiveCopy):
        if value.kind == CopyKind.PRIMARY:
            return "the primary copy is where backup jobs come from"
        return "" if value.active else f"copy {safe(value.name)} is not active"
    if isinstance(value, LivePolicy) and not any(
        c.kind != CopyKind.PRIMARY and c.active for c in value.copies
    ):
        return f"policy {safe(value.name)} has no active secondary copy"
    return ""


def _not_scannable(target: Target | None, world: World) -> str:
    value = target.value if target else None
    if isinstance(value, LiveSubclient) and value.kind != SubclientKind.LANDING:
        return f"subclient {safe(value.name)} is backed up by auxtui, there is nothing to scan"
    return ""


def _nothing_to_undo(target: Target | None, world: World) -> str:
    return "" if world.undo else "nothing that can be taken back was done"


def _alive(target: Target | None, world: World) -> str:
    return "the service is running" if world.service_alive else ""


def _dead(target: Target | None, world: World) -> str:
    return "" if world.service_alive else "the service is not running"


def _killed(targets: Sequence[Target]) -> str:
    jobs = [job for job in map(_job, targets) if job]
    done, torn = sum(job.bytes_done for job in jobs), sum(map(torn_bytes, jobs))
    again = f", up to {fmt.size(torn)} in chunks not finished: copied again" if torn else ""
    return (
        f"Kill {named(targets)}? {fmt.size(done)} are done{again}. What is published stays; the"
        " next run goes on behind the finished chunks. A killed job does not resume."
    )


JOB, RUNNABLE = frozenset({"job"}), frozenset({"policy", "copy"})
SCANNABLE = frozenset({"subclient", "client", "clients", "commcell"})
WINDOWED = frozenset({"commcell", "agent", "agents", "client", "clients", "subclient", "window"})
ANY = frozenset(
    [
        "job",
        "policy",
        "copy",
        "job-copy",
        "backup-job",
        "path",
        "client",
        "subclient",
        "library",
        "agent",
        "commcell",
        "clients",
        "policies",
        "libraries",
        "agents",
        "schedule",
        "window",
        "schedules",
        "windows",
        "event",
        "error",
    ]
)

_OWN: tuple[Action, ...] = (
    Action(
        id="thing.open",
        keys="enter",
        label="Open",
        help="Opens what the cursor is on.",
        kinds=ANY,
        hint_rank=1,
    ),
    Action(
        id="thing.menu",
        keys="m,shift+f10",
        label="All Tasks",
        help="Every task for what the cursor is on, with the reason where one is not possible.",
        needs="menu",
        hint_rank=2,
    ),
    Action(
        id="policy.run",
        keys="r",
        label="Run Auxiliary Copy",
        help="Opens the dialog; it shows the plan before anything starts.",
        kinds=RUNNABLE,
        changes=True,
        because=_not_runnable,
        hint_rank=0,
    ),
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
        help="Lets a suspended, waiting or pending job go on now.",
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
        id="copy.ledger",
        keys="b",
        label="Backup Jobs",
        help="The backup jobs on this copy, with state, reason and next step.",
        kinds=frozenset({"copy"}),
        hint_rank=4,
    ),
    Action(
        id="backup-job.why",
        keys="w",
        label="Why Is It Not There",
        help="This backup job on every copy: where it is, where it is not, why, and what comes next.",
        kinds=frozenset({"job-copy", "backup-job"}),
        hint_rank=3,
    ),
    Action(
        id="subclient.scan",
        keys="c",
        label="Scan for Backup Jobs",
        help="Looks at the landing directories now and adopts what has settled.",
        kinds=SCANNABLE,
        changes=True,
        because=_not_scannable,
        hint_rank=4,
    ),
    Action(
        id="node.windows",
        keys="W",
        label="Operation Windows",
        help="When operations must not run here, why not now, and until when: the week as a grid.",
        kinds=WINDOWED,
    ),
    Action(
        id="service.start",
        keys="S",
        label="Start the Service",
        help="Starts the process that runs the jobs. It goes on when this console ends.",
        changes=True,
        because=_alive,
    ),
    Action(
        id="service.stop",
        keys="",
        label="Stop the Service",
        help="Running jobs stop at a chunk boundary and go on at the next start.",
        changes=True,
        confirm=Confirm.ASK,
        because=_dead,
    ),
    Action(
        id="list.mark",
        keys="space",
        label="Mark",
        help="Marks the row; tasks then apply to all that is marked.",
        needs="mark",
    ),
    Action(
        id="list.mark-all",
        keys="asterisk",
        label="Mark All",
        help="Marks every row that is shown, or none when every one is marked.",
        needs="mark-all",
    ),
    Action(
        id="list.filter",
        keys="slash",
        label="Filter",
        help="Shows only rows with this text; escape shows all again.",
        needs="filter",
        hint_rank=5,
    ),
    Action(
        id="list.more-filters",
        keys="F",
        label="More Filters",
        help="Period, level, client, size, verification, decision, retention, reason: as a form.",
        needs="more-filters",
        hint_rank=6,
    ),
    Action(
        id="list.state",
        keys="f",
        label="Filter by State",
        help="Goes round the states; the line above the table says which one.",
        needs="state",
        hint_rank=5,
    ),
    Action(
        id="view.operation",
        keys="f",
        label="Next Operation",
        help="Goes round the operations; the first line says which one.",
        needs="operation",
        hint_rank=5,
    ),
    Action(
        id="list.since",
        keys="d",
        label="Filter by Time",
        help="Goes round a day, a week, a month and any time.",
        needs="since",
        hint_rank=6,
    ),
    Action(
        id="list.operation",
        keys="v",
        label="Filter by Operation",
        help="Goes round the operations.",
        needs="operations",
    ),
    Action(
        id="view.period",
        keys="f",
        label="Next Period",
        help="Goes round a day, a week and all that is kept.",
        needs="period",
        hint_rank=5,
    ),
    Action(
        id="list.sort",
        keys="comma",
        label="Sort",
        help="Goes round the orders; the line above the table says which one.",
        needs="sort",
        hint_rank=7,
    ),
    Action(
        id="tab.next",
        keys="f6,right_square_bracket",
        label="Next Tab",
        help="Shows the next tab of this screen.",
        needs="tabs",
        hint_rank=5,
    ),
    Action(
        id="tab.previous",
        keys="shift+f6,left_square_bracket",
        label="Previous Tab",
        help="Shows the previous tab of this screen.",
        needs="tabs",
    ),
    Action(
        id="thing.yank",
        keys="y",
        label="Copy Name",
        help="Puts the id or name into the clipboard of your terminal (OSC 52).",
        kinds=ANY,
    ),
    Action(
        id="view.refresh",
        keys="R,f5",
        label="Refresh",
        help="Looks at the catalog at once.",
    ),
    Action(
        id="view.pause",
        keys="p",
        label="Pause",
        help="Holds the view still, or lets it follow again.",
    ),
    Action(
        id="go.home",
        keys="1",
        label="CommCell",
        help="The tree and what each node holds.",
        hint_rank=6,
    ),
    Action(id="go.jobs", keys="2", label="Jobs", help="The job controller.", hint_rank=6),
    Action(
        id="go.history", keys="3", label="History", help="The jobs that have ended.", hint_rank=6
    ),
    Action(
        id="go.storage", keys="4", label="Storage", help="Libraries and MediaAgents.", hint_rank=6
    ),
    Action(id="go.events", keys="5", label="Events", help="The event log.", hint_rank=6),
    Action(
        id="go.schedules",
        keys="6",
        label="Schedules",
        help="Schedules with their next runs, and operation windows.",
        hint_rank=6,
    ),
    Action(
        id="go.trend",
        keys="7",
        label="Trend",
        help="Copied and still to copy over time, the rate, and when each copy is caught up.",
        hint_rank=6,
    ),
    Action(
        id="go.palette",
        keys="ctrl+p,colon",
        label="Find",
        help="Finds any task, policy, copy, library or job by a few letters.",
        hint_rank=7,
    ),
    Action(
        id="go.help",
        keys="question_mark,f1",
        label="Help",
        help="Explains this screen and its keys.",
        hint_rank=8,
    ),
    Action(
        id="go.troubles",
        keys="exclamation_mark",
        label="What Is Wrong",
        help="Everything that is not well, the worst first, with what to do.",
    ),
    Action(
        id="go.back",
        keys="escape",
        label="Back",
        help="One step back; never leaves the console.",
    ),
    Action(
        id="view.theme",
        keys="",
        label="Next Theme",
        help="Changes the colours of this console.",
    ),
    Action(
        id="console.undo",
        keys="z",
        label="Undo",
        help="Takes the last decision back: pick, do not copy, retain, enable, disable.",
        changes=True,
        because=_nothing_to_undo,
    ),
    Action(
        id="console.leave",
        keys="q",
        label="Leave",
        help="Goes back, and from a first screen leaves the console. Jobs keep running.",
        hint_rank=8,
    ),
)
ACTIONS: tuple[Action, ...] = (*_OWN, *COPY_ACTIONS, *RULE_ACTIONS, *SITE_ACTIONS, *AGING_ACTIONS)
BY_ID = {action.id: action for action in ACTIONS}

_KEY_NAMES = {
    "asterisk": "*",
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "question_mark": "?",
    "slash": "/",
    "colon": ":",
    "comma": ",",
    "exclamation_mark": "!",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "escape": "esc",
}


def key_name(key: str) -> str:
    """A key as people write it."""
    return _KEY_NAMES.get(key, key)


_own_keys: dict[str, str] = {}


def use_keys(own: Mapping[str, str]) -> None:
    """From now on these actions have other keys: what hints, menus and help show."""
    _own_keys.clear()
    _own_keys.update({name: keys for name, keys in own.items() if name in BY_ID})


def keys_of(action: Action) -> list[str]:
    """The keys of an action that are in force, as Textual names them."""
    text = _own_keys.get(action.id, action.keys)
    return [key.strip() for key in text.split(",") if key.strip()]


def keys_text(action: Action) -> str:
    """All keys of an action as people write them."""
    return " ".join(key_name(key) for key in keys_of(action))


def applicable(
    kinds: Iterable[str], abilities: frozenset[str], *, actions: Sequence[Action] = ACTIONS
) -> list[Action]:
    """The actions that make sense for these targets on a screen with these abilities."""
    present = frozenset(kinds)
    return [
        action
        for action in actions
        if (not action.kinds or (present and present <= action.kinds))
        and (not action.needs or action.needs in abilities)
    ]


def tasks_for(target: Target) -> list[Action]:
    """What the All Tasks menu of a thing offers."""
    own = [a for a in ACTIONS if a.kinds and target.kind in a.kinds]
    if target.kind == "commcell":
        own += [a for a in ACTIONS if a.id.startswith("service.")]
    return own


def consequence(action: Action, targets: Sequence[Target]) -> str:
    """What a confirmed action will do, in words; names the things."""
    if action.consequence is not None:
        return action.consequence(targets)
    return (
        f"{action.label}: {named(targets)}? {action.help}"
        if targets
        else f"{action.label}? {action.help}"
    )
