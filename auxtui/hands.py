"""What each action does: opens screens, asks the front door, and tells the outcome.

Everything that waits runs as a worker of the screen; the engine's calls run in threads of their own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from auxtui import actions
from auxtui import format as fmt
from auxtui.actions import Action, Confirm, Target
from auxtui.feed import in_thread
from auxtui.inert import safe
from auxtui.present import Tone
from engine.catalog.live_values import LiveClient, LiveCopy, LiveSubclient
from engine.catalog.values import JobValue
from engine.model.errors import AuxError, UsageError
from engine.model.states import RequestKind

if TYPE_CHECKING:
    from auxtui.screens.base import ConsoleScreen

Targets = tuple[Target, ...]
Hand = Callable[["ConsoleScreen", Targets], Awaitable[None]]
MODES = {"go.home": "home", "go.jobs": "jobs", "go.history": "history", "go.storage": "storage",
         "go.events": "events"}  # fmt: skip


def start(screen: ConsoleScreen, action: Action, targets: Targets) -> None:
    """Does an action: what only concerns the screen at once, the rest in a task that may wait.

    At once, because the next keys may have been typed already and belong to what it opens.
    """
    if action.id in OF_THE_SCREEN:
        getattr(screen, OF_THE_SCREEN[action.id])()
        return
    screen.console.run_worker(_do(screen, action, targets), name=action.id, exit_on_error=False)


async def _do(screen: ConsoleScreen, action: Action, targets: Targets) -> None:
    if action.confirm is Confirm.ASK:
        from auxtui.screens.ask import ConfirmScreen

        text = actions.consequence(action, targets)
        if not await screen.app.push_screen_wait(ConfirmScreen(action.label, text)):
            screen.flash(f"{action.label}: not done")
            return
    try:
        if action.id in MODES:
            await screen.console.go(MODES[action.id])
        else:
            await HANDS[action.id](screen, targets)
    except AuxError as err:
        hint = f" ({err.hint})" if err.hint else ""
        screen.flash(f"{action.label}: {safe(err.message)}{safe(hint)}", Tone.BAD)


async def _open(screen: ConsoleScreen, targets: Targets) -> None:
    await screen.console.open_target(targets[0])


async def _menu(screen: ConsoleScreen, targets: Targets) -> None:
    from auxtui.screens.menu import MenuScreen

    if not targets:
        screen.flash("nothing is selected")
        return
    chosen = await screen.app.push_screen_wait(MenuScreen(targets, screen.console.world))
    if chosen is not None:
        await screen.do(chosen, targets)


async def _run(screen: ConsoleScreen, targets: Targets) -> None:
    value = targets[0].value
    policy = value.policy if isinstance(value, LiveCopy) else targets[0].name
    copies = (value.name,) if isinstance(value, LiveCopy) else ()
    await _dialog(screen, policy, {"copies": copies})


async def _again(screen: ConsoleScreen, targets: Targets) -> None:
    job = targets[0].value
    await _dialog(screen, job.policy, job.options)


async def _dialog(screen: ConsoleScreen, policy: str, options: Mapping[str, Any]) -> None:
    from auxtui.screens.run_auxcopy import RunAuxiliaryCopyScreen

    estate = screen.console.state.estate
    found = next((p for p in estate.policies if p.name == policy), None) if estate else None
    if estate is None or found is None:
        raise UsageError(f"policy {safe(policy)} is not there any more")
    job_id = await screen.app.push_screen_wait(RunAuxiliaryCopyScreen(found, estate, options))
    if job_id is not None:
        screen.console.feed.refresh()
        screen.flash(f"job {job_id} has started; it goes on when this console ends", Tone.OK)


async def _request(
    screen: ConsoleScreen,
    targets: Targets,
    kind: RequestKind,
    payload: Mapping[str, Any],
    done: str,
) -> None:
    """Asks the service about each job; says what it answered."""
    door = screen.console.door
    names = ", ".join(target.name for target in targets)
    screen.flash(f"{kind.value} {names}: requested {screen.look.glyphs.ellipsis}")
    for target in targets:
        job_id = target.id
        await in_thread(lambda job_id=job_id: door.request(kind, job_id, payload))  # type: ignore[misc]
    screen.console.feed.refresh()
    screen.flash(f"{names}: {done}", Tone.OK)


async def _suspend(screen: ConsoleScreen, targets: Targets) -> None:
    await _request(screen, targets, RequestKind.SUSPEND, {}, "suspended at the next chunk")


async def _resume(screen: ConsoleScreen, targets: Targets) -> None:
    await _request(screen, targets, RequestKind.RESUME, {}, "resumed")


async def _kill(screen: ConsoleScreen, targets: Targets) -> None:
    await _request(screen, targets, RequestKind.KILL, {}, "killed")


async def _priority(screen: ConsoleScreen, targets: Targets) -> None:
    from auxtui.screens.ask import PromptScreen

    def read(text: str) -> int:
        return fmt.whole_number(text, "Priority", least=0, most=9)

    job: JobValue = targets[0].value
    asked = PromptScreen(
        "Change Priority", "Priority, 0 (first) to 9 (last)", str(job.priority), read
    )
    priority = await screen.app.push_screen_wait(asked)
    if priority is not None:
        payload = {"priority": priority}
        await _request(screen, targets, RequestKind.PRIORITY, payload, f"priority {priority}")


async def _throttle(screen: ConsoleScreen, targets: Targets) -> None:
    from auxtui.screens.ask import PromptScreen

    def read(text: str) -> int:
        return fmt.whole_number(text or "0", "Throttle", least=0, most=1_000_000)

    job: JobValue = targets[0].value
    now = str(job.throttle_bps // fmt.MIB) if job.throttle_bps else "0"
    asked = PromptScreen("Change Throttle", "Throttle, MiB/s; 0 lifts the limit", now, read)
    mib = await screen.app.push_screen_wait(asked)
    if mib is not None:
        payload = {"throttle_bps": mib * fmt.MIB or None}
        said = f"at most {mib} MiB/s" if mib else "no limit"
        await _request(screen, targets, RequestKind.THROTTLE, payload, said)


async def _ledger(screen: ConsoleScreen, targets: Targets) -> None:
    screen.console.open_ledger(targets[0])


async def _why(screen: ConsoleScreen, targets: Targets) -> None:
    screen.console.open_backup_job(targets[0].id)


async def _scan(screen: ConsoleScreen, targets: Targets) -> None:
    names = _subclients(targets[0])
    adopted = left = 0
    troubles: list[str] = []
    screen.flash(f"scan: requested {screen.look.glyphs.ellipsis}")
    for name in names:
        found = await in_thread(lambda name=name: screen.console.door.scan(name))  # type: ignore[misc]
        adopted += len(found.get("adopted", ()))
        left += len(found.get("left", ()))
        troubles += [str(entry) for key in ("bad", "offline") for entry in found.get(key, ())]
    screen.console.feed.refresh()
    text = f"scan: {fmt.count(adopted, 'new backup job')}, {left} left for later"
    if troubles:
        screen.flash(
            f"{text}; {fmt.count(len(troubles), 'trouble')}: {safe(troubles[0])}", Tone.WARN
        )
    else:
        screen.flash(text, Tone.OK)


def _subclients(target: Target) -> list[str | None]:
    if isinstance(target.value, LiveSubclient):
        return [f"{target.value.client}/{target.value.name}"]
    if isinstance(target.value, LiveClient):
        return [f"{sub.client}/{sub.name}" for sub in target.value.subclients]
    return [None]


async def _start_service(screen: ConsoleScreen, targets: Targets) -> None:
    screen.flash(f"service: starting {screen.look.glyphs.ellipsis}")
    await in_thread(screen.console.door.ensure_service)
    screen.console.feed.refresh()
    screen.flash("the service runs; it goes on when this console ends", Tone.OK)


async def _stop_service(screen: ConsoleScreen, targets: Targets) -> None:
    screen.flash(f"service: stopping {screen.look.glyphs.ellipsis}")
    await in_thread(lambda: screen.console.door.request(RequestKind.STOP_SERVICE, None, {}))
    screen.console.feed.refresh()
    screen.flash("the service stops at a chunk boundary; jobs go on at its next start", Tone.OK)


async def _yank(screen: ConsoleScreen, targets: Targets) -> None:
    text = "\n".join(safe(target.name) for target in targets)
    screen.app.copy_to_clipboard(text)
    screen.flash(f"in the clipboard of your terminal: {text.splitlines()[0]}")


async def _refresh(screen: ConsoleScreen, targets: Targets) -> None:
    screen.console.feed.refresh()
    screen.flash("looked at the catalog")


async def _pause(screen: ConsoleScreen, targets: Targets) -> None:
    screen.console.toggle_pause()


async def _palette(screen: ConsoleScreen, targets: Targets) -> None:
    from auxtui.screens.palette import PaletteScreen

    found = await screen.app.push_screen_wait(PaletteScreen(screen))
    if found is None:
        return
    if isinstance(found, Target):
        await screen.console.open_target(found)
    else:
        await screen.do(found, targets)


async def _help(screen: ConsoleScreen, targets: Targets) -> None:
    from auxtui.screens.help import HelpScreen

    screen.app.push_screen(HelpScreen(screen))


async def _troubles(screen: ConsoleScreen, targets: Targets) -> None:
    from auxtui.screens.help import TroublesScreen

    screen.app.push_screen(TroublesScreen(screen.console.state.troubles))


async def _back(screen: ConsoleScreen, targets: Targets) -> None:
    if not screen.back():
        screen.console.step_back()


async def _leave(screen: ConsoleScreen, targets: Targets) -> None:
    if not screen.console.step_back():
        screen.console.leave()


async def _theme(screen: ConsoleScreen, targets: Targets) -> None:
    screen.console.next_theme()


OF_THE_SCREEN = {
    "list.mark": "mark",
    "list.filter": "open_filter",
    "list.state": "next_state",
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
    "service.start": _start_service,
    "service.stop": _stop_service,
    "view.refresh": _refresh,
    "view.pause": _pause,
    "view.theme": _theme,
    "go.palette": _palette,
    "go.help": _help,
    "go.troubles": _troubles,
    "go.back": _back,
    "console.leave": _leave,
}
