"""What each action does: opens screens, asks the front door, and tells the outcome.

Whatever opens something does so at once, inside the handling of its key: the next keys may have
been typed already, and belong to what it opens. What waits for the engine is a task of the app,
and the engine's blocking calls run in threads of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from auxtui import actions
from auxtui import format as fmt
from auxtui.action_values import Action, Confirm, Target, named
from auxtui.asking import ask_each, begin, tell_error, told
from auxtui.feed import in_thread
from auxtui.hands_of_aging import AGING_HANDS
from auxtui.hands_of_alerts import ALERT_HANDS
from auxtui.hands_of_copies import COPY_HANDS
from auxtui.hands_of_restores import RESTORE_HANDS
from auxtui.hands_of_rules import RULE_HANDS
from auxtui.hands_of_site import SITE_HANDS
from auxtui.inert import safe
from auxtui.nodes import node_name
from auxtui.present import Cell, Tone
from engine.catalog.live_values import LiveClient, LiveCopy, LiveSubclient
from engine.catalog.rule_values import WindowValue
from engine.catalog.running_values import JobValue
from engine.model.errors import AuxError, UsageError
from engine.model.states import RequestKind

if TYPE_CHECKING:
    from auxtui.screens.base import ConsoleScreen

Targets = tuple[Target, ...]
Hand = Callable[["ConsoleScreen", Targets], None]


def start(screen: ConsoleScreen, action: Action, targets: Targets) -> None:
    """Does an action on some targets, after a question where one is due."""
    if action.confirm is Confirm.NONE:
        _do(screen, action, targets)
        return
    from auxtui.screens.ask import ConfirmScreen, TypeNameScreen

    def answered(yes: bool | None) -> None:
        if yes:
            _do(screen, action, targets)
        else:
            screen.flash(f"{action.label}: not done")

    text = actions.consequence(action, targets)
    if action.confirm is Confirm.TYPE:
        name = targets[0].name if targets else ""
        screen.app.push_screen(TypeNameScreen(action.label, text, name), answered)
        return
    screen.app.push_screen(ConfirmScreen(action.label, text), answered)


def _do(screen: ConsoleScreen, action: Action, targets: Targets) -> None:
    if action.id in OF_THE_SCREEN:
        getattr(screen, OF_THE_SCREEN[action.id])()
        return
    try:
        HANDS[action.id](screen, targets)
    except AuxError as err:
        tell_error(screen, action.label, err)


def _open(screen: ConsoleScreen, targets: Targets) -> None:
    screen.console.open_target(targets[0])


def _menu(screen: ConsoleScreen, targets: Targets) -> None:
    from auxtui.screens.menu import MenuScreen

    if not targets:
        raise UsageError("nothing is selected")

    def chosen(action: Action | None) -> None:
        if action is not None:
            screen.do(action, targets)

    screen.app.push_screen(MenuScreen(targets, screen.console.world), chosen)


def _palette(screen: ConsoleScreen, targets: Targets) -> None:
    from auxtui.screens.palette import PaletteScreen

    def chosen(found: Action | Target | None) -> None:
        if isinstance(found, Target):
            screen.console.open_target(found)
        elif found is not None:
            screen.do(found, targets)

    screen.app.push_screen(PaletteScreen(screen), chosen)


def _run(screen: ConsoleScreen, targets: Targets) -> None:
    value = targets[0].value
    policy = value.policy if isinstance(value, LiveCopy) else value.name
    copies = (value.name,) if isinstance(value, LiveCopy) else ()
    open_run_dialog(screen, policy, {"copies": copies})


def _again(screen: ConsoleScreen, targets: Targets) -> None:
    job = targets[0].value
    open_run_dialog(screen, job.policy, job.options)


def open_run_dialog(screen: ConsoleScreen, policy: str, options: Mapping[str, Any]) -> None:
    from auxtui.screens.run_auxcopy import RunAuxiliaryCopyScreen

    estate = screen.console.state.estate
    found = next((p for p in estate.policies if p.name == policy), None) if estate else None
    if estate is None or found is None:
        raise UsageError(f"policy {safe(policy)} is not there any more")

    def done(said: Cell | None) -> None:
        if said is not None:
            screen.console.look_anew()
            screen.flash(*said)

    screen.app.push_screen(RunAuxiliaryCopyScreen(found, estate, options), done)


async def _request(
    screen: ConsoleScreen,
    targets: Targets,
    kind: RequestKind,
    payload: Mapping[str, Any],
    done: str,
) -> str:
    """Asks the service about each job; says what it answered."""
    door = screen.console.door
    asked = await ask_each(targets, lambda target: door.request(kind, target.id, payload))
    return told(screen, asked, lambda reached: f"{named(reached)}: {done}")


def _suspend(screen: ConsoleScreen, targets: Targets) -> None:
    task = _request(screen, targets, RequestKind.SUSPEND, {}, "suspended")
    begin(screen, f"Suspend {named(targets)}", task)


def _resume(screen: ConsoleScreen, targets: Targets) -> None:
    task = _request(screen, targets, RequestKind.RESUME, {}, "resumed")
    begin(screen, f"Resume {named(targets)}", task)


def _kill(screen: ConsoleScreen, targets: Targets) -> None:
    task = _request(screen, targets, RequestKind.KILL, {}, "killed")
    begin(screen, f"Kill {named(targets)}", task)


def _priority(screen: ConsoleScreen, targets: Targets) -> None:
    from auxtui.screens.ask import PromptScreen

    def read(text: str) -> int:
        return fmt.whole_number(text, "Priority", least=0, most=9)

    def given(value: int | None) -> None:
        if value is not None:
            done = f"priority {value}"
            task = _request(screen, targets, RequestKind.PRIORITY, {"priority": value}, done)
            begin(screen, f"Change Priority of {named(targets)}", task)

    job: JobValue = targets[0].value
    label = "Priority, 0 (first) to 9 (last)"
    screen.app.push_screen(PromptScreen("Change Priority", label, str(job.priority), read), given)


def _throttle(screen: ConsoleScreen, targets: Targets) -> None:
    from auxtui.screens.ask import PromptScreen

    def read(text: str) -> int:
        return fmt.whole_number(text or "0", "Throttle", least=0, most=1_000_000)

    def given(mib: int | None) -> None:
        if mib is not None:
            payload = {"throttle_bps": mib * fmt.MIB or None}
            done = f"at most {mib} MiB/s" if mib else "no limit"
            task = _request(screen, targets, RequestKind.THROTTLE, payload, done)
            begin(screen, f"Change Throttle of {named(targets)}", task)

    job: JobValue = targets[0].value
    now = str(job.throttle_bps // fmt.MIB) if job.throttle_bps else "0"
    label = "Throttle, MiB/s; 0 lifts the limit"
    screen.app.push_screen(PromptScreen("Change Throttle", label, now, read), given)


def _ledger(screen: ConsoleScreen, targets: Targets) -> None:
    screen.console.open_ledger(targets[0])


def _why(screen: ConsoleScreen, targets: Targets) -> None:
    screen.console.open_backup_job(targets[0].id)


def _windows(screen: ConsoleScreen, targets: Targets) -> None:
    target = targets[0]
    if isinstance(target.value, WindowValue):
        screen.console.open_target(target)
    else:
        screen.console.open_windows(node_name(target.kind, target.value))


def _scan(screen: ConsoleScreen, targets: Targets) -> None:
    begin(screen, "Scan", _scanned(screen, targets[0]))


async def _scanned(screen: ConsoleScreen, target: Target) -> str:
    adopted = left = 0
    troubles: list[str] = []
    door = screen.console.door
    for name in _subclients(target):
        found = await in_thread(lambda name=name: door.scan(name))  # type: ignore[misc]
        adopted += len(found.get("adopted", ()))
        left += len(found.get("left", ()))
        troubles += [_told(one) for key in ("bad", "offline") for one in found.get(key, ())]
    screen.console.look_anew()
    text = f"scan: {fmt.count(adopted, 'new backup job')}, {left} left for later"
    if not troubles:
        return text
    screen.flash(f"{text}; {fmt.count(len(troubles), 'trouble')}: {troubles[0]}", Tone.WARN)
    return ""


def _told(entry: object) -> str:
    """What a scan says of one thing that is not well."""
    if isinstance(entry, Mapping):
        return safe(": ".join(str(entry[key]) for key in ("subclient", "reason") if key in entry))
    return safe(str(entry))


def _subclients(target: Target) -> list[str | None]:
    if isinstance(target.value, LiveSubclient):
        return [f"{target.value.client}/{target.value.name}"]
    if isinstance(target.value, LiveClient):
        return [f"{sub.client}/{sub.name}" for sub in target.value.subclients]
    return [None]


def _start_service(screen: ConsoleScreen, targets: Targets) -> None:
    async def started() -> str:
        await in_thread(screen.console.door.ensure_service)
        return "the service runs; it goes on when this console ends"

    begin(screen, "Start the Service", started())


def _upgrade(screen: ConsoleScreen, targets: Targets) -> None:
    async def upgraded() -> str:
        await in_thread(screen.console.door.upgrade_catalog)
        return "the catalog is up to date; the copy of the older one is in backups/"

    begin(screen, "Bring Up to Date", upgraded())


def _stop_service(screen: ConsoleScreen, targets: Targets) -> None:
    async def stopped() -> str:
        await in_thread(lambda: screen.console.door.request(RequestKind.STOP_SERVICE, None, {}))
        return "the service stops at a chunk boundary; jobs go on at its next start"

    begin(screen, "Stop the Service", stopped())


def _yank(screen: ConsoleScreen, targets: Targets) -> None:
    text = "\n".join(safe(target.name) for target in targets)
    screen.app.copy_to_clipboard(text)
    screen.flash(f"in the clipboard of your terminal: {text.splitlines()[0]}")


def _refresh(screen: ConsoleScreen, targets: Targets) -> None:
    screen.console.look_anew(lambda: screen.flash("looked at the catalog"))


def _pause(screen: ConsoleScreen, targets: Targets) -> None:
    screen.console.toggle_pause()


def _help(screen: ConsoleScreen, targets: Targets) -> None:
    from auxtui.screens.help import HelpScreen

    screen.app.push_screen(HelpScreen(screen))


def _troubles(screen: ConsoleScreen, targets: Targets) -> None:
    from auxtui.screens.help import TroublesScreen

    screen.app.push_screen(TroublesScreen(screen.console.state, screen.look))


def _back(screen: ConsoleScreen, targets: Targets) -> None:
    if not screen.back():
        screen.console.step_back()


def _leave(screen: ConsoleScreen, targets: Targets) -> None:
    if not screen.console.step_back():
        screen.console.leave()


def _theme(screen: ConsoleScreen, targets: Targets) -> None:
    screen.flash(f"theme {screen.console.next_theme()}")


def _mode(name: str) -> Hand:
    return lambda screen, targets: screen.console.go(name)


def _undo(screen: ConsoleScreen, targets: Targets) -> None:
    undo = screen.console.undo
    if undo is not None:
        begin(screen, f"Undo {undo.what}", undo.task())


OF_THE_SCREEN = {
    "list.more-filters": "more_filters",
    "list.mark": "mark",
    "list.mark-all": "mark_all",
    "list.filter": "open_filter",
    "list.state": "next_state",
    "view.operation": "next_operation",
    "view.period": "next_period",
    "list.since": "next_since",
    "list.operation": "next_kind",
    "list.sort": "next_order",
    "tab.next": "next_tab",
    "tab.previous": "previous_tab",
}
"""Actions that a screen does itself, and the method for each."""

HANDS: dict[str, Hand] = {
    "thing.open": _open,
    "thing.menu": _menu,
    "thing.yank": _yank,
    "policy.run": _run,
    "job.again": _again,
    "job.suspend": _suspend,
    "job.resume": _resume,
    "job.kill": _kill,
    "job.priority": _priority,
    "job.throttle": _throttle,
    "copy.ledger": _ledger,
    "backup-job.why": _why,
    "subclient.scan": _scan,
    "node.windows": _windows,
    "service.start": _start_service,
    "service.stop": _stop_service,
    "catalog.upgrade": _upgrade,
    "view.refresh": _refresh,
    "view.pause": _pause,
    "view.theme": _theme,
    "go.home": _mode("home"),
    "go.jobs": _mode("jobs"),
    "go.history": _mode("history"),
    "go.storage": _mode("storage"),
    "go.events": _mode("events"),
    "go.schedules": _mode("schedules"),
    "go.trend": _mode("trend"),
    "go.alerts": _mode("alerts"),
    "go.palette": _palette,
    "go.help": _help,
    "go.troubles": _troubles,
    "go.back": _back,
    "console.leave": _leave,
    "console.undo": _undo,
    **COPY_HANDS,
    **AGING_HANDS,
    **RESTORE_HANDS,
    **RULE_HANDS,
    **SITE_HANDS,
    **ALERT_HANDS,
}
