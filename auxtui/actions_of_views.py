"""What can be done on screens: open, filter, sort, go somewhere. Part of `actions`. Pure."""

from __future__ import annotations

from auxtui.action_values import Action, Target, World

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
        "alarm",
        "alert",
    ]
)


def _nothing_to_undo(target: Target | None, world: World) -> str:
    return "" if world.undo else "nothing that can be taken back was done"


OPENING: tuple[Action, ...] = (
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
)
"""First in every menu and hint line."""

VIEW_ACTIONS: tuple[Action, ...] = (
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
        id="go.alerts",
        keys="8",
        label="Alerts",
        help="The alarms that stand, and who is told of what.",
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
        help="Everything that is not well, the worst first, with what to do; and what came of the last keys.",
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
